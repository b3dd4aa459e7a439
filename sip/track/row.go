package track

// A standing is a value of a slab that has a place in a row.
type standing[T any] interface {
	*T
	place() *link
}

// enqueue puts number n at the end of q, and leave takes it out; both do nothing if that is so already.
func enqueue[T any, P standing[T]](q *queue, s *slab[T], n uint32) {
	l := P(s.at(n)).place()
	if l.in != nowhere {
		return
	}
	*l = link{before: q.tail, in: 1}
	if q.tail == 0 {
		q.head = n
	} else {
		P(s.at(q.tail)).place().after = n
	}
	q.tail = n
}

func leave[T any, P standing[T]](q *queue, s *slab[T], n uint32) {
	l := P(s.at(n)).place()
	if l.in == nowhere {
		return
	}
	if l.before == 0 {
		q.head = l.after
	} else {
		P(s.at(l.before)).place().after = l.after
	}
	if l.after == 0 {
		q.tail = l.before
	} else {
		P(s.at(l.after)).place().before = l.before
	}
	*l = link{}
}
