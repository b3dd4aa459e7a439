package capture

import (
	"errors"
	"io"
)

// Merge returns the packets of several Sources in the order of their times, those of one time in the order
// of srcs. What ended a Source early is returned when all have ended.
func Merge(srcs ...Source) Source {
	m := &merged{heads: make([]head, len(srcs))}
	for i, s := range srcs {
		m.heads[i].src = s
	}
	return m
}

type merged struct {
	heads []head
	last  *head // whose packet was returned
	begun bool
	err   error
}

// A head is a Source and its next packet.
type head struct {
	src    Source
	packet Packet
	live   bool
}

func (m *merged) Next() (Packet, error) {
	for i := range m.heads {
		if h := &m.heads[i]; !m.begun || h == m.last && h.live {
			m.advance(h)
		}
	}
	m.begun, m.last = true, nil
	for i := range m.heads {
		h := &m.heads[i]
		if h.live && (m.last == nil || h.packet.Time.Before(m.last.packet.Time)) {
			m.last = h
		}
	}
	switch {
	case m.last != nil:
		return m.last.packet, nil
	case m.err != nil:
		return Packet{}, m.err
	}
	return Packet{}, io.EOF
}

func (m *merged) advance(h *head) {
	p, err := h.src.Next()
	if h.packet, h.live = p, err == nil; err != nil && !errors.Is(err, io.EOF) {
		m.err = errors.Join(m.err, err)
	}
}

func (m *merged) Drops() (d Drops) {
	for _, h := range m.heads {
		d.Add(h.src.Drops())
	}
	return d
}

func (m *merged) Close() (err error) {
	for _, h := range m.heads {
		err = errors.Join(err, h.src.Close())
	}
	return err
}
