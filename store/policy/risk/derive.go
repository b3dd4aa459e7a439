package risk

import "slices"

// A view is the rows of a side as its columns show them.
type view struct {
	sheet *sheet
	forms map[string]form
	texts []string
}

// column returns the span of each row under a column, nil if there is no such column.
func (v view) column(name string, read func(text string) span) []span {
	c := slices.Index(v.sheet.columns, name)
	if c < 0 {
		return nil
	}
	all := make([]span, len(v.sheet.rows))
	for i := range v.sheet.rows {
		all[i] = read(v.texts[v.sheet.rows[i].values[c]])
	}
	return all
}

// amounts returns the span of each row under a column of times or amounts; nil if there is none.
func (v view) amounts(name string) []span {
	f, there := v.forms[name]
	if !there || !f.amount() {
		return nil
	}
	return v.column(name, f.read)
}

// A quantity is what follows from several columns, in one of several ways.
type quantity struct {
	ways []way
}

// A way is one way to work out a quantity. It returns nil if the columns are not there.
type way struct {
	label string
	least bool // the result is a least value
	spans func(v view) []span
}

// quantities are compared where two purposes have them in different ways: the wait for an answer or, without one, for the
// end; the duration; the end.
var quantities = []quantity{
	{[]way{
		{"answer_time - setup_time", false, func(v view) []span {
			return combine(firstOf(v.amounts("answer_time"), v.amounts("end_time")), v.amounts("setup_time"), minus)
		}},
		{"setup_ms", false, func(v view) []span { return v.amounts("setup_ms") }},
		{"pdd_ms + ring_ms", true, func(v view) []span { return combine(v.amounts("pdd_ms"), v.amounts("ring_ms"), plus) }},
	}},
	{[]way{
		{"duration_ms", false, func(v view) []span { return v.amounts("duration_ms") }},
		{"end_time - answer_time", false, func(v view) []span {
			return combine(v.amounts("end_time"), v.amounts("answer_time"), minus)
		}},
	}},
	{[]way{
		{"end_time", false, func(v view) []span { return v.amounts("end_time") }},
		{"answer_time + duration_ms", false, func(v view) []span {
			return combine(v.amounts("answer_time"), v.amounts("duration_ms"), plus)
		}},
	}},
}

// compare returns how the rows of two purposes are compared by q; false if one has nothing of it, or both the same way.
func (q quantity) compare(left, right view) (comparison, bool) {
	one, a := q.of(left)
	other, b := q.of(right)
	if a == nil || b == nil || one.label == other.label {
		return comparison{}, false
	}
	return comparison{label: one.label + " with " + other.label, a: known(a), b: known(b),
		least: [2]bool{one.least, other.least}}, true
}

// of returns the first way of q for which v has the columns, and its result.
func (q quantity) of(v view) (way, []span) {
	for _, w := range q.ways {
		if spans := w.spans(v); spans != nil {
			return w, spans
		}
	}
	return way{}, nil
}

// known returns spans with anything in place of nothing: what cannot be worked out contradicts nothing.
func known(spans []span) []span {
	for i, s := range spans {
		if s == nothing {
			spans[i] = anything
		}
	}
	return spans
}

// firstOf returns of each row the first of two spans that is not null.
func firstOf(a, b []span) []span {
	if a == nil || b == nil {
		return a
	}
	for i := range a {
		if a[i] == nothing {
			a[i] = b[i]
		}
	}
	return a
}

// combine returns do of both spans of each row, wider by slack on both sides; nil if one of the columns is not there.
func combine(a, b []span, do func(a, b span) span) []span {
	if a == nil || b == nil {
		return nil
	}
	for i := range a {
		if a[i] == nothing || b[i] == nothing || a[i] == anything || b[i] == anything {
			a[i] = nothing
			continue
		}
		s := do(a[i], b[i])
		a[i] = span{s.lo - slack, s.hi + slack}
	}
	return a
}

func plus(a, b span) span  { return span{a.lo + b.lo, a.hi + b.hi} }
func minus(a, b span) span { return span{a.lo - b.hi, a.hi - b.lo} }
