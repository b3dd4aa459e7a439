package policy

import (
	"slices"
	"strconv"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// bound is what a Purpose works with, once its policy is bound.
type bound struct {
	keys     Keys
	ids      Identity
	numbers  sip.Numbers
	unmasked bool // a purpose that may see the number of a caller who withholds it
	parts    [][]byte
	text     []byte // of one value
	clocked  bool   // excerpts of a part of a call bear blind_clock
	sided    bool   // likewise blind_side
	columns  uint32 // sum of the keys that are frozen of a call
}

// unmasked are the purposes that get a withheld number in other forms than pseudonym, seal and presence.
var unmasked = []string{"billing", "legal", "emergency"}

// joinFields are what a purpose sees of a join of legs, only if it is as sure as its min_correlation.
var joinFields = fieldSet("session_group", "correlation", "correlation_score")

var (
	callFlags    = fieldSet("call_flags")
	sessionGroup = fieldSet("session_group")
)

func fieldSet(names ...string) []bool {
	set := make([]bool, cpni.Fields())
	for _, name := range names {
		f, ok := cpni.FieldOf(name)
		if !ok {
			panic("policy: not in the register: " + name)
		}
		set[f] = true
	}
	return set
}

func (u *Purpose) bind(keys Keys, ids Identity) {
	u.keys, u.ids = keys, ids
	u.unmasked = slices.Contains(unmasked, u.Name)
	u.columns = u.sumOfColumns()
	u.clocked, u.sided = u.halves()
}

// takes reports whether u keeps anything of r: its kind, its stage, and when.
func (u *Purpose) takes(r *cpni.Record, z *frozen) bool {
	switch {
	case u.keys == nil:
		return false
	case r.Loss() != nil:
		return true
	case !slices.Contains(u.Kinds, r.Kind().String()):
		return false
	case r.Restored() && z.id == "":
		return false
	case u.When == "emergency" && !z.emergency && !r.Emergency():
		return false
	}
	return u.stages.Has(r.Stage())
}

// Minimise appends to dst the JSON of what u keeps of r. It reports false when u keeps nothing of it.
// The Excerpt's body is the part of dst that was appended.
func (u *Purpose) Minimise(dst []byte, r *cpni.Record) (x Excerpt, ok bool) {
	z := u.thaw(r)
	if !u.takes(r, &z) {
		return x, false
	}
	from := len(dst)
	x.Envelope = u.envelope(r, &z)
	b := x.append(append(dst, '{'))
	if l := r.Loss(); l != nil {
		b = appendLoss(b, l)
	} else {
		b = u.appendFields(u.half(r, &z).append(b), r, &z)
	}
	b = append(b, '}')
	x.body = b[from:len(b):len(b)]
	return x, true
}

func (u *Purpose) envelope(r *cpni.Record, z *frozen) Envelope {
	id := z.of(r)
	if id == "" {
		u.parts = r.Identity(u.parts[:0])
		id = u.ids.ID(u.Name, u.parts...)
	}
	dialog := z.dialog
	if dialog == "" {
		dialog = u.dialog(r)
	}
	kind, at := r.Kind(), r.Time()
	if u.FromReceipt && !r.Received.IsZero() {
		at = r.Received
	}
	return Envelope{Schema: kind.Schema(), Kind: kind.String(), Stage: cpni.StageWord(r.Stage()), ID: id,
		Dialog: dialog, Revision: r.Revision(), Status: cpni.StatusWord(r.Status()), Missing: r.Missing(),
		Completeness: r.Completeness(), Purpose: u.Name,
		Policy: u.hash, Class: "cpni", Expires: expiry(at, u.units[kind], u.Retain), Site: r.Site, Sensor: r.Sensor, Source: r.Source}
}

// dialog returns what the dialog of r is called for u, "" if r is not an answered call.
func (u *Purpose) dialog(r *cpni.Record) string {
	var known bool
	if u.parts, known = r.Dialog(u.parts[:0]); !known {
		return ""
	}
	return u.ids.ID(u.Name, u.parts...)
}

// append writes the envelope's keys, without the brace before them.
func (x *Excerpt) append(b []byte) []byte {
	b = appendText(append(b, `"schema":`...), x.Schema)
	b = appendText(append(b, `,"kind":`...), x.Kind)
	b = appendText(append(b, `,"stage":`...), x.Stage)
	b = appendText(append(b, `,"id":`...), x.ID)
	if x.Kind == cpni.CallKind.String() {
		b = appendOrNull(append(b, `,"dialog":`...), x.Dialog)
	}
	b = strconv.AppendInt(append(b, `,"revision":`...), int64(x.Revision), 10)
	b = appendText(append(b, `,"status":`...), x.Status)
	b = appendMissing(append(b, `,"missing":`...), x.Missing)
	b = strconv.AppendInt(append(b, `,"completeness":`...), int64(x.Completeness), 10)
	b = appendText(append(b, `,"purpose":`...), x.Purpose)
	b = appendText(append(b, `,"policy":`...), x.Policy)
	b = appendText(append(b, `,"class":`...), x.Class)
	b = append(x.Expires.append(append(b, `,"expires":"`...)), '"')
	b = appendText(append(b, `,"site":`...), x.Site)
	b = appendText(append(b, `,"sensor":`...), x.Sensor)
	return appendText(append(b, `,"source":`...), x.Source)
}

// appendMissing writes the list of the words of m.
func appendMissing(b []byte, m track.Missing) []byte {
	b = append(b, '[')
	from := len(b)
	cpni.MissingWords(m, func(word string) {
		if len(b) > from {
			b = append(b, ',')
		}
		b = appendText(b, word)
	})
	return append(b, ']')
}

func appendLoss(b []byte, l *cpni.Loss) []byte {
	b = appendTime(append(b, `,"from":`...), l.From, "second")
	b = appendTime(append(b, `,"to":`...), l.To, "second")
	b = strconv.AppendUint(append(b, `,"count":`...), l.Count, 10)
	return appendText(append(b, `,"reason":`...), l.Reason)
}

// appendFields writes what the rules keep of r, in the register's order.
func (u *Purpose) appendFields(b []byte, r *cpni.Record, z *frozen) []byte {
	kind := r.Kind()
	applied, restored := z.applied, r.Restored()
	for i := range u.rules {
		rule := &u.rules[i]
		if !rule.field.In(kind) {
			continue
		}
		if restored && !rule.field.Told() {
			b = z.append(b, rule)
			continue
		}
		v, withheld := u.see(r, rule)
		if applied && callFlags[rule.field] {
			v = v.With("privacy_applied")
		}
		for j, f := range rule.forms {
			b = append(append(append(b, `,"`...), rule.keys[j]...), `":`...)
			if withheld && f.action != Pseudonym && f.action != Presence {
				b = append(b, "null"...)
				applied = true
				continue
			}
			b = u.appendValue(b, rule, f, v, r.Time())
		}
	}
	return b
}

// see returns the value of a rule's field as u is shown it, and whether somebody asked that it be withheld from u.
func (u *Purpose) see(r *cpni.Record, rule *rule) (v cpni.Value, withheld bool) {
	if joinFields[rule.field] {
		return u.join(r, rule.field), false
	}
	return r.Get(rule.field), !u.unmasked && r.Withheld(rule.field)
}

// join returns what u is shown of a join of legs. The name of a group is made for u alone: no two purposes can find
// the same call by it.
func (u *Purpose) join(r *cpni.Record, f cpni.Field) cpni.Value {
	v := r.Join(f, u.MinCorrelation)
	if v.Known() && sessionGroup[f] {
		return cpni.Group(u.ids.ID(u.Name, []byte("session_group"), []byte(cpni.Reveal(v.Text()))))
	}
	return v
}

// appendTime writes t in UTC, with microseconds if no unit was cut off.
func appendTime(b []byte, t time.Time, unit string) []byte {
	format := `"2006-01-02T15:04:05.000000Z"`
	if unit != "" {
		t, format = floor(t, unit), `"2006-01-02T15:04:05Z"`
	}
	return t.UTC().AppendFormat(b, format)
}
