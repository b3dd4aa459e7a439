package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// maxForks bounds the forks of one INVITE whose times are remembered, and that may answer.
const maxForks = 16

// A fork is one To tag on a hop, of a provisional response but 100, of a 2xx, or of an ACK that proved an answer.
type fork struct {
	progress, ring, answered int64
	ends                     uint32 // its BYEs before the answer, 0 without any
	tag                      uint32
	answer                   uint8  // counts those of the hop's forks that answered, from 1; 0 did not
	repeats                  uint16 // messages with this tag that were sent again
	past                     bool   // of an INVITE before the last one
	proof                    bool   // no response to the INVITE has shown it
}

// forking is what is known of the forks of a hop behind the first: some are known exactly, the others by a filter,
// which takes a new one for a known one now and then but never the other way.
type forking struct {
	n      int
	tags   [64]uint32 // the first fork's included
	others [32]uint64
	forks  [maxForks - 1]fork
}

// shortTag is a tag as a fork remembers it.
func shortTag(tag uint64) uint32 { return uint32(tag) | 1 }

// knownFork returns the number of tag among h's forks, -1 if it is none that is remembered with its times, and whether
// it is one of h's.
func (t *hopTable) knownFork(h *hopFacts, tag event.Key) (i int, known bool) {
	short := shortTag(tag.Short())
	if h.forks == 0 || tag == (event.Key{}) {
		return -1, false
	}
	if h.forking == 0 {
		if h.first.tag == short {
			return 0, true
		}
		return -1, false
	}
	f := t.forkings.At(h.forking)
	for i := range f.n {
		if f.tags[i] == short {
			if i >= maxForks {
				i = -1
			}
			return i, true
		}
	}
	return -1, f.n == len(f.tags) && f.has(tag.Short())
}

// addFork returns the number of tag among h's forks and remembers it, -1 if there is no room for its times.
func (t *hopTable) addFork(h *hopFacts, tag event.Key) int {
	if h == nil || tag == (event.Key{}) {
		return -1
	}
	if i, known := t.knownFork(h, tag); known {
		return i
	}
	short := shortTag(tag.Short())
	h.forks++
	if h.forks == 1 {
		h.first = fork{tag: short}
		return 0
	}
	if h.forking == 0 {
		h.forking = t.forkings.New()
		f := t.forkings.At(h.forking)
		f.n, f.tags[0] = 1, h.first.tag
	}
	f := t.forkings.At(h.forking)
	if f.n == len(f.tags) {
		f.add(tag.Short())
		return -1
	}
	i := f.n
	f.tags[i] = short
	if f.n++; i >= maxForks {
		return -1
	}
	f.forks[i-1] = fork{tag: short}
	return i
}

// fork returns h's fork number i, nil for -1.
func (t *hopTable) fork(h *hopFacts, i int) *fork {
	switch {
	case i < 0 || h == nil:
		return nil
	case i == 0:
		return &h.first
	}
	return &t.forkings.At(h.forking).forks[i-1]
}

// answeredFork takes note that h's fork number i answered at the time at.
func (t *hopTable) answeredFork(h *hopFacts, i int, at int64) {
	f := t.fork(h, i)
	switch {
	case f == nil:
	case f.answer == 0:
		f.answer, f.answered = uint8(t.answersOn(h))+1, at
	default:
		f.answered = min(f.answered, at)
	}
}

// answersOn returns how many of h's forks answered, of those that are remembered.
func (t *hopTable) answersOn(h *hopFacts) (n int) {
	for i := range min(int(h.forks), maxForks) {
		if t.fork(h, i).answer != 0 {
			n++
		}
	}
	return n
}

// bits of the filter for a tag.
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

// proveFork is addFork for a tag that something else than a response to the INVITE shows: it is no fork that counts.
func (t *hopTable) proveFork(h *hopFacts, tag event.Key) int {
	n := h.forks
	i := t.addFork(h, tag)
	if f := t.fork(h, i); f != nil && h.forks > n {
		f.proof = true
		h.proved++
	}
	return i
}

// showFork is addFork for a tag that a response to the INVITE shows.
func (t *hopTable) showFork(h *hopFacts, tag event.Key) int {
	i := t.addFork(h, tag)
	if f := t.fork(h, i); f != nil && f.proof {
		f.proof = false
		h.proved--
	}
	return i
}

// code writes f and its BYEs before the answer, or reads them.
func (f *fork) code(c *mem.Coder, e *endings) {
	c.Hash(&f.tag)
	c.Instant(&f.progress)
	c.Instant(&f.ring)
	mem.Number(c, &f.answer)
	mem.Number(c, &f.repeats)
	c.Instant(&f.answered)
	c.Flags(&f.past, &f.proof)
	e.code(c)
}

// happened takes note of the provisional response m of f, which may be nil.
func (f *fork) happened(m *sip.Message) {
	if f != nil {
		earliest(&f.progress, &f.ring, m)
	}
}

// earliest sets progress and ring to the time of m if they were unknown or later.
func earliest(progress, ring *int64, m *sip.Message) (changed bool) {
	at := m.Time.UnixNano()
	if *progress == 0 || at < *progress {
		*progress, changed = at, true
	}
	if (m.Status == 180 || m.Status == 183) && (*ring == 0 || at < *ring) {
		*ring, changed = at, true
	}
	return changed
}
