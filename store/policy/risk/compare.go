package risk

import (
	"math"
	"slices"
	"strings"

	"sipsieve/store/policy"
)

// A span is the values from lo up to hi, without hi, that what an excerpt shows may stand for: microseconds, a number, or
// the number of a text.
type span struct{ lo, hi int64 }

var (
	anything = span{math.MinInt64, math.MaxInt64}
	nothing  = span{-2, -1} // null
)

// meets reports whether both may stand for one value.
func (s span) meets(o span) bool { return s.lo < o.hi && o.lo < s.hi }

// A comparison is one thing that excerpts of two purposes both show: a span for each row of each.
type comparison struct {
	label  string
	a, b   []span
	least  [2]bool // a or b is a least value: the true one may be above it, seldom by much
	widens bool    // what is compared is a time or an amount, which can be cut further
}

// above returns by how much one value lies above a least value; false if neither is one, or it does not.
func (c *comparison) above(x, y span) (gap int64, ok bool) {
	switch {
	case c.least[1] && y.hi <= x.lo:
		return x.lo - y.hi, true
	case c.least[0] && x.hi <= y.lo:
		return y.lo - x.hi, true
	}
	return 0, false
}

// score returns the logarithm of the share of the narrower span that lies in the wider one. What is above a least value
// is the less likely the further it is.
func (c *comparison) score(i, j int) float64 {
	x, y := c.a[i], c.b[j]
	if x == anything || y == anything {
		return 0
	}
	if gap, ok := c.above(x, y); ok {
		return max(-6, -2-float64(gap)/seldom)
	}
	narrower := min(x.hi-x.lo, y.hi-y.lo)
	if narrower <= 1 {
		return 0
	}
	return math.Log(float64(min(x.hi, y.hi)-max(x.lo, y.lo)) / float64(narrower))
}

// slack is by how much times that are worked out from rounded ones may be wrong, in microseconds.
const slack = 1000

// seldom is how many microseconds above a least value make a pair e times less likely.
const seldom = 1e6

// comparisons returns what the excerpts of two purposes both show, the most telling first.
func comparisons(a, b view, texts *interner) (list []comparison) {
	for _, q := range quantities {
		if c, ok := q.compare(a, b); ok {
			list = append(list, c)
		}
	}
	for _, column := range a.sheet.columns {
		if !slices.Contains(b.sheet.columns, column) {
			continue
		}
		f, g := a.forms[column], b.forms[column]
		c := comparison{label: column, widens: f.amount()}
		read := reader(f, g, texts)
		if read == nil {
			continue
		}
		c.a, c.b = a.column(column, func(text string) span { return read(f, text) }),
			b.column(column, func(text string) span { return read(g, text) })
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(x, y comparison) int { return x.agreeing() - y.agreeing() })
	return list
}

// agree reports whether what two rows show may be one value.
func (c *comparison) agree(i, j int) bool {
	x, y := c.a[i], c.b[j]
	if x.meets(y) {
		return true
	}
	_, ok := c.above(x, y)
	return ok
}

// agreeing returns how many of at most 10,000 pairs of rows agree: the fewer, the more pairs c rules out.
func (c *comparison) agreeing() (n int) {
	for i := 0; i < len(c.a); i += len(c.a)/100 + 1 {
		for j := 0; j < len(c.b); j += len(c.b)/100 + 1 {
			if c.agree(i, j) {
				n++
			}
		}
	}
	return n
}

// reader returns how to read what one of two purposes shows as a span that can be compared with what the other shows; nil
// for forms that cannot be compared.
func reader(f, g form, texts *interner) func(f form, text string) span {
	symbol := func(text string) span { n := int64(texts.of(text)); return span{n, n + 1} }
	same := func(_ form, text string) span { return symbol(text) }
	either := func(actions ...policy.Action) bool {
		return slices.Contains(actions, f.Action) && slices.Contains(actions, g.Action)
	}
	switch {
	case f.amount() && either(policy.Keep, policy.Truncate, policy.Bucket):
		return form.read
	case either(policy.Keep, policy.E164, policy.Area) && f.typ == "tel":
		return func(_ form, text string) span { return digits(text, symbol) }
	case f.Transform == g.Transform && slices.Equal(f.list, g.list):
		return same
	case f.Action == policy.Presence || g.Action == policy.Presence:
		return func(_ form, text string) span {
			if text == "null" || text == "false" {
				return nothing
			}
			return span{0, 1}
		}
	case either(policy.Keep, policy.Known) && !strings.HasSuffix(f.typ, "_list"):
		return func(_ form, text string) span { return symbol(onList(text, slices.Concat(f.list, g.list))) }
	}
	return nil
}

// onList returns text if it is a word of list, in any case, else what known leaves of it.
func onList(text string, list []string) string {
	word := strings.Trim(text, `"`)
	if text == "null" || slices.ContainsFunc(list, func(w string) bool { return strings.EqualFold(w, word) }) {
		return strings.ToLower(text)
	}
	return `"other"`
}

// digits returns the numbers of E.164 that begin with text; of what is no number, its symbol below all of them.
func digits(text string, symbol func(string) span) span {
	number, ok := strings.CutPrefix(strings.Trim(text, `"`), "+")
	if text == "null" || !ok || len(number) > 15 || strings.Trim(number, "0123456789") != "" {
		s := symbol(text)
		return span{-3 - s.hi, -3 - s.lo}
	}
	s := span{0, 1}
	for _, d := range number {
		s.lo = 10*s.lo + int64(d-'0')
	}
	for n := len(number); n < 15; n++ {
		s.lo, s.hi = 10*s.lo, 10*s.hi
	}
	s.hi += s.lo
	return s
}
