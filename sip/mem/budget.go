package mem

import "sync/atomic"

// A Budget is how many things of one kind the members of a host remember together: the Trackers of all its Domains, or
// what is one a Domain. Half of it is shared out evenly, at least one to each, so that nobody's flood takes everybody's
// room; the rest is for whoever needs it first. A nil Budget has no limit.
type Budget struct {
	Each int          // that every member has for itself
	Left atomic.Int64 // of the rest
}

// NewBudget returns one for total things and so many members, at least 1.
func NewBudget(total, members int) *Budget {
	b := &Budget{Each: max(1, total/2/members)}
	b.Left.Store(int64(max(0, total-b.Each*members)))
	return b
}

// Take reports whether a member that has n things may have one more, and takes it out of b.
func (b *Budget) Take(n int) bool {
	if b == nil || n < b.Each {
		return true
	}
	if b.Left.Add(-1) >= 0 {
		return true
	}
	b.Left.Add(1)
	return false
}

// Give puts one back that take took, for a member that has n left.
func (b *Budget) Give(n int) {
	if b != nil && n >= b.Each {
		b.Left.Add(1)
	}
}

// GiveAll puts n back.
func (b *Budget) GiveAll(n int) {
	for ; n > 0; n-- {
		b.Give(n - 1)
	}
}
