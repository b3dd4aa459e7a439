package preview

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// mostShapes is how many shapes of a column are named, those of most values.
const mostShapes = 3

// A Report is what a Study has counted. Without examples it has no value of the traffic.
type Report struct {
	Records  map[string]uint64 `json:"records"`  // by kind; a call has one at each stage that a purpose takes
	Excerpts map[string]uint64 `json:"excerpts"` // by purpose
	Fields   []Field           `json:"fields"`   // those that were seen, in the register's order
	Headers  []Header          `json:"unread_headers"`
	Other    OtherHeaders      `json:"unregistered_headers"`
}

// A Field is what became of one field of the register.
type Field struct {
	Name     string    `json:"field"`
	Class    string    `json:"class"`
	Seen     uint64    `json:"seen"` // records that show it
	Purposes []Purpose `json:"purposes"`
}

// A Purpose is what one purpose makes of a field. Of each Column, Published less Unseen, Withheld, Empty and Untaken add up
// to what was seen.
type Purpose struct {
	Name    string   `json:"purpose"`
	Named   bool     `json:"named"`   // by the purpose; else the field is dropped
	Untaken uint64   `json:"untaken"` // in records of a kind, at a stage or of calls that the purpose does not take
	Columns []Column `json:"columns"`
}

// A Column is one key of the purpose's excerpts.
type Column struct {
	Name      string    `json:"key"`
	Transform string    `json:"form"`
	Published uint64    `json:"published"`
	Unseen    uint64    `json:"unseen"`   // of Published: nothing was seen, and that leaves: presence says no
	Withheld  uint64    `json:"withheld"` // the party asked for privacy
	Empty     uint64    `json:"empty"`    // the transform leaves nothing of the value: it is null
	Shapes    []Shape   `json:"shapes"`
	Examples  []Example `json:"examples,omitempty"`
}

// A Shape is what published values look like.
type Shape struct {
	Shape string `json:"shape"`
	Count uint64 `json:"count"`
}

// An Example is a value of the traffic, and what is published of it, as JSON.
type Example struct {
	Seen      string `json:"seen"`
	Published string `json:"published"`
}

// A Header is a header of the IANA registry that nothing reads.
type Header struct {
	Name  string `json:"header"`
	Lines uint64 `json:"lines"`
}

// OtherHeaders are those that are not in the IANA registry. Their names are not kept.
type OtherHeaders struct {
	Lines uint64 `json:"lines"`
}

// shapesOf returns the shapes by count, the most first.
func shapesOf(counts map[string]uint64) []Shape {
	list := []Shape{}
	for shape, n := range counts {
		list = append(list, Shape{shape, n})
	}
	slices.SortFunc(list, func(a, b Shape) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Shape, b.Shape))
	})
	return list
}

// Table writes r as text.
func (r *Report) Table(w io.Writer) error {
	fmt.Fprintf(w, "Records: %s. Excerpts: %s.\n", countsText(r.Records), countsText(r.Excerpts))
	for _, f := range r.Fields {
		fmt.Fprintf(w, "\n%s (%s): seen in %d records\n", f.Name, f.Class, f.Seen)
		f.write(w)
	}
	fmt.Fprint(w, "\nHeaders in the traffic that nothing reads\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, h := range r.Headers {
		fmt.Fprintf(t, "  %s\t%d lines\n", h.Name, h.Lines)
	}
	fmt.Fprintf(t, "  not in the IANA registry\t%d lines\n", r.Other.Lines)
	return t.Flush()
}

// write writes a line for each purpose that names f and takes a record of it, and one for all others.
func (f *Field) write(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var dropped, untaken []string
	for _, p := range f.Purposes {
		switch {
		case !p.Named:
			dropped = append(dropped, p.Name)
			continue
		case p.Untaken == f.Seen && f.Seen > 0:
			untaken = append(untaken, p.Name)
			continue
		}
		for _, c := range p.Columns {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%d published\t%s\n", p.Name, c.Name, c.Transform, c.Published, c.text(p.Untaken))
			for _, e := range c.Examples {
				fmt.Fprintf(t, "  \t\t\t\t%s -> %s\n", cmp.Or(e.Seen, "nothing"), e.Published)
			}
		}
	}
	_ = t.Flush() // what cannot be written is the error of the table's last write
	if len(dropped) > 0 {
		fmt.Fprintf(w, "  dropped, because not named: %s\n", strings.Join(dropped, ", "))
	}
	if len(untaken) > 0 {
		fmt.Fprintf(w, "  in no record that it takes (kinds, stages, when): %s\n", strings.Join(untaken, ", "))
	}
}

// text returns the shapes of c, and why there are no more values.
func (c *Column) text(untaken uint64) string {
	var parts []string
	rest := uint64(0)
	for i, s := range c.Shapes {
		if i < mostShapes {
			parts = append(parts, fmt.Sprintf("%s x %d", s.Shape, s.Count))
		} else {
			rest += s.Count
		}
	}
	for _, one := range []struct {
		count uint64
		text  string
	}{{rest, "of other shapes"}, {c.Withheld, "withheld for privacy"}, {c.Empty, "left empty by the form"},
		{untaken, "in records that it does not take"}} {
		if one.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", one.count, one.text))
		}
	}
	return strings.Join(parts, "; ")
}

// countsText writes counts in the order of their names.
func countsText(counts map[string]uint64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}
