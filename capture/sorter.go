package capture

// A Sorter sorts values that come nearly in order: by time, of one time by rank, of one rank as they came. A value that
// comes in order costs one comparison, another one O(log n). It keeps its memory, and the zero Sorter is empty.
type Sorter[T any] struct {
	run   []sorted[T] // values that came in order: a ring of a power of two
	first int         // index in run of the first
	n     int         // values in run
	heap  []sorted[T] // values that did not come in order
	count uint64      // values so far
}

// A sorted is a value with its place in the order.
type sorted[T any] struct {
	time  int64
	rank  uint64
	count uint64
	value T
}

func (a *sorted[T]) before(b *sorted[T]) bool {
	if a.time != b.time {
		return a.time < b.time
	}
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	return a.count < b.count
}

// Len returns how many values s holds.
func (s *Sorter[T]) Len() int { return s.n + len(s.heap) }

// Put adds value with its time, in any unit, and its rank.
func (s *Sorter[T]) Put(time int64, rank uint64, value T) {
	s.count++
	one := sorted[T]{time, rank, s.count, value}
	if s.n > 0 && one.before(s.at(s.n-1)) {
		s.heap = append(s.heap, one)
		s.up(len(s.heap) - 1)
		return
	}
	if s.n == len(s.run) {
		s.grow()
	}
	s.n++
	*s.at(s.n - 1) = one
}

// First returns the time of the value that Take would return; false if s is empty.
func (s *Sorter[T]) First() (time int64, ok bool) {
	switch {
	case s.Len() == 0:
		return 0, false
	case s.heapFirst():
		return s.heap[0].time, true
	}
	return s.at(0).time, true
}

// Take removes and returns the first value. s must not be empty.
func (s *Sorter[T]) Take() (value T) {
	var none sorted[T]
	if s.heapFirst() {
		value = s.heap[0].value
		last := len(s.heap) - 1
		s.heap[0], s.heap[last] = s.heap[last], none
		s.heap = s.heap[:last]
		s.down(0)
		return value
	}
	one := s.at(0)
	value, *one = one.value, none
	s.first = (s.first + 1) & (len(s.run) - 1)
	s.n--
	return value
}

// heapFirst reports whether the first value is in the heap. s must not be empty.
func (s *Sorter[T]) heapFirst() bool {
	return s.n == 0 || len(s.heap) > 0 && s.heap[0].before(s.at(0))
}

// at returns the i-th of the run.
func (s *Sorter[T]) at(i int) *sorted[T] { return &s.run[(s.first+i)&(len(s.run)-1)] }

// grow doubles the ring.
func (s *Sorter[T]) grow() {
	run := make([]sorted[T], max(64, 2*len(s.run)))
	for i := range s.n {
		run[i] = *s.at(i)
	}
	s.run, s.first = run, 0
}

func (s *Sorter[T]) up(i int) {
	for i > 0 && s.heap[i].before(&s.heap[(i-1)/2]) {
		s.heap[i], s.heap[(i-1)/2] = s.heap[(i-1)/2], s.heap[i]
		i = (i - 1) / 2
	}
}

func (s *Sorter[T]) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(s.heap); c++ {
			if s.heap[c].before(&s.heap[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		s.heap[i], s.heap[least] = s.heap[least], s.heap[i]
		i = least
	}
}
