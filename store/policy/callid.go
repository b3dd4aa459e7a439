package policy

import (
	"strings"
	"time"

	"sipsieve/store/cpni"
)

// CallIDs returns the pseudonyms that call_id has in records of u for one Call-ID: one for each epoch that lies between
// from and to, and for the epoch behind them. It returns none if u keeps no pseudonym of Call-IDs. keys may not be in
// use by another goroutine.
func (u *Purpose) CallIDs(keys Keys, id string, from, to time.Time) (list []string) {
	w := transformer{keys: keys}
	field, _ := cpni.FieldOf("call_id")
	for i := range u.rules {
		if r := &u.rules[i]; r.field == field && r.pseudonymous() {
			for t := from; t.Before(to.Add(u.Epoch)); t = t.Add(u.Epoch) {
				w.time = t
				one := w.appendPseudonym(nil, r.typ, id)
				list = append(list, strings.Trim(string(one), `"`))
				w.end() // else the next epoch has this one's pseudonym
			}
		}
	}
	return list
}

// Precision returns to what u cuts the values of a field that it keeps as they are or cut, 0 if they stay exact. ok is
// false if what u keeps cannot be compared with a value: a pseudonym, an area, nothing.
func (u *Purpose) Precision(field string) (step time.Duration, ok bool) {
	for _, t := range u.transformsOf(field) {
		switch {
		case t.key != field:
		case t.action == Keep, t.action == E164:
			return 0, true
		case t.action == Truncate, t.action == Bucket:
			return time.Duration(t.width) * time.Millisecond, true
		}
	}
	return 0, false
}
