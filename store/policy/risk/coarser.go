// This file has methods of matcher because they are about what would make it weaker.

package risk

import (
	"cmp"
	"context"
	"slices"
)

// coarser returns what is left of j if one of the two purposes cuts the strongest column that can be cut further. It has
// no entry if there is none.
func (m *matcher) coarser(ctx context.Context, j *Join, sides [2]*side) (list []Coarser, err error) {
	list = []Coarser{}
	c := -1
	for _, w := range j.Without {
		c = slices.IndexFunc(m.by, func(c comparison) bool { return c.label == w.Column && c.widens })
		if c >= 0 {
			break
		}
	}
	if c < 0 {
		return list, nil
	}
	column := m.by[c].label
	for n, p := range sides {
		name, step := p.forms[column].next()
		if name == "" {
			continue
		}
		was := m.by[c]
		if n == 0 {
			m.by[c].a = widened(was.a, step)
		} else {
			m.by[c].b = widened(was.b, step)
		}
		found, err := m.candidates(ctx, false)
		m.by[c] = was
		if err != nil {
			return nil, err
		}
		right, _ := m.assign(found[0])
		list = append(list, Coarser{p.purpose.Name, column, name, percent(right, len(m.a))})
	}
	slices.SortStableFunc(list, func(a, b Coarser) int { return cmp.Compare(a.Percent, b.Percent) })
	return list, nil
}

// widened returns spans as they are if their values were cut to step.
func widened(spans []span, step int64) []span {
	list := make([]span, len(spans))
	for i, s := range spans {
		if list[i] = s; s != nothing && s != anything {
			lo := s.lo - s.lo%step
			list[i] = span{lo, max(lo+step, s.hi)}
		}
	}
	return list
}
