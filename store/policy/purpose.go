package policy

import (
	"slices"
	"time"

	"sipsieve/sip/event"
	"sipsieve/store/cpni"
)

// A Purpose is a reason to keep, with the fields it needs and the transforms of each. It is used by one goroutine.
type Purpose struct {
	Name, Why, Basis, GDPR, Consent, RetainWhy, Erase, When string
	Audience, Kinds, Stages                                 []string
	Retain, BusRetain                                       Retention
	Epoch                                                   time.Duration
	Priority, MinCorrelation                                int
	Enabled, FromReceipt                                    bool

	rules  []rule               // in the register's order; a field without a rule has no line here
	units  map[cpni.Kind]string // to which the time is cut that retention counts from; none for ""
	halves halves               // what its excerpts of a part of a call have
	line   int
	stages event.Stages
	hash   string // of the policy

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

// Form returns the transform that makes what u keeps under the name of a field, as the policy writes it; "" if u keeps
// nothing of the field.
func (u *Purpose) Form(field string) string {
	for _, r := range u.rules {
		if r.field.String() == field {
			return r.transforms[0].String()
		}
	}
	return ""
}

// Minimise appends to dst the JSON of what u keeps of r. It reports false when u keeps nothing of it.
// The Excerpt's body is the part of dst that was appended.
func (u *Purpose) Minimise(dst []byte, r *cpni.Record) (x Excerpt, ok bool) {
	s := u.snapshotOf(r)
	if !u.takes(r, &s) {
		return x, false
	}
	from := len(dst)
	x.Envelope = u.envelope(r, &s)
	b := x.append(append(dst, '{'))
	if l := r.Loss(); l != nil {
		b = appendLoss(b, l)
	} else {
		b = u.appendFields(halfOf(u, r, &s).append(b), r, &s)
	}
	b = append(b, '}')
	x.body = b[from:len(b):len(b)]
	return x, true
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
	case u.units[cpni.CallKind] == "month":
		return 31
	case u.Retain.Months != 0 || u.Retain.Years != 0:
		return 4 // from 28 February and 1 March on
	}
	return 1
}

// setRules sets the rules of its lines, and what follows from them.
func (u *Purpose) setRules(rules []rule) {
	slices.SortFunc(rules, func(a, b rule) int { return int(a.field) - int(b.field) })
	u.rules, u.units = rules, map[cpni.Kind]string{}
	for _, k := range cpni.Kinds() {
		if times := k.Times(); len(times) > 0 {
			for _, t := range u.transformsOf(times[0]) {
				u.units[k] = t.unit
			}
		}
	}
	u.units[cpni.LossKind] = u.units[cpni.CallKind] // kept as long as the calls that are missing
	u.halves = halvesOf(u)
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
	for _, r := range u.rules {
		for _, t := range r.transforms {
			if t.action == Seal || t.action == Count {
				m.add(key+".fields."+r.field.String(), "%s", t.action)
			}
		}
	}
}

func (u *Purpose) bind(keys Keys, ids Identity) {
	u.bound = true
	u.ids = identities{purpose: u.Name, keys: ids}
	u.writer.purpose, u.writer.keys = u.Name, keys
	u.unmasked = slices.Contains(unmasked, u.Name)
	u.columns = columnSum(u.rules)
}

// takes reports whether u keeps anything of r: its kind, its stage, and when.
func (u *Purpose) takes(r *cpni.Record, s *snapshot) bool {
	switch {
	case !u.bound:
		return false
	case r.Loss() != nil:
		return true
	case !slices.Contains(u.Kinds, r.Kind().String()):
		return false
	case r.Restored() && s.id == "":
		return false
	case u.When == "emergency" && !s.emergency && !r.Emergency():
		return false
	}
	return u.stages.Has(r.Stage())
}

func (u *Purpose) envelope(r *cpni.Record, s *snapshot) Envelope {
	id := s.idOf(r)
	if id == "" {
		id = u.ids.record(r)
	}
	dialog := s.dialog
	if dialog == "" {
		dialog = u.ids.dialog(r)
	}
	kind, from := r.Kind(), r.Time()
	if u.FromReceipt && !r.Received.IsZero() {
		from = r.Received
	}
	return Envelope{Schema: kind.Schema(), Kind: kind.String(), Stage: cpni.StageWord(r.Stage()), ID: id, Dialog: dialog,
		Revision: r.Revision(), Status: cpni.StatusWord(r.Status()), Missing: r.Missing(), Completeness: r.Completeness(),
		Purpose: u.Name, Policy: u.hash, Class: "cpni", Expires: expiry(from, u.units[kind], u.Retain), Site: r.Site,
		Sensor: r.Sensor, Source: r.Source}
}

// appendFields writes what the rules keep of r, in the register's order.
func (u *Purpose) appendFields(b []byte, r *cpni.Record, s *snapshot) []byte {
	kind := r.Kind()
	applied, restored := s.applied, r.Restored()
	for i := range u.rules {
		rule := &u.rules[i]
		if !rule.field.In(kind) {
			continue
		}
		if restored && !rule.field.Remembered() {
			b = s.append(b, rule)
			continue
		}
		v, withheld := u.see(r, rule)
		if applied && callFlags[rule.field] {
			v = v.With("privacy_applied")
		}
		for j, t := range rule.transforms {
			b = append(append(append(b, `,"`...), rule.keys[j]...), `":`...)
			if withheld && t.action != Pseudonym && t.action != Presence {
				b = append(b, "null"...)
				applied = true
				continue
			}
			b = u.writer.append(b, cell{rule, t, v, r.Time()})
		}
	}
	return b
}

// see returns the value of a rule's field that u may use, and whether it is to be withheld from u by the wish of a
// party.
func (u *Purpose) see(r *cpni.Record, rule *rule) (v cpni.Value, withheld bool) {
	if !joinFields[rule.field] {
		return r.Get(rule.field), !u.unmasked && r.Withheld(rule.field)
	}
	v = r.Join(rule.field, u.MinCorrelation)
	if v.Known() && sessionGroup[rule.field] {
		return cpni.Group(u.ids.group(cpni.Reveal(v.Text()))), false
	}
	return v, false
}

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
