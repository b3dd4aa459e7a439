package main

import "sipsieve/store/policy"

// A backlog is what waits for the bus of files: in order, and never shed. While anything waits no more is taken of
// files, so that their readers wait too.
type backlog struct {
	out      chan parcel
	excerpts []policy.Excerpt // that are no parcel yet
	waiting  []parcel
}

// fill makes a parcel of the excerpts once there are as many as one has room for.
func (b *backlog) fill() {
	if len(b.excerpts) >= putLimit {
		b.flush()
	}
}

// flush makes parcels of all excerpts.
func (b *backlog) flush() {
	for len(b.excerpts) > 0 {
		n := min(len(b.excerpts), putLimit)
		b.waiting = append(b.waiting, parcel{excerpts: b.excerpts[:n:n]})
		b.excerpts = append(make([]policy.Excerpt, 0, putLimit), b.excerpts[n:]...)
	}
}

// then has done called once everything that came before it is durable; nil is nothing to call.
func (b *backlog) then(done func() error) {
	if b.flush(); done != nil {
		b.waiting = append(b.waiting, parcel{done: done})
	}
}

// offers returns what a select over files and the way out takes part in: files while nothing waits, else the parcel
// that goes next.
func (b *backlog) offers(files <-chan tagged) (ready <-chan tagged, out chan<- parcel, next parcel) {
	if len(b.waiting) == 0 {
		return files, nil, next
	}
	return nil, b.out, b.waiting[0]
}

// sent removes the parcel that went.
func (b *backlog) sent() {
	b.waiting[0] = parcel{}
	b.waiting = b.waiting[1:]
}

// finish sends what is left, when no domain sends any more.
func (c *collector) finish() {
	for len(c.pending) > 0 {
		n := min(len(c.pending), putLimit)
		c.out <- parcel{excerpts: c.pending[:n:n]}
		c.pending = c.pending[n:]
	}
	if len(c.saved) > 0 {
		c.out <- c.savedParcel()
	}
	c.backlog.flush()
	for _, p := range c.backlog.waiting {
		c.backlog.out <- p
	}
}

// next returns the parcel that is put next, of live domains first; false when there will be none.
func (c *collector) next() (p parcel, open bool) {
	select {
	case p, open = <-c.out:
		if open {
			return p, true
		}
		p, open = <-c.backlog.out
		return p, open
	default:
	}
	select {
	case p, open = <-c.out:
		if open {
			return p, true
		}
		p, open = <-c.backlog.out
	case p, open = <-c.backlog.out:
		if open {
			return p, true
		}
		p, open = <-c.out
	}
	return p, open
}
