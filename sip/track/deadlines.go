package track

// deadlines say which number of a slab is due next. A deadline that is put off costs nothing until its old
// time has come; one that is brought forward costs O(log n).
type deadlines struct {
	heap []lapse
	at   []int64  // by number: when it is really due, nanoseconds
	pos  []uint32 // by number: its place in heap, from 1; 0 is none
}

type lapse struct {
	at int64
	n  uint32
}

// set schedules n for a time, Unix nanoseconds.
func (q *deadlines) set(n uint32, at int64) {
	for int(n) >= len(q.pos) {
		q.pos, q.at = append(q.pos, 0), append(q.at, 0)
	}
	q.at[n] = at
	switch p := q.pos[n]; {
	case p == 0:
		q.heap = append(q.heap, lapse{at, n})
		q.pos[n] = uint32(len(q.heap))
		q.up(len(q.heap) - 1)
	case at < q.heap[p-1].at:
		q.heap[p-1].at = at
		q.up(int(p) - 1)
	}
}

// when returns when n is due, 0 for never.
func (q *deadlines) when(n uint32) int64 {
	if int(n) >= len(q.pos) || q.pos[n] == 0 {
		return 0
	}
	return q.at[n]
}

// drop makes n due never.
func (q *deadlines) drop(n uint32) {
	if int(n) >= len(q.pos) || q.pos[n] == 0 {
		return
	}
	i, last := int(q.pos[n])-1, len(q.heap)-1
	q.swap(i, last)
	q.heap = q.heap[:last]
	q.pos[n] = 0
	if i < last {
		q.up(i)
		q.down(i)
	}
}

// due returns a number that is due at now or before, earliest first, and when it was due. It is due no longer.
func (q *deadlines) due(now int64) (n uint32, at int64, ok bool) {
	if n, at, ok = q.first(now); ok {
		q.drop(n)
	}
	return n, at, ok
}

// first returns what due would, and leaves it.
func (q *deadlines) first(now int64) (n uint32, at int64, ok bool) {
	for len(q.heap) > 0 && q.heap[0].at <= now {
		first := q.heap[0]
		really := q.at[first.n]
		if really <= first.at {
			return first.n, first.at, true
		}
		q.heap[0].at = really
		q.down(0)
	}
	return 0, 0, false
}

func (q *deadlines) up(i int) {
	for i > 0 && q.heap[i].at < q.heap[(i-1)/2].at {
		q.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (q *deadlines) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(q.heap); c++ {
			if q.heap[c].at < q.heap[least].at {
				least = c
			}
		}
		if least == i {
			return
		}
		q.swap(i, least)
		i = least
	}
}

func (q *deadlines) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.pos[q.heap[i].n], q.pos[q.heap[j].n] = uint32(i+1), uint32(j+1)
}
