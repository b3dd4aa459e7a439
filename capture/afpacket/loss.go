package afpacket

import "time"

// A notice is what a frame carries to the next packet beside its bytes.
type notice struct {
	missed uint64        // frames that the kernel dropped
	since  time.Time     // of the last frame before them, or when the interface went down; zero without either
	step   time.Duration // by which the wall clock was set
}

// add merges o into n.
func (n *notice) add(o notice) {
	if n.since.IsZero() || !o.since.IsZero() && o.since.Before(n.since) {
		n.since = o.since
	}
	n.missed += o.missed
	n.step += o.step
}

// A loss is the frames that the kernel dropped and that no packet has reported yet.
//
// The kernel drops frames only while all blocks are full. Its counter holds how many since the counter was read last,
// not where: it marks each block that it closes after the first drop, until the counter is read. So the frames were
// lost after the last frame before a marked block, or before the first block that was not written yet at the first
// reading; and before the first block that was not written yet at the last reading.
type loss struct {
	frames      uint64
	since       time.Time // of the last frame before them; zero while it is not known
	first, last uint64    // blocks written since the ring was opened, when the counter was read first and last
}

// mark notes that frames were lost after the frame of that time.
func (l *loss) mark(previous time.Time) {
	if l.since.IsZero() {
		l.since = previous
	}
}

// add adds n frames that the kernel's counter showed when so many blocks had been written.
func (l *loss) add(n, blocks uint64) {
	switch {
	case l.frames > 0 && n > 0:
		l.frames, l.last = l.frames+n, blocks
	case n > 0:
		l.frames, l.first, l.last = n, blocks, blocks
	case l.frames == 0:
		l.since = time.Time{} // the mark was of frames that have been reported
	}
}

// over reports whether block number n comes after everything that was lost. previous is the time of the frame before
// it.
func (l *loss) over(n uint64, previous time.Time) bool {
	if l.frames == 0 {
		return false
	}
	if n > l.first {
		l.mark(previous)
	}
	return n > l.last
}

// report returns the loss and resets it. previous is the time of the last frame.
func (l *loss) report(previous time.Time) notice {
	l.mark(previous)
	n := notice{missed: l.frames, since: l.since}
	*l = loss{}
	return n
}
