package afpacket

import "time"

// News is what a reader has to tell beside frames.
type news struct {
	missed uint64        // frames that the kernel had no room for
	since  time.Time     // of the last frame before them, or since when the interface showed nothing
	step   time.Duration // by which the wall clock was set
}

// add makes n tell what o tells, too.
func (n *news) add(o news) {
	if n.since.IsZero() || !o.since.IsZero() && o.since.Before(n.since) {
		n.since = o.since
	}
	n.missed += o.missed
	n.step += o.step
}

// A loss is the frames that the kernel dropped and that nobody was told of yet. The kernel drops only when all
// blocks are full, and says how many since it was asked last, not where: it marks the blocks that it closes from the
// first drop on until it is asked. So the frames were lost after the last one before a mark, or before the first block
// that was not there yet when the kernel was asked; and before the first block that was not there yet when it was
// asked last.
type loss struct {
	frames      uint64
	since       time.Time // of the last frame before them; zero while it is not known
	asked, last uint64    // blocks of the ring, from its beginning, that were written when the kernel told: first, last
}

// mark says that frames were lost after that time.
func (l *loss) mark(before time.Time) {
	if l.since.IsZero() {
		l.since = before
	}
}

// add says that the kernel, asked, told of n frames more, and that so many blocks had been written by then.
func (l *loss) add(n, blocks uint64) {
	switch {
	case l.frames > 0 && n > 0:
		l.frames, l.last = l.frames+n, blocks
	case n > 0:
		l.frames, l.asked, l.last = n, blocks, blocks
	case l.frames == 0:
		l.since = time.Time{} // a mark of frames that were told of
	}
}

// over reports whether block number n comes after everything that was lost; before is the time of the frame before.
func (l *loss) over(n uint64, before time.Time) bool {
	if l.frames == 0 {
		return false
	}
	if n > l.asked {
		l.mark(before)
	}
	return n > l.last
}

// tell returns the loss, which is told by that; before is the time of the last frame.
func (l *loss) tell(before time.Time) news {
	l.mark(before)
	n := news{missed: l.frames, since: l.since}
	*l = loss{}
	return n
}
