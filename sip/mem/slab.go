package mem

// A Slab keeps values of one type by number. A value stays in its place, so that a pointer to it is valid until its
// number is freed. The zero Slab is empty.
type Slab[T any] struct {
	chunks []*[chunk]T
	free   []uint32
	top    uint32
}

const chunk = 256 // values that are allocated together

// New returns the number of a zero value.
func (s *Slab[T]) New() uint32 {
	if last := len(s.free) - 1; last >= 0 {
		n := s.free[last]
		s.free = s.free[:last]
		*s.At(n) = *new(T)
		return n
	}
	s.top++
	if int(s.top/chunk) >= len(s.chunks) {
		s.chunks = append(s.chunks, new([chunk]T))
	}
	return s.top
}

// At returns the value with number n, which New returned and Free did not free since.
func (s *Slab[T]) At(n uint32) *T { return &s.chunks[n/chunk][n%chunk] }

// Free frees number n: a later New may return it again.
func (s *Slab[T]) Free(n uint32) { s.free = append(s.free, n) }

// Ensure returns the value with number *n. It sets *n to a new number first if that is 0.
func (s *Slab[T]) Ensure(n *uint32) *T {
	if *n == 0 {
		*n = s.New()
	}
	return s.At(*n)
}

// Clear frees number *n, if that is not 0, and sets *n to 0.
func (s *Slab[T]) Clear(n *uint32) {
	if *n != 0 {
		s.Free(*n)
		*n = 0
	}
}

// Len returns how many numbers are in use.
func (s *Slab[T]) Len() int { return int(s.top) - len(s.free) }

// Top returns the highest number that New ever returned, 0 before the first. The numbers from 1 to Top can be passed to
// At; a value of them whose number is free is what its user left there.
func (s *Slab[T]) Top() uint32 { return s.top }
