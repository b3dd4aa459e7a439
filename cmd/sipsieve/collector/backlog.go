package collector

import "sipsieve/store/policy"

// A backlog is what waits for the Sink of files: in order, and never shed. While anything waits no more is taken of
// files, so that their readers wait too.
type backlog struct {
	out      chan batch
	excerpts []policy.Excerpt // of no batch yet
	waiting  []batch
}

// fill makes a batch of the excerpts once there are as many as one has room for.
func (b *backlog) fill() {
	if len(b.excerpts) >= putLimit {
		b.flush()
	}
}

// flush makes batches of all excerpts.
func (b *backlog) flush() {
	for len(b.excerpts) > 0 {
		n := min(len(b.excerpts), putLimit)
		b.waiting = append(b.waiting, batch{excerpts: b.excerpts[:n:n]})
		b.excerpts = append(make([]policy.Excerpt, 0, putLimit), b.excerpts[n:]...)
	}
}

// then has done called once everything that came before it is durable; nil is nothing to call.
func (b *backlog) then(done func() error) {
	if b.flush(); done != nil {
		b.waiting = append(b.waiting, batch{done: done})
	}
}

// offers returns what a select over files and the way out takes part in: files while nothing waits, else the batch
// that goes next.
func (b *backlog) offers(files <-chan item) (ready <-chan item, out chan<- batch, next batch) {
	if len(b.waiting) == 0 {
		return files, nil, next
	}
	return nil, b.out, b.waiting[0]
}

// sent removes the batch that went.
func (b *backlog) sent() {
	b.waiting[0] = batch{}
	b.waiting = b.waiting[1:]
}

// finish sends what is left, waits until there is room for it, and closes the way out.
func (b *backlog) finish() {
	b.flush()
	for _, one := range b.waiting {
		b.out <- one
	}
	close(b.out)
}
