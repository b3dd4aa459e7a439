package policy

import (
	"slices"
	"strconv"
	"time"

	"sipsieve/store/cpni"
)

// A program is what a purpose does with the records of one kind, worked out once: the parts of every excerpt that do
// not change, and its fields in the register's order.
type program struct {
	purpose *Purpose
	kind    cpni.Kind
	taken   bool   // the policy names the kind
	unit    string // to which the time is cut that retention counts from, "" if it is not cut
	fields  []step
	head    string // of every excerpt, up to the value of stage
	tail    string // of the envelope, from the purpose up to the value of expires
	last    lastExpiry
}

// A step writes one field: a column for each of its forms.
type step struct {
	*rule
	columns    []column
	origin     origin
	remembered bool // a restored call has it
	flags      bool // it is call_flags, which shows that a number was withheld
}

// An origin is where the value of a field is read.
type origin uint8

const (
	ofRecord origin = iota
	ofJoin          // of the joins of legs that the purpose is shown
	ofGroup         // as ofJoin, under an id of the purpose
)

// A column is one form of a field.
type column struct {
	*rule
	transform
	key   string // with the comma before it and the colon behind it
	write writer
	hides bool // a withheld number may leave in this form
}

// A lastExpiry is the expiry that was worked out last: that of all records of one day.
type lastExpiry struct {
	day  int64 // since 1970
	date Date
	text string
}

// programs returns what u does with each Kind.
func (u *Purpose) programsOf() []program {
	list := make([]program, len(cpni.Kinds())+1)
	for _, kind := range cpni.Kinds() {
		g := program{purpose: u, kind: kind, taken: slices.Contains(u.Kinds, kind.String()), unit: u.unitOf(kind)}
		g.head = `{"schema":` + quoted(kind.Schema()) + `,"kind":` + quoted(kind.String()) + `,"stage":`
		g.tail = `,"purpose":` + quoted(u.Name) + `,"policy":` + quoted(u.hash) + `,"class":"cpni","expires":"`
		for i := range u.rules {
			if u.rules[i].field.In(kind) {
				g.fields = append(g.fields, stepOf(&u.rules[i]))
			}
		}
		list[kind] = g
	}
	return list
}

func stepOf(r *rule) step {
	s := step{rule: r, remembered: r.field.Remembered(), flags: callFlags[r.field]}
	switch {
	case sessionGroup[r.field]:
		s.origin = ofGroup
	case joinFields[r.field]:
		s.origin = ofJoin
	}
	for i, t := range r.transforms {
		s.columns = append(s.columns, column{rule: r, transform: t, key: `,` + quoted(r.keys[i]) + `:`,
			write: writerOf(r, t), hides: t.action == Pseudonym || t.action == Presence})
	}
	return s
}

// minimise is Purpose.Minimise for records of the program's kind.
func (g *program) minimise(dst []byte, r *cpni.Record) (x Excerpt, ok bool) {
	u := g.purpose
	s := u.snapshotOf(r)
	if !g.takes(r, &s) {
		return x, false
	}
	u.writer.begin(r)
	var expires string
	x.Envelope, expires = g.envelope(r, &s)
	b := g.appendEnvelope(dst, &x.Envelope, expires)
	if l := r.Loss(); l != nil {
		b = appendLoss(b, u.asWide(l))
	} else {
		b = g.appendFields(halfOf(u, r, &s).append(b), r, &s)
	}
	u.writer.end()
	b = append(b, '}')
	x.body = b[len(dst):len(b):len(b)]
	return x, true
}

// takes reports whether the purpose keeps anything of r: its kind, its stage, and when.
func (g *program) takes(r *cpni.Record, s *snapshot) bool {
	u := g.purpose
	switch {
	case r.Loss() != nil:
		return true
	case !g.taken || r.Restored() && s.id == "":
		return false
	case u.When == "emergency" && !s.emergency && !r.Emergency():
		return false
	}
	return u.stages.Has(r.Stage())
}

// envelope returns the envelope of r's excerpt, and its day of expiry as text.
func (g *program) envelope(r *cpni.Record, s *snapshot) (Envelope, string) {
	u := g.purpose
	id, dialog := s.idOf(r), s.dialog
	if id == "" {
		id = u.ids.record(r)
	}
	if dialog == "" {
		dialog = u.ids.dialog(r)
	}
	from := r.Time()
	if u.FromReceipt && !r.Received.IsZero() {
		from = r.Received
	}
	date, text := g.expires(from)
	return Envelope{Schema: g.kind.Schema(), Kind: g.kind.String(), Stage: cpni.StageWord(r.Stage()), ID: id,
		Dialog: dialog, Revision: r.Revision(), Status: cpni.StatusWord(r.Status()), Missing: r.Missing(),
		Completeness: r.Completeness(), Purpose: u.Name, Policy: u.hash, Class: "cpni", Expires: date, Site: r.Site,
		Sensor: r.Sensor, Source: r.Source}, text
}

// expires returns the day on which an excerpt is deleted whose retention counts from t, as a Date and as text.
func (g *program) expires(t time.Time) (Date, string) {
	day, rest := t.Unix()/secondsOfDay, t.Unix()%secondsOfDay
	if rest > 0 || rest == 0 && t.Nanosecond() > 0 {
		day++ // what began within a day counts from its end
	}
	if g.last.text == "" || g.last.day != day {
		date := expiry(t, g.unit, g.purpose.Retain)
		g.last = lastExpiry{day, date, date.String()}
	}
	return g.last.date, g.last.text
}

// appendEnvelope writes the keys of x, from the brace on.
func (g *program) appendEnvelope(b []byte, x *Envelope, expires string) []byte {
	b = appendText(append(b, g.head...), x.Stage)
	b = appendText(append(b, `,"id":`...), x.ID)
	if g.kind == cpni.CallKind {
		b = appendOrNull(append(b, `,"dialog":`...), x.Dialog)
	}
	b = strconv.AppendInt(append(b, `,"revision":`...), int64(x.Revision), 10)
	b = appendText(append(b, `,"status":`...), x.Status)
	b = appendMissing(append(b, `,"missing":`...), x.Missing)
	b = strconv.AppendInt(append(b, `,"completeness":`...), int64(x.Completeness), 10)
	b = append(append(append(b, g.tail...), expires...), '"')
	b = appendText(append(b, `,"site":`...), x.Site)
	b = appendText(append(b, `,"sensor":`...), x.Sensor)
	return appendText(append(b, `,"source":`...), x.Source)
}

// appendFields writes what the rules keep of r, in the register's order.
func (g *program) appendFields(b []byte, r *cpni.Record, s *snapshot) []byte {
	w := &g.purpose.writer
	applied, restored := s.applied, r.Restored()
	for i := range g.fields {
		f := &g.fields[i]
		if restored && !f.remembered {
			b = s.append(b, f)
			continue
		}
		v, withheld := g.see(r, f)
		if applied && f.flags {
			flagged := v.With("privacy_applied")
			v = &flagged
		}
		for j := range f.columns {
			c := &f.columns[j]
			b = append(b, c.key...)
			if withheld && !c.hides {
				b = append(b, "null"...)
				applied = true
				continue
			}
			b = w.append(b, c, v)
		}
	}
	return b
}

// see returns the value of a field that the purpose may use, and whether it is to be withheld from it by the wish of a
// party.
func (g *program) see(r *cpni.Record, f *step) (v *cpni.Value, withheld bool) {
	u := g.purpose
	if f.origin == ofRecord {
		return r.Get(f.field), !u.unmasked && r.Withheld(f.field)
	}
	joined := r.Join(f.field, u.MinCorrelation)
	if f.origin == ofGroup && joined.Known() {
		joined = cpni.Group(u.ids.group(cpni.Reveal(joined.Text())))
	}
	return &joined, false
}

func quoted(s string) string { return string(appendText(nil, s)) }
