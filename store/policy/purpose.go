package policy

import (
	"slices"
	"time"

	"sipsieve/sip/event"
	"sipsieve/store/cpni"
)

// A Purpose is a reason to keep, with the fields it needs and the transforms of each. It is used by one goroutine.
type Purpose struct {
	Name, Why, Basis, GDPR, Use, Consent, RetainWhy, Erase, When string
	Audience, Kinds, Stages                                      []string
	Retain, BusRetain                                            Retention
	Epoch                                                        time.Duration
	Priority, MinCorrelation                                     int
	Enabled, FromReceipt                                         bool

	rules    []rule    // in the register's order; a field without a rule has no line here
	programs []program // by Kind
	halves   halves    // what its excerpts of a part of a call have
	window   time.Duration
	line     int
	stages   event.Stages
	hash     string    // of the policy
	notBuilt []missing // keys of the purpose

	bound    bool
	ids      identities
	writer   transformer
	unmasked bool   // it sees the number of a caller who withholds it
	columns  uint32 // checksum of what a snapshot holds: see columnSum
}

// unmasked are the purposes that get a withheld number after other transforms than pseudonym, seal and presence.
var unmasked = []string{"billing", "legal", "emergency"}

// Columns returns the keys that excerpts of u may have after the envelope, in the register's order.
func (u *Purpose) Columns() (keys []string) {
	for _, r := range u.rules {
		keys = append(keys, r.keys...)
	}
	return keys
}

// Form returns the transform whose result u keeps under a key of Columns, as the policy writes it; "" if u keeps nothing
// under it. The first key of a field is its name.
func (u *Purpose) Form(key string) string {
	for _, r := range u.rules {
		if i := slices.Index(r.keys, key); i >= 0 {
			return r.transforms[i].String()
		}
	}
	return ""
}

// Minimise appends to dst the JSON of what u keeps of r. It reports false when u keeps nothing of it.
// The Excerpt's body is the part of dst that was appended.
func (u *Purpose) Minimise(dst []byte, r *cpni.Record) (x Excerpt, ok bool) {
	if !u.bound {
		return x, false
	}
	return u.programs[r.Kind()].minimise(dst, r)
}

// Snapshot appends to dst what u keeps of the call r that a Tracker does not remember: its id, and the fields that are
// read of texts and addresses, exactly as Minimise publishes them. It appends nothing if u keeps nothing of r. What
// was saved before a restart is saved again as it was.
func (u *Purpose) Snapshot(dst []byte, r *cpni.Record) []byte {
	w := snapshotWriter{u: u, r: r, b: dst, from: len(dst)}
	switch {
	case r.Restored():
		w.again()
	case u.bound && r.Kind() == cpni.CallKind && slices.Contains(u.Kinds, cpni.CallKind.String()) &&
		(u.When != "emergency" || r.Emergency()):
		w.write()
	}
	return w.b
}

// Complete returns whole with the end that rest saw of the same dialog; both are excerpts of u. It reports false if
// whole shows its end itself, or rest shows none, or one before the answer. Nothing is in the result that was in
// neither, but what follows from both: what is missing, completeness, billable, the duration, and who hung up.
//
// A BYE that got no response in whole is that of rest if it was repeated there within 32 s; then it is the end.
//
// The duration has the form in which u keeps durations. A purpose that keeps them as they are has it exactly, from
// blind_clock (see half). In others it is the difference of the times as u keeps them: times that are cut to seconds
// make it up to one second too long, never too short, just what a reader of both times finds. Times that are cut
// further, or under another policy than u's, leave it null; so do times that u does not keep. u may be nil: then
// durations are kept as they are.
//
// Who hung up follows from blind_side. Without it, it is not known of a BYE alone, and of another dialog whose INVITE
// was not seen only if both have one id: else it is not certain that both take the same side for the caller's.
func (u *Purpose) Complete(whole, rest Excerpt) (Excerpt, bool) {
	if whole.Dialog == "" || whole.Dialog != rest.Dialog || !rest.Ended() || !rest.Follows(whole) {
		return whole, false
	}
	c := completion{purpose: u, whole: whole, rest: rest, w: readBody(whole.body), r: readBody(rest.body)}
	return c.result()
}

// DaysApart returns how many days may lie between the expiries of two excerpts of u whose calls began within a day:
// one, unless months of different lengths, or a time that is cut to the month, are in between. The nil Purpose has 1.
func (u *Purpose) DaysApart() int {
	switch {
	case u == nil:
		return 1
	case u.unitOf(cpni.CallKind) == "month":
		return 31
	case u.Retain.Months != 0 || u.Retain.Years != 0:
		return 4 // from 28 February and 1 March on
	}
	return 1
}

// setRules sets the rules of its lines, and what follows from them.
func (u *Purpose) setRules(rules []rule) {
	slices.SortFunc(rules, func(a, b rule) int { return int(a.field) - int(b.field) })
	u.rules = rules
	u.halves = halvesOf(u)
	u.columns = columnSum(rules)
	u.unmasked = slices.Contains(unmasked, u.Name)
	u.programs = u.programsOf()
	u.window = windowOf(u)
}

// unitOf returns the unit to which u cuts the time that the retention of a kind counts from, "" if it is not cut. A
// loss is kept as long as the calls that are missing.
func (u *Purpose) unitOf(kind cpni.Kind) (unit string) {
	if kind == cpni.LossKind {
		kind = cpni.CallKind
	}
	if times := kind.Times(); len(times) > 0 {
		for _, t := range u.transformsOf(times[0]) {
			unit = t.unit
		}
	}
	return unit
}

// ExpiresBy returns the unit to which the day of deletion of records of a kind is rounded up, day or month: what expires
// shows of the time of a call, whatever becomes of its fields.
func (u *Purpose) ExpiresBy(kind cpni.Kind) string {
	if u.unitOf(kind) == "month" {
		return "month"
	}
	return "day"
}

// A keyed is a transform of a field, and the key that its result stands under.
type keyed struct {
	key string
	transform
}

// transformsOf returns the transforms of a field in u; the nil Purpose keeps all as it is.
func (u *Purpose) transformsOf(field string) (all []keyed) {
	if u == nil {
		return []keyed{{field, transform{action: Keep}}}
	}
	for _, r := range u.rules {
		if r.field.String() == field {
			for i, t := range r.transforms {
				all = append(all, keyed{r.keys[i], t})
			}
		}
	}
	return all
}

// checkBuilt adds what u names and this version cannot do.
func (u *Purpose) checkBuilt(m *mistakes, key string) {
	if slices.Contains(u.Kinds, cpni.AggregateKind.String()) {
		m.add(key+".kinds", "noisy aggregates")
	}
	if u.Consent != "" && u.Consent != "none" { // without its list it is not known who agreed
		m.add(key+".consent", "lists of consent")
	}
	for _, one := range u.notBuilt {
		m.add(key+"."+one.key, "%s", one.what)
	}
	for _, r := range u.rules {
		line := key + ".fields." + r.field.String()
		for _, t := range r.transforms {
			if t.action == Presence && !r.field.Extracted() {
				m.add(line, "presence of a field that is not read: it would be false of what was there")
			}
			if t.action == Seal || t.action == Count {
				m.add(line, "%s", t.action)
			}
		}
	}
}

func (u *Purpose) bind(keys Keys) { u.bound, u.ids.keys, u.writer.keys = true, keys, keys }

// snapshotOf reads what was saved of r for u before a restart.
func (u *Purpose) snapshotOf(r *cpni.Record) snapshot {
	if !r.Restored() {
		return snapshot{}
	}
	return readSnapshot(r.Snapshot(u.Name), u.hash, u.columns)
}

var (
	joinFields   = fieldSet("session_group", "correlation", "correlation_score") // shown from min_correlation on
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
