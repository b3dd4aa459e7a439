// Package preview shows what a policy does to real traffic: of each field that was seen, how often each purpose publishes
// it and in which shape, and why it does not. Without examples no value of the traffic is in a Report.
//
// A Study reads the very excerpts that the purposes make, so that its counts are those of what would be published.
package preview

import (
	"encoding/json"
	"maps"
	"slices"

	"sipsieve/sip"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// A Study counts what purposes make of records. It is used by one goroutine.
type Study struct {
	purposes []*purpose
	fields   []uint64 // records that show a Field
	records  map[string]uint64
	examples int
	headers  map[string]*Header
	other    OtherHeaders
	reads    sip.Selection
}

// A purpose is a policy.Purpose, and its lines.
type purpose struct {
	*policy.Purpose
	lines []line
	made  uint64 // excerpts
}

// A line is a policy.Line, and what became of its field.
type line struct {
	policy.Line
	withheldToo bool   // the purpose gets withheld numbers as any other
	untaken     uint64 // records that show the field and that the purpose does not take
	columns     []column
}

// A column is a policy.Form, and what became of the values.
type column struct {
	policy.Form
	Column
	shapes map[string]uint64
}

// New returns a Study of what purposes make of records that have the headers of reads. It keeps so many examples of the
// values of each column, 0 for none.
func New(purposes []*policy.Purpose, reads sip.Selection, examples int) *Study {
	s := &Study{fields: make([]uint64, cpni.Fields()), records: map[string]uint64{}, examples: examples,
		headers: map[string]*Header{}, reads: reads}
	for _, u := range purposes {
		p := &purpose{Purpose: u}
		for _, l := range u.Lines() {
			one := line{Line: l, withheldToo: u.SeesWithheld()}
			for _, f := range l.Forms {
				one.columns = append(one.columns, column{Form: f, shapes: map[string]uint64{}})
			}
			p.lines = append(p.lines, one)
		}
		s.purposes = append(s.purposes, p)
	}
	return s
}

// Add counts r, and what the purposes publish of it. Of fields that no purpose names it counts nothing: see See.
func (s *Study) Add(r *cpni.Record) {
	if r.Loss() != nil {
		return
	}
	s.records[r.Kind().String()]++
	counted := map[cpni.Field]bool{}
	for _, p := range s.purposes {
		x, taken := p.Minimise(nil, r)
		var body map[string]json.RawMessage
		if taken {
			p.made++
			_ = json.Unmarshal(x.Body(), &body) // what Minimise makes is JSON
		}
		for i := range p.lines {
			l := &p.lines[i]
			if !l.Field.In(r.Kind()) {
				continue
			}
			v, known := valueOf(r, l.Field)
			if known && !counted[l.Field] {
				counted[l.Field] = true
				s.fields[l.Field]++
			}
			if !taken {
				if known {
					l.untaken++
				}
				continue
			}
			for j := range l.columns {
				l.columns[j].add(outcome{body[l.columns[j].Key], v, l.Field.Entry().Type, known,
					!l.withheldToo && r.Withheld(l.Field)}, s.examples)
			}
		}
	}
}

// See counts the fields of r, which was made with a selection of all headers, that none of named is.
func (s *Study) See(r *cpni.Record, named []cpni.Field) {
	if r.Loss() != nil {
		return
	}
	for f := range cpni.Field(cpni.Fields()) {
		if slices.Contains(named, f) || !f.In(r.Kind()) {
			continue
		}
		if _, known := valueOf(r, f); known {
			s.fields[f]++
		}
	}
}

// valueOf returns the value of a field, and whether the traffic shows one. Joins are taken however sure they are.
func valueOf(r *cpni.Record, f cpni.Field) (v cpni.Value, known bool) {
	if v = *r.Get(f); !v.Known() {
		v = r.Join(f, 0)
	}
	return v, v.Known()
}

// An outcome is what became of the value of one field in one excerpt.
type outcome struct {
	published json.RawMessage
	value     cpni.Value
	kind      string // the register's type of the field
	known     bool
	withheld  bool // the party asked for privacy, and the purpose keeps to it
}

// add counts o.
func (c *column) add(o outcome, examples int) {
	null := len(o.published) == 0 || string(o.published) == "null"
	switch {
	case null && !o.known:
	case null && o.withheld:
		c.Withheld++
	case null:
		c.Empty++
	default:
		c.Published++
		if !o.known {
			c.Unseen++
		}
		c.shapes[shapeOf(o.published, &c.Form, &o.value)]++
		c.example(o, examples)
	}
}

// Headers counts the names of the header lines of m.
func (s *Study) Headers(m *sip.Message) {
	m.HeaderNames(func(name string, h sip.Header) {
		switch {
		case name == "":
			s.other.Lines++
		case s.reads.Reads(h):
		default:
			if s.headers[name] == nil {
				s.headers[name] = &Header{Name: name}
			}
			s.headers[name].Lines++
		}
	})
}

// example keeps what was seen and what was published, up to so many different ones.
func (c *column) example(o outcome, most int) {
	if len(c.Examples) >= most {
		return
	}
	one := Example{Published: string(o.published)}
	if o.known {
		one.Seen = shown(o.kind, &o.value)
	}
	for _, before := range c.Examples {
		if before == one {
			return
		}
	}
	c.Examples = append(c.Examples, one)
}

// Report returns what s has counted.
func (s *Study) Report() *Report {
	r := &Report{Records: s.records, Excerpts: map[string]uint64{}, Fields: []Field{}, Headers: []Header{}, Other: s.other}
	for _, p := range s.purposes {
		r.Excerpts[p.Name] = p.made
	}
	for i := range s.fields {
		f := cpni.Field(i)
		one := Field{Name: f.String(), Class: f.Entry().Class, Seen: s.fields[f], Purposes: []Purpose{}}
		published := false
		for _, p := range s.purposes {
			u := p.of(f)
			one.Purposes = append(one.Purposes, u)
			published = published || slices.ContainsFunc(u.Columns, func(c Column) bool { return c.Published > 0 })
		}
		if one.Seen > 0 || published {
			r.Fields = append(r.Fields, one)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.headers)) {
		r.Headers = append(r.Headers, *s.headers[name])
	}
	return r
}

// of returns what p makes of f.
func (p *purpose) of(f cpni.Field) Purpose {
	u := Purpose{Name: p.Name, Columns: []Column{}}
	for i := range p.lines {
		if l := &p.lines[i]; l.Field == f {
			u.Named, u.Untaken = true, l.untaken
			for _, c := range l.columns {
				one := c.Column
				one.Name, one.Transform, one.Shapes = c.Key, c.Form.Transform, shapesOf(c.shapes)
				u.Columns = append(u.Columns, one)
			}
		}
	}
	return u
}
