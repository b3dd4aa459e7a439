package capture

import (
	"errors"
	"io"
)

// Merge returns the packets of several Sources in the order of their times, those of one time in the order of srcs. An
// error that ended a Source early is returned when all have ended.
func Merge(srcs ...Source) Source {
	return &merged{srcs: srcs}
}

// A merged is the Source that Merge returns.
type merged struct {
	srcs  []Source
	heads []*head // a heap: the earliest first
	begun bool
	err   error
}

// A head is a Source and its next packet.
type head struct {
	src    Source
	order  int
	packet Packet
}

// before reports whether the packet of h comes before that of o.
func (h *head) before(o *head) bool {
	if c := h.packet.Time.Compare(o.packet.Time); c != 0 {
		return c < 0
	}
	return h.order < o.order
}

// Next implements Source.
func (m *merged) Next() (Packet, error) {
	switch {
	case !m.begun:
		m.begin()
	case len(m.heads) > 0:
		if !m.advance(m.heads[0]) {
			last := len(m.heads) - 1
			m.heads[0], m.heads = m.heads[last], m.heads[:last]
		}
		m.sink(0)
	}
	switch {
	case len(m.heads) > 0:
		return m.heads[0].packet, nil
	case m.err != nil:
		return Packet{}, m.err
	}
	return Packet{}, io.EOF
}

// begin reads the first packet of each Source.
func (m *merged) begin() {
	m.begun = true
	for i, s := range m.srcs {
		if h := (&head{src: s, order: i}); m.advance(h) {
			m.heads = append(m.heads, h)
		}
	}
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
}

// advance reads the next packet of h and reports whether there is one.
func (m *merged) advance(h *head) bool {
	p, err := h.src.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = errors.Join(m.err, err)
	}
	h.packet = p
	return err == nil
}

// sink moves the head at i down the heap until none below it comes before it.
func (m *merged) sink(i int) {
	for {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heads); child++ {
			if m.heads[child].before(m.heads[first]) {
				first = child
			}
		}
		if first == i {
			return
		}
		m.heads[i], m.heads[first] = m.heads[first], m.heads[i]
		i = first
	}
}

// Drops returns the sum over all Sources.
func (m *merged) Drops() (d Drops) {
	for _, s := range m.srcs {
		d.Add(s.Drops())
	}
	return d
}

// Close closes all Sources.
func (m *merged) Close() (err error) {
	for _, s := range m.srcs {
		err = errors.Join(err, s.Close())
	}
	return err
}
