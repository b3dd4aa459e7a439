package risk

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// A Report is what a Study found. It holds shares and names of columns, and no value of an excerpt.
type Report struct {
	LeftOut  int          `json:"left_out"` // publications behind the first MostRecords records of their kind
	Purposes []Uniqueness `json:"purposes"`
	Pairs    []Join       `json:"pairs"`

	Publications []Publication `json:"publications"`
}

// A Publication is when the excerpts of a purpose leave.
type Publication struct {
	Purpose string `json:"purpose"`
	Window  int    `json:"window_seconds"` // for so long they are gathered, and leave together, sorted by id; 0 for at once
}

// A Uniqueness is how far the excerpts of one purpose can be told apart by what they show beside ids and pseudonyms.
type Uniqueness struct {
	Purpose string    `json:"purpose"`
	Kind    string    `json:"kind"`
	Records int       `json:"records"`
	Unique  float64   `json:"unique_percent"`   // whose combination of values no other has
	Median  int       `json:"median_set"`       // so many show the same, the excerpt itself too: half are in smaller sets
	Small   int       `json:"five_percent_set"` // one in twenty is in a set of this size or a smaller one
	Without []Without `json:"without"`          // those that change it, the strongest first
}

// A Join is how many excerpts of one purpose the attacker joins with those of another.
type Join struct {
	Purpose string    `json:"purpose"` // the one with fewer excerpts, of which the shares are
	With    string    `json:"with"`
	Kind    string    `json:"kind"`
	Records [2]int    `json:"records"`           // of Purpose, of With
	Right   float64   `json:"joined_percent"`    // by the better of the two attackers
	Fields  float64   `json:"by_fields_percent"` // by what the fields show, whatever the order
	Wrong   float64   `json:"wrong_percent"`     // by the fields, but with an excerpt of another record
	Order   float64   `json:"by_order_percent"`  // by order or window of publication, as far as the fields agree
	Columns []string  `json:"compared"`
	Without []Without `json:"without"` // of Fields
	Coarser []Coarser `json:"coarser"` // of Fields: the strongest column that is a time, a duration or a number, cut further
}

// A Without is the share that is left if one column were not there.
type Without struct {
	Column  string  `json:"column"`
	Percent float64 `json:"percent"`
}

// A Coarser is the share that is left if one purpose cut a column further.
type Coarser struct {
	Purpose string  `json:"purpose"`
	Column  string  `json:"column"`
	Form    string  `json:"form"`
	Percent float64 `json:"percent"`
}

// percent returns part of whole in percent, to one digit behind the point; 0 of nothing.
func percent(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return math.Round(1000*float64(part)/float64(whole)) / 10
}

// Table writes r in plain words. The error is that of out.
func (r *Report) Table(out io.Writer) error {
	if len(r.Purposes) == 0 {
		_, err := fmt.Fprintln(out, "No record of any purpose was made of the file.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "What singles out a record of one purpose:\n\n")
	fmt.Fprintln(w, "PURPOSE\tKIND\tRECORDS\tUNIQUE\tMEDIAN SET\t5 % SET\tWHAT DOES IT")
	for _, u := range r.Purposes {
		fmt.Fprintf(w, "%s\t%s\t%d\t%g %%\t%d\t%d\t%s\n", u.Purpose, u.Kind, u.Records, u.Unique, u.Median, u.Small, withouts(u.Without))
	}
	if len(r.Pairs) > 0 {
		fmt.Fprint(w, "\nWhat joins the records of two purposes:\n\n")
		fmt.Fprintln(w, "PURPOSE\tWITH\tKIND\tRECORDS\tJOINED\tBY ORDER\tBY FIELDS\tWRONG\tWHAT DOES IT")
	}
	for _, j := range r.Pairs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d, %d\t%g %%\t%g %%\t%g %%\t%g %%\t%s\n", j.Purpose, j.With, j.Kind, j.Records[0], j.Records[1],
			j.Right, j.Order, j.Fields, j.Wrong, withouts(j.Without))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return r.advice(out)
}

// advice writes which coarser forms would lower a share, and what was left out.
func (r *Report) advice(out io.Writer) error {
	lines := r.orderCosts()
	var lower []string
	for _, j := range r.Pairs {
		for _, c := range j.Coarser {
			if c.Percent < j.Fields {
				lower = append(lower, fmt.Sprintf("  %s with %s (%s): %s = %q in %s leaves %g %% of %g %%",
					j.Purpose, j.With, j.Kind, c.Column, c.Form, c.Purpose, c.Percent, j.Fields))
			}
		}
	}
	if len(lower) > 0 {
		lines = append(append(lines, "", "What would lower it:", ""), lower...)
	}
	if r.LeftOut > 0 {
		lines = append(lines, "", fmt.Sprintf("Of each kind the first %d records were measured; %d publications of later ones are left out.",
			MostRecords, r.LeftOut))
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}

// orderCosts returns what it costs that purposes are published at once, nothing if none is.
func (r *Report) orderCosts() (lines []string) {
	var atOnce, others []string
	windows := map[string]int{}
	for _, p := range r.Publications {
		if windows[p.Purpose] = p.Window; p.Window == 0 {
			atOnce = append(atOnce, p.Purpose)
		} else {
			others = append(others, fmt.Sprintf("%s every %d s", p.Purpose, p.Window))
		}
	}
	if len(others) > 0 {
		lines = append(lines, "", "Published together, sorted by id: "+strings.Join(others, ", ")+".")
	}
	if len(atOnce) > 0 {
		lines = append(lines, "", "Published at once: "+strings.Join(atOnce, ", ")+". Who holds two of these has their order too:", "")
	}
	for _, j := range r.Pairs {
		if windows[j.Purpose] == 0 && windows[j.With] == 0 {
			lines = append(lines, fmt.Sprintf("  %s with %s (%s): %g %% by order, where the fields alone give %g %%", j.Purpose,
				j.With, j.Kind, j.Order, j.Fields))
		}
	}
	return lines
}

// withouts returns what is left without each column.
func withouts(list []Without) string {
	if len(list) == 0 {
		return "no column alone"
	}
	var parts []string
	for _, one := range list[:min(len(list), 3)] {
		parts = append(parts, fmt.Sprintf("without %s %g %%", one.Column, one.Percent))
	}
	return strings.Join(parts, ", ")
}
