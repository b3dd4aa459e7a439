package collector

import "sipsieve/store/policy"

// A queue holds excerpts of one purpose until they are settled: put, refused or shed. Each has a place, the number of
// those that were added before it.
type queue struct {
	waiting []policy.Excerpt
	places  []uint64 // of waiting
	taken   []uint64 // places of the batch that the publisher has
	added   uint64
	due     bool // what waits goes without a full batch

	stopped bool   // nothing of it is put any more
	stop    uint64 // the first place that was not settled then
}

// add appends x.
func (q *queue) add(x policy.Excerpt) {
	q.waiting, q.places = append(q.waiting, x), append(q.places, q.added)
	q.added++
}

// reserve gives a place to an excerpt that waits elsewhere.
func (q *queue) reserve() (place uint64) {
	q.added++
	return q.added - 1
}

// size returns how many excerpts are not settled.
func (q *queue) size() int { return len(q.taken) + len(q.waiting) }

// ready reports whether a batch can be taken.
func (q *queue) ready() bool { return len(q.waiting) >= putLimit || q.due && len(q.waiting) > 0 }

// take removes and returns the batch that goes next.
func (q *queue) take() []policy.Excerpt {
	n := min(len(q.waiting), mergeLimit)
	batch := q.waiting[:n:n]
	q.taken = q.places[:n:n]
	if q.waiting, q.places = q.waiting[n:], q.places[n:]; len(q.waiting) == 0 {
		q.waiting, q.places, q.due = make([]policy.Excerpt, 0, putLimit), make([]uint64, 0, putLimit), false
	}
	return batch
}

// settle ends the batch that was taken last.
func (q *queue) settle() { q.taken = nil }

// drop removes the newest n excerpts that wait, and returns the place of the first of them.
func (q *queue) drop(n int) (first uint64) {
	left := len(q.waiting) - n
	first = q.places[left]
	clear(q.waiting[left:])
	q.waiting, q.places = q.waiting[:left], q.places[:left]
	return first
}

// end stops the queue: what is in it is not put any more. It returns how many excerpts that are.
func (q *queue) end() (n int) {
	n, q.stop = q.size(), q.head()
	q.stopped, q.waiting, q.places, q.taken = true, nil, nil, nil
	return n
}

// head returns the place before which everything is settled.
func (q *queue) head() uint64 {
	switch {
	case q.stopped:
		return q.stop
	case len(q.taken) > 0:
		return q.taken[0]
	case len(q.places) > 0:
		return q.places[0]
	}
	return q.added
}
