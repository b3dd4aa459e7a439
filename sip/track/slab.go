package track

// A slab holds values of one kind by number, without pointers to them. Number 0 is none.
type slab[T any] struct {
	chunks []*[chunk]T
	free   []uint32
	used   uint32 // numbers ever given out
}

const chunk = 256

// at returns the value with number n, which take gave.
func (s *slab[T]) at(n uint32) *T { return &s.chunks[n/chunk][n%chunk] }

// take returns the number of a zero value.
func (s *slab[T]) take() uint32 {
	if last := len(s.free) - 1; last >= 0 {
		n := s.free[last]
		s.free = s.free[:last]
		*s.at(n) = *new(T)
		return n
	}
	s.used++
	if int(s.used/chunk) >= len(s.chunks) {
		s.chunks = append(s.chunks, new([chunk]T))
	}
	return s.used
}

// give takes n back.
func (s *slab[T]) give(n uint32) { s.free = append(s.free, n) }

// need returns the value with number *n, a new one if that is 0.
func (s *slab[T]) need(n *uint32) *T {
	if *n == 0 {
		*n = s.take()
	}
	return s.at(*n)
}

// drop takes *n back, if it is not 0.
func (s *slab[T]) drop(n *uint32) {
	if *n != 0 {
		s.give(*n)
		*n = 0
	}
}

// len returns how many values are in use.
func (s *slab[T]) len() int { return int(s.used) - len(s.free) }

// A link is a value's place in a queue.
type link struct {
	before, after uint32
	in            uint8 // which queue; 0 is none
}

// A queue is a row of numbered values, oldest first.
type queue struct {
	head, tail uint32
	n          int
}

// queues are rows in which the dialogs of one slab stand, each dialog in one of them or in none.
type queues [5]queue

// head returns the oldest of row, 0 without one.
func (q *queues) head(row uint8) uint32 { return q[row-1].head }

// Queues.
const (
	nowhere  uint8 = iota // answered
	overRow               // published as over, and kept to know what comes late by
	claimRow              // taken up inside its dialog, and one side only was heard
	endedRow              // the end was seen, a timer is awaited
	openRow               // an INVITE that nobody took for a call yet
	ringRow               // not answered, but somebody was found who could
)

// move puts dialog n at the end of row to.
func (q *queues) move(s *slab[dialog], n uint32, to uint8) {
	d := s.at(n)
	if d.row.in == to {
		return
	}
	if d.row.in != nowhere {
		q.leave(s, d)
	}
	d.row = link{in: to}
	if to == nowhere {
		return
	}
	row := &q[to-1]
	d.row.before = row.tail
	if row.tail == 0 {
		row.head = n
	} else {
		s.at(row.tail).row.after = n
	}
	row.tail = n
	row.n++
}

func (q *queues) leave(s *slab[dialog], d *dialog) {
	row := &q[d.row.in-1]
	row.n--
	if d.row.before == 0 {
		row.head = d.row.after
	} else {
		s.at(d.row.before).row.after = d.row.after
	}
	if d.row.after == 0 {
		row.tail = d.row.before
	} else {
		s.at(d.row.after).row.before = d.row.before
	}
}
