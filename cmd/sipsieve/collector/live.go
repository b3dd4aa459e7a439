package collector

import (
	"slices"

	"sipsieve/store/policy"
)

// A batch is excerpts on their way to the Sink, or what to do when all before it are durable.
type batch struct {
	excerpts []policy.Excerpt
	done     func() error
}

// A liveQueue has the excerpts of live domains that wait for the Sink. It never waits.
type liveQueue struct {
	out      chan batch
	pending  []policy.Excerpt // of no batch yet
	purposes []*policy.Purpose
}

// send sends b, if there is room.
func (q *liveQueue) send(b batch) bool {
	select {
	case q.out <- b:
		return true
	default:
		return false
	}
}

// flush sends what is pending. It reports false when there is no room for all of it.
func (q *liveQueue) flush() bool {
	for len(q.pending) > 0 {
		n := min(len(q.pending), putLimit)
		if !q.send(batch{excerpts: q.pending[:n:n]}) {
			return false
		}
		q.pending = append(make([]policy.Excerpt, 0, putLimit), q.pending[n:]...)
	}
	return true
}

// finish sends what is left, and waits until there is room for it.
func (q *liveQueue) finish() {
	for len(q.pending) > 0 {
		n := min(len(q.pending), putLimit)
		q.out <- batch{excerpts: q.pending[:n:n]}
		q.pending = q.pending[n:]
	}
}

// shed drops the newest excerpts of the least important purposes when shedLimit of them wait, as many as a batch has,
// so that calls are followed on. It returns how many of each purpose went.
func (q *liveQueue) shed() (gone map[int]uint64) {
	if len(q.pending) < shedLimit {
		return nil
	}
	gone = map[int]uint64{}
	for most := len(q.pending) - (shedLimit - putLimit); most > 0; {
		least := q.leastImportant()
		n := q.drop(least, most)
		most -= n
		gone[least] += uint64(n)
	}
	return gone
}

// drop removes the newest excerpts of a purpose, most at most, and returns how many there were.
func (q *liveQueue) drop(purpose, most int) (n int) {
	for i := len(q.pending) - 1; i >= 0 && n < most; i-- {
		if purposeNumber(q.purposes, q.pending[i].Purpose) == purpose {
			q.pending[i].Purpose = ""
			n++
		}
	}
	q.pending = slices.DeleteFunc(q.pending, func(x policy.Excerpt) bool { return x.Purpose == "" })
	return n
}

// leastImportant returns the purpose with the highest priority number of those that wait, the last of equals.
func (q *liveQueue) leastImportant() (least int) {
	least = -1
	for i := range q.pending {
		one := purposeNumber(q.purposes, q.pending[i].Purpose)
		if least < 0 || q.purposes[one].Priority > q.purposes[least].Priority ||
			q.purposes[one].Priority == q.purposes[least].Priority && one > least {
			least = one
		}
	}
	return least
}

// purposeNumber returns the number of the purpose of that name.
func purposeNumber(purposes []*policy.Purpose, name string) int {
	for i, p := range purposes {
		if p.Name == name {
			return i
		}
	}
	return 0
}
