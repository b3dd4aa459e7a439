package risk

import (
	"context"
	"time"
)

// fullWindow is how many excerpts a window has at most: then it leaves before its end.
const fullWindow = 4096

// joinByOrder returns how many rows of a are joined right by when they are published, as far as the fields agree. If both
// purposes publish at once it is by the order alone. Else it is by the window beside the fields, for within a window the
// order is that of the ids.
func (m *matcher) joinByOrder(ctx context.Context, a, b time.Duration) (right int, err error) {
	if a == 0 && b == 0 {
		return m.inOrder(), nil
	}
	with := matcher{a: m.a, b: m.b, by: append(m.by[:len(m.by):len(m.by)],
		comparison{label: "moment of publication", a: moments(m.a, a), b: moments(m.b, b)})}
	found, err := with.candidates(ctx, false)
	if err != nil {
		return 0, err
	}
	right, _ = with.assign(found[0])
	return right, nil
}

// moments returns when each row was made, as far as its publication shows it: rows stand in their order.
func moments(rows []row, window time.Duration) []span {
	list := make([]span, len(rows))
	for i, r := range rows {
		if window == 0 {
			list[i] = span{r.when.UnixMicro(), r.when.UnixMicro() + 1}
			continue
		}
		begin := r.when.Truncate(window)
		list[i] = span{begin.UnixMicro(), begin.Add(window).UnixMicro()}
	}
	if window > 0 {
		cutFull(list, rows)
	}
	return list
}

// cutFull narrows the spans of windows that are full: each of their parts leaves with its last row.
func cutFull(list []span, rows []row) {
	for begin := 0; begin < len(list); {
		end := begin
		for end < len(list) && list[end].lo == list[begin].lo {
			end++
		}
		from, to := list[begin].lo, list[begin].hi
		for ; end-begin > fullWindow; begin += fullWindow {
			last := rows[begin+fullWindow-1].when.UnixMicro() + 1
			for i := begin; i < begin+fullWindow; i++ {
				list[i] = span{from, last}
			}
			from = last
		}
		for ; begin < end; begin++ {
			list[begin] = span{from, to}
		}
	}
}
