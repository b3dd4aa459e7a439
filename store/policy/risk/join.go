package risk

import (
	"cmp"
	"context"
	"math"
	"slices"
)

const (
	mostCandidates = 32 // of one excerpt, the likeliest ones
	rounds         = 8  // of balancing
)

// An edge is two excerpts that may be of one record.
type edge struct {
	a, b   int32
	weight float64 // logarithm of a likelihood; after balancing, a share
}

// pair returns how many excerpts of a kind can be joined of two sides.
func pair(ctx context.Context, kind string, a, b *side, texts *interner) (Join, error) {
	if len(a.sheets[kind].rows) > len(b.sheets[kind].rows) {
		a, b = b, a
	}
	m := matcher{a: a.sheets[kind].rows, b: b.sheets[kind].rows,
		by: comparisons(view{a.sheets[kind], a.forms, texts.texts}, view{b.sheets[kind], b.forms, texts.texts}, texts)}
	j := Join{Purpose: a.purpose.Name, With: b.purpose.Name, Kind: kind, Records: [2]int{len(m.a), len(m.b)},
		Columns: []string{}, Without: []Without{}}
	found, err := m.candidates(ctx, true)
	if err != nil {
		return j, err
	}
	right, joined := m.assign(found[0])
	j.Fields, j.Wrong = percent(right, len(m.a)), percent(joined-right, len(m.a))
	inOrder, err := m.joinByOrder(ctx, a.purpose.Window(), b.purpose.Window())
	if err != nil {
		return j, err
	}
	j.Order = percent(inOrder, len(m.a))
	j.Right = max(j.Fields, j.Order)
	for i, c := range m.by {
		j.Columns = append(j.Columns, c.label)
		right, _ := m.assign(found[i+1])
		if p := percent(right, len(m.a)); p < j.Fields {
			j.Without = append(j.Without, Without{c.label, p})
		}
	}
	j.Without = strongest(j.Without)
	j.Coarser, err = m.coarser(ctx, &j, [2]*side{a, b})
	return j, err
}

// A matcher joins rows of two purposes, a with the fewer ones, by what both show.
type matcher struct {
	a, b []row
	by   []comparison
}

// candidates returns the pairs that agree: in all comparisons, then, if without is set, in all but the first, all but
// the second, and so on. Of each row of a it has the likeliest mostCandidates.
func (m *matcher) candidates(ctx context.Context, without bool) ([][]edge, error) {
	variants := 1
	if without {
		variants += len(m.by)
	}
	found, best := make([][]edge, variants), make([][]edge, variants)
	scores := make([]float64, len(m.by))
	for i := range m.a {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for v := range best {
			best[v] = best[v][:0]
		}
		for j := range m.b {
			failed := m.failed(i, j, !without)
			if failed == many {
				continue
			}
			total := m.scores(scores, i, j, failed)
			if failed >= 0 {
				best[failed+1] = keep(best[failed+1], edge{int32(i), int32(j), total})
				continue
			}
			best[0] = keep(best[0], edge{int32(i), int32(j), total})
			for v := 1; v < variants; v++ {
				best[v] = keep(best[v], edge{int32(i), int32(j), total - scores[v-1]})
			}
		}
		for v := range best {
			found[v] = append(found[v], best[v]...)
		}
	}
	return found, nil
}

// Results of failed beside the number of a comparison.
const (
	none = -1
	many = -2
)

// failed returns the one comparison in which two rows do not agree, none, or many; many for one, too, if strict is set.
func (m *matcher) failed(i, j int, strict bool) int {
	failed := none
	for c := range m.by {
		if m.by[c].agree(i, j) {
			continue
		}
		if failed != none || strict {
			return many
		}
		failed = c
	}
	return failed
}

// scores sets list to the logarithm of the likelihood of each comparison but the one that failed, and returns the sum.
func (m *matcher) scores(list []float64, i, j, failed int) (total float64) {
	for c := range m.by {
		list[c] = 0
		if c != failed {
			list[c] = m.by[c].score(i, j)
			total += list[c]
		}
	}
	return total
}

// keep returns list with e, mostCandidates at most, the likeliest ones; list is a heap with the least likely first.
func keep(list []edge, e edge) []edge {
	if len(list) < mostCandidates {
		list = append(list, e)
		for i := len(list) - 1; i > 0 && compareEdges(list[i], list[(i-1)/2]) > 0; i = (i - 1) / 2 {
			list[i], list[(i-1)/2] = list[(i-1)/2], list[i]
		}
		return list
	}
	if compareEdges(e, list[0]) >= 0 {
		return list
	}
	list[0] = e
	for i := 0; ; {
		worst := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(list) && compareEdges(list[child], list[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return list
		}
		list[i], list[worst] = list[worst], list[i]
		i = worst
	}
}

// compareEdges is negative if a is likelier than b. Of equal ones the choice looks random, for the rows stand in the
// order of publication, which these attackers do not use.
func compareEdges(a, b edge) int {
	if a.weight != b.weight {
		return cmp.Compare(b.weight, a.weight)
	}
	return cmp.Compare(mix(uint64(a.a)<<32|uint64(a.b)), mix(uint64(b.a)<<32|uint64(b.b)))
}

// assign joins each row at most once, the likeliest pairs first, and returns how many are right of how many. The weights
// are balanced before, so that what fits one row alone is joined with that one (Sinkhorn's scaling).
func (m *matcher) assign(edges []edge) (right, joined int) {
	for i := range edges {
		edges[i].weight = math.Exp(edges[i].weight)
	}
	rows, columns := make([]float64, len(m.a)), make([]float64, len(m.b))
	for range rounds {
		scale(edges, rows, func(e *edge) int32 { return e.a })
		scale(edges, columns, func(e *edge) int32 { return e.b })
	}
	slices.SortFunc(edges, compareEdges)
	usedA, usedB := make([]bool, len(m.a)), make([]bool, len(m.b))
	for _, e := range edges {
		if usedA[e.a] || usedB[e.b] {
			continue
		}
		usedA[e.a], usedB[e.b] = true, true
		joined++
		if m.a[e.a].subject == m.b[e.b].subject {
			right++
		}
	}
	return right, joined
}

// scale makes the weights of all edges with one end add up to 1.
func scale(edges []edge, sums []float64, end func(*edge) int32) {
	clear(sums)
	for i := range edges {
		sums[end(&edges[i])] += edges[i].weight
	}
	for i := range edges {
		if sum := sums[end(&edges[i])]; sum > 0 {
			edges[i].weight /= sum
		}
	}
}

// inOrder returns how many rows of a are joined right by the order of publication: with the next row of b that agrees.
func (m *matcher) inOrder() (right int) {
	next := 0
	for i := range m.a {
		for j := next; j < len(m.b); j++ {
			if m.failed(i, j, true) == none {
				next = j + 1
				if m.a[i].subject == m.b[j].subject {
					right++
				}
				break
			}
		}
	}
	return right
}
