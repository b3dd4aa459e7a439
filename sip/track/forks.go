package track

import (
	"sipsieve/sip"
	"sipsieve/sip/mem"
)

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
func (t *Tracker) knownFork(h *hopFacts, tag Key) (i int, known bool) {
	short := shortTag(tag.short())
	if h.forks == 0 || tag == (Key{}) {
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
	return -1, f.n == len(f.tags) && f.has(tag.short())
}

// addFork returns the number of tag among h's forks and remembers it, -1 if there is no room for its times.
func (t *Tracker) addFork(h *hopFacts, tag Key) int {
	if h == nil || tag == (Key{}) {
		return -1
	}
	if i, known := t.knownFork(h, tag); known {
		return i
	}
	short := shortTag(tag.short())
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
		f.add(tag.short())
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
func (t *Tracker) fork(h *hopFacts, i int) *fork {
	switch {
	case i < 0 || h == nil:
		return nil
	case i == 0:
		return &h.first
	}
	return &t.forkings.At(h.forking).forks[i-1]
}

// answeredFork takes note that h's fork number i answered at the time at.
func (t *Tracker) answeredFork(h *hopFacts, i int, at int64) {
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
func (t *Tracker) answersOn(h *hopFacts) (n int) {
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

// earlyByes returns those with number n, nil for 0.
func (t *Tracker) earlyByes(n uint32) *endings {
	if n == 0 {
		return nil
	}
	return t.early.At(n)
}

// earlyEnd returns the accepted BYE by which the last fork of root's call ended before any answer, nil if a fork is
// left.
func (t *Tracker) earlyEnd(root *dialog) *ending {
	h := t.hops.At(root.hops)
	if h.forks > maxForks {
		return nil
	}
	last := t.earlyByes(h.tagless).accepted()
	for i := range int(h.forks) {
		f := t.fork(h, i)
		if f.past {
			continue
		}
		e := t.earlyByes(f.ends).accepted()
		if e == nil {
			return nil
		}
		if last == nil || e.at > last.at {
			last = e
		}
	}
	return last
}

// takeFork takes note of what a hop has shown of d before d answered.
func (d *dialog) takeFork(f *fork) {
	if f.progress != 0 && (d.progress == 0 || f.progress < d.progress) {
		d.progress = f.progress
	}
	if f.ring != 0 && (d.ring == 0 || f.ring < d.ring) {
		d.ring = f.ring
	}
	d.repeats += uint32(f.repeats)
}

// proveFork is addFork for a tag that something else than a response to the INVITE shows: it is no fork that counts.
func (t *Tracker) proveFork(h *hopFacts, tag Key) int {
	n := h.forks
	i := t.addFork(h, tag)
	if f := t.fork(h, i); f != nil && h.forks > n {
		f.proof = true
		h.proved++
	}
	return i
}

// showFork is addFork for a tag that a response to the INVITE shows.
func (t *Tracker) showFork(h *hopFacts, tag Key) int {
	i := t.addFork(h, tag)
	if f := t.fork(h, i); f != nil && f.proof {
		f.proof = false
		h.proved--
	}
	return i
}

// secondFork opens the record of another fork that answered (RFC 3261 section 13.2.2.4). It reports false if a limit
// kept it out.
func (t *Tracker) secondFork(root uint32, m *sip.Message, k Keys) bool {
	if t.dialogs.At(root).answers >= maxForks {
		return t.keepOut(ForksBound)
	}
	index := t.dialogs.At(root).index
	if !t.makeRoom() {
		return t.keepOut(CallsBound)
	}
	r := t.dialogs.At(root)
	if r.index != index || r.root != root {
		t.keepRoom()
		return true // it had to make room itself
	}
	h := t.hops.At(r.hops)
	if h.hop.veil != 0 {
		t.keepRoom()
		t.counts.Orphans++ // the texts that its id is made of are gone
		return true
	}
	n := t.dialogs.New()
	d := t.dialogs.At(n)
	r.answers++
	*d = dialog{index: r.index, call: r.call, vias: r.vias, first: r.first, setup: r.setup, drift: r.drift,
		steps: r.steps, cseq: r.cseq, challenges: r.challenges, redirects: r.redirects, reuse: r.reuse, faults: r.faults,
		heard: r.heard, earlyMedia: r.earlyMedia, root: root, next: r.next, ordinal: r.answers,
		flags: r.flags&Spiral | SecondFork}
	r.next = n
	for n := r.hops; n != 0; n = t.hops.At(n).next {
		h := t.hops.At(n)
		if i, _ := t.knownFork(h, k.To); i >= 0 {
			d.takeFork(t.fork(h, i))
		}
	}
	t.count(d)
	d.text = t.texts.Put(mem.Text{}, t.texts.Get(r.text))
	t.markDirty(root)
	t.markDirty(n)
	t.answer(n, d, m, k)
	t.showOpen(d, d.answer)
	t.answeredNow(n, d, d.answer)
	return true
}
