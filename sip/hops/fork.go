// This file has methods of Table because a file is one thing that hops show with how the table keeps it.

package hops

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// MaxForks bounds the forks of one INVITE whose times are remembered, and that may answer.
const MaxForks = 16

// A Fork is one To tag on a hop, of a provisional response but 100, of a 2xx, or of an ACK that proved an answer.
type Fork struct {
	Progress, Ring, Answered int64
	Ends                     uint32 // its BYEs before the answer, 0 without any
	Tag                      uint32
	Answer                   uint8  // counts those of the hop's forks that answered, from 1; 0 did not
	Repeats                  uint16 // messages with this tag that were sent again
	Past                     bool   // of an INVITE before the last one
	proof                    bool   // no response to the INVITE has shown it
}

// forking is what is known of the forks of a hop behind the first: some are known exactly, the others by a filter,
// which takes a new one for a known one now and then but never the other way.
type forking struct {
	n      int
	tags   [64]uint32 // the first fork's included
	others [32]uint64
	forks  [MaxForks - 1]Fork
}

// ShortTag is a tag as a fork remembers it.
func ShortTag(tag uint64) uint32 { return uint32(tag) | 1 }

// KnownFork returns the number of tag among h's forks, -1 if it is none that is remembered with its times, and whether
// it is one of h's.
func (t *Table) KnownFork(h *View, tag event.Key) (i int, known bool) {
	short := ShortTag(tag.Short())
	if h.Forks == 0 || tag == (event.Key{}) {
		return -1, false
	}
	if h.forking == 0 {
		if h.First.Tag == short {
			return 0, true
		}
		return -1, false
	}
	f := t.forkings.At(h.forking)
	for i := range f.n {
		if f.tags[i] == short {
			if i >= MaxForks {
				i = -1
			}
			return i, true
		}
	}
	return -1, f.n == len(f.tags) && f.has(tag.Short())
}

// AddFork returns the number of tag among h's forks and remembers it, -1 if there is no room for its times.
func (t *Table) AddFork(h *View, tag event.Key) int {
	if h == nil || tag == (event.Key{}) {
		return -1
	}
	if i, known := t.KnownFork(h, tag); known {
		return i
	}
	short := ShortTag(tag.Short())
	h.Forks++
	if h.Forks == 1 {
		h.First = Fork{Tag: short}
		return 0
	}
	if h.forking == 0 {
		h.forking = t.forkings.New()
		f := t.forkings.At(h.forking)
		f.n, f.tags[0] = 1, h.First.Tag
	}
	f := t.forkings.At(h.forking)
	if f.n == len(f.tags) {
		f.add(tag.Short())
		return -1
	}
	i := f.n
	f.tags[i] = short
	if f.n++; i >= MaxForks {
		return -1
	}
	f.forks[i-1] = Fork{Tag: short}
	return i
}

// Fork returns h's fork number i, nil for -1.
func (t *Table) Fork(h *View, i int) *Fork {
	switch {
	case i < 0 || h == nil:
		return nil
	case i == 0:
		return &h.First
	}
	return &t.forkings.At(h.forking).forks[i-1]
}

// AnsweredFork takes note that h's fork number i answered at the time at.
func (t *Table) AnsweredFork(h *View, i int, at int64) {
	f := t.Fork(h, i)
	switch {
	case f == nil:
	case f.Answer == 0:
		f.Answer, f.Answered = uint8(t.AnswersOn(h))+1, at
	default:
		f.Answered = min(f.Answered, at)
	}
}

// AnswersOn returns how many of h's forks answered, of those that are remembered.
func (t *Table) AnswersOn(h *View) (n int) {
	for i := range min(int(h.Forks), MaxForks) {
		if t.Fork(h, i).Answer != 0 {
			n++
		}
	}
	return n
}

// bit returns the bits of the filter for a tag.
func (f *forking) bit(tag uint64, i int) (word *uint64, mask uint64) {
	bit := tag >> (16 * i) % (64 * uint64(len(f.others)))
	return &f.others[bit/64], uint64(1) << (bit % 64)
}

func (f *forking) has(tag uint64) bool {
	for i := range 3 {
		if word, mask := f.bit(tag, i); *word&mask == 0 {
			return false
		}
	}
	return true
}

func (f *forking) add(tag uint64) {
	for i := range 3 {
		word, mask := f.bit(tag, i)
		*word |= mask
	}
}

// ProveFork is AddFork for a tag that something else than a response to the INVITE shows: it is no fork that counts.
func (t *Table) ProveFork(h *View, tag event.Key) int {
	n := h.Forks
	i := t.AddFork(h, tag)
	if f := t.Fork(h, i); f != nil && h.Forks > n {
		f.proof = true
		h.Proved++
	}
	return i
}

// ShowFork is AddFork for a tag that a response to the INVITE shows.
func (t *Table) ShowFork(h *View, tag event.Key) int {
	i := t.AddFork(h, tag)
	if f := t.Fork(h, i); f != nil && f.proof {
		f.proof = false
		h.Proved--
	}
	return i
}

// code writes f and its BYEs before the answer, or reads them.
func (f *Fork) code(c *mem.Coder, e *Endings) {
	c.Hash(&f.Tag)
	c.Instant(&f.Progress)
	c.Instant(&f.Ring)
	mem.Number(c, &f.Answer)
	mem.Number(c, &f.Repeats)
	c.Instant(&f.Answered)
	c.Flags(&f.Past, &f.proof)
	e.code(c)
}

// Happened takes note of the provisional response m of f, which may be nil.
func (f *Fork) Happened(m *sip.Message) {
	if f != nil {
		Earliest(&f.Progress, &f.Ring, m)
	}
}

// Earliest sets progress and ring to the time of m if they were unknown or later.
func Earliest(progress, ring *int64, m *sip.Message) (changed bool) {
	at := m.Time.UnixNano()
	if *progress == 0 || at < *progress {
		*progress, changed = at, true
	}
	if (m.Status == 180 || m.Status == 183) && (*ring == 0 || at < *ring) {
		*ring, changed = at, true
	}
	return changed
}
