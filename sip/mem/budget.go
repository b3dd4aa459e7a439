package mem

import "sync/atomic"

// A Budget bounds how many things of one kind several members remember together, such as all trackers of a host. Half of
// it is shared out evenly, at least one to each, so that a flood at one member leaves the others room; the rest is taken
// in the order of need. It may be used by several goroutines. A nil Budget has no limit.
type Budget struct {
	each int          // that every member has for itself
	left atomic.Int64 // of the rest
}

// NewBudget returns a Budget of total things for that many members, at least 1.
func NewBudget(total, members int) *Budget {
	b := &Budget{each: max(1, total/2/members)}
	b.left.Store(int64(max(0, total-b.each*members)))
	return b
}

// Take reports whether a member that has n things may have one more, and takes it out of b.
func (b *Budget) Take(n int) bool {
	if b == nil || n < b.each {
		return true
	}
	if b.left.Add(-1) >= 0 {
		return true
	}
	b.left.Add(1)
	return false
}

// Give puts one back that Take took, for a member that has n left.
func (b *Budget) Give(n int) {
	if b != nil && n >= b.each {
		b.left.Add(1)
	}
}

// GiveAll puts back all n things that a member has.
func (b *Budget) GiveAll(n int) {
	for ; n > 0; n-- {
		b.Give(n - 1)
	}
}
