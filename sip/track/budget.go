package track

import "sync/atomic"

// A Budget is how many things of one kind the members of a host remember together: the Trackers of all its Domains, or
// what is one a Domain. Half of it is shared out evenly, at least one to each, so that nobody's flood takes everybody's
// room; the rest is for whoever needs it first. A nil Budget has no limit.
type Budget struct {
	each int          // that every member has for itself
	left atomic.Int64 // of the rest
}

// NewBudget returns one for total things and so many members, at least 1.
func NewBudget(total, members int) *Budget {
	b := &Budget{each: max(1, total/2/members)}
	b.left.Store(int64(max(0, total-b.each*members)))
	return b
}

// take reports whether a member that has n things may have one more, and takes it out of b.
func (b *Budget) take(n int) bool {
	if b == nil || n < b.each {
		return true
	}
	if b.left.Add(-1) >= 0 {
		return true
	}
	b.left.Add(1)
	return false
}

// give puts one back that take took, for a member that has n left.
func (b *Budget) give(n int) {
	if b != nil && n >= b.each {
		b.left.Add(1)
	}
}

// giveAll puts n back.
func (b *Budget) giveAll(n int) {
	for ; n > 0; n-- {
		b.give(n - 1)
	}
}
