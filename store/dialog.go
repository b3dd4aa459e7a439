package store

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"sipsieve/sip/event"
	"sipsieve/store/policy"
)

// mostParts is how many excerpts one row is made of at most: a sender chooses how often it uses a dialog again.
const mostParts = 8

// A Row is what a store keeps of one call: what a Query yields, and what that was made of.
type Row struct {
	policy.Excerpt
	Parts []policy.Excerpt // as they were published, that with the row's id first; nil if there is no other
}

// Rows returns the rows that the excerpts of one purpose make that have an id or a dialog in common. Of one id the best
// stays, by Replaces; of what comes after it in xs that may be by order of arrival.
//
// An excerpt that lacks the INVITE is the rest of a call, and joins the row of the same dialog that another sensor
// saw from its INVITE on, or that has no end or the same: after a fail-over host B has seen nothing of a call but its
// BYE. It gives that row its end (policy.Purpose.Complete) and is no row of its own. Of several rests without such a
// row the others join the one that shows most. All of it is kept with the row, so that what comes later is joined with
// what was published and never with what was made of it: the rows do not depend on the order of arrival.
func Rows(u *policy.Purpose, xs []policy.Excerpt) []Row {
	wholes, rests := bestOfEach(xs)
	var rows []Row
	for _, w := range wholes {
		rows = append(rows, Row{Excerpt: w})
	}
	for _, r := range rests {
		if i := rowOf(rows, r); i >= 0 {
			rows[i].Parts = append(rows[i].Parts, r)
		} else {
			rows = append(rows, Row{Excerpt: r})
		}
	}
	for i := range rows {
		rows[i].finish(u)
	}
	return rows
}

// bestOfEach returns of each id the best, but both its whole and its rest if they are of one dialog. Either list begins
// with what others join first.
func bestOfEach(xs []policy.Excerpt) (wholes, rests []policy.Excerpt) {
	best := map[string][2]policy.Excerpt{}
	for _, x := range xs {
		two := best[x.ID]
		i := 0
		if isRest(x) {
			i = 1
		}
		if two[i].ID == "" || Replaces(x, two[i]) {
			two[i] = x
		}
		best[x.ID] = two
	}
	for _, two := range best {
		whole, rest := two[0], two[1]
		if whole.ID != "" && rest.ID != "" && whole.Dialog != rest.Dialog {
			if Replaces(rest, whole) {
				whole = policy.Excerpt{}
			} else {
				rest = policy.Excerpt{}
			}
		}
		if whole.ID != "" {
			wholes = append(wholes, whole)
		}
		if rest.ID != "" {
			rests = append(rests, rest)
		}
	}
	slices.SortFunc(wholes, rank)
	slices.SortFunc(rests, rank)
	return wholes, rests
}

// isRest reports whether x is a part of a call whose INVITE its sensor did not see.
func isRest(x policy.Excerpt) bool { return x.Dialog != "" && x.Missing&event.NoInvite != 0 }

// rank orders excerpts of several ids: those that show the answer first, then those without an end, which others can
// complete, then those that show more, then by id.
func rank(x, y policy.Excerpt) int {
	answer := func(x policy.Excerpt) bool { return x.Missing&event.NoFinal == 0 }
	return cmp.Or(trueFirst(answer(x), answer(y)), trueFirst(!x.Ended(), !y.Ended()), -quality(x, y),
		strings.Compare(x.Sensor, y.Sensor), strings.Compare(x.ID, y.ID))
}

// trueFirst orders truth before falsehood: negative if x is true and y is not.
func trueFirst(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// rowOf returns the index of the row that r joins, -1 if there is none: that of its own id, else the first of its
// dialog that is of another sensor, that has no end, or that has the end of r (two sources of one sensor, of which one
// missed the beginning), unless r ends before it was answered.
func rowOf(rows []Row, r policy.Excerpt) int {
	own := func(w Row) bool { return w.ID == r.ID }
	if i := slices.IndexFunc(rows, own); i >= 0 {
		return i
	}
	return slices.IndexFunc(rows, func(w Row) bool {
		return w.Dialog == r.Dialog && (w.Sensor != r.Sensor || !w.Ended() || r.SameEnd(w.Excerpt)) && r.Follows(w.Excerpt)
	})
}

// finish completes the row by the first of its parts that has an end, and puts the row's own excerpt before them.
func (w *Row) finish(u *policy.Purpose) {
	if len(w.Parts) == 0 {
		return
	}
	own := w.Excerpt
	slices.SortFunc(w.Parts, func(x, y policy.Excerpt) int {
		return cmp.Or(trueFirst(x.Ended(), y.Ended()), trueFirst(x.ID == own.ID, y.ID == own.ID), rank(x, y))
	})
	w.Excerpt, _ = u.Complete(own, w.Parts[0])
	w.Parts = append([]policy.Excerpt{own}, w.Parts[:min(len(w.Parts), mostParts-1)]...)
}

// PartsText returns the parts of w for ReadParts, nil if there are none. The bodies stand in it byte for byte.
func (w Row) PartsText() []byte {
	if w.Parts == nil {
		return nil
	}
	b := []byte{'['}
	for i, x := range w.Parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"stream":`...), x.Published.Stream, 10)
		b = strconv.AppendUint(append(b, `,"number":`...), x.Published.Number, 10)
		b = append(append(append(b, `,"body":`...), x.Body()...), '}')
	}
	return append(b, ']')
}
