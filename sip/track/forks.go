package track

import "sipsieve/sip"

// forking is what is known of the forks of one INVITE: the first are known exactly, the others by a filter, which
// takes a new one for a known one now and then but never the other way.
type forking struct {
	n              int
	tags           [64]uint32
	others         [32]uint64
	progress, ring [maxForks]int64
}

// forkOf returns the number of tag among d's forks, -1 without one, and remembers it. A second one needs memory
// of its own.
func (t *Tracker) forkOf(d *dialog, tag Key) int {
	if tag == (Key{}) {
		return -1
	}
	short := uint32(tag.short()) | 1
	if d.forks == 0 {
		d.forks = 1
		d.firstFork = short
		return 0
	}
	if d.forking == 0 {
		if d.firstFork == short {
			return 0
		}
		d.forking = t.forkings.take()
		f := t.forkings.at(d.forking)
		f.n, f.tags[0], f.progress[0], f.ring[0] = 1, d.firstFork, d.progress, d.ring
	}
	f := t.forkings.at(d.forking)
	for i := range f.n {
		if f.tags[i] == short {
			return i
		}
	}
	if f.n == len(f.tags) {
		if f.adds(tag.short()) {
			d.forks++
		}
		return -1
	}
	d.forks++
	f.tags[f.n] = short
	f.n++
	return f.n - 1
}

// adds puts tag into f's filter and reports whether it was not there.
func (f *forking) adds(tag uint64) (missing bool) {
	for i := range 3 {
		bit := tag >> (16 * i) % (64 * uint64(len(f.others)))
		word, mask := &f.others[bit/64], uint64(1)<<(bit%64)
		missing = missing || *word&mask == 0
		*word |= mask
	}
	return missing
}

// secondFork opens the record of another fork that answered (RFC 3261 section 13.2.2.4).
func (t *Tracker) secondFork(m *sip.Message, k Keys) bool {
	if r := t.dialogs.at(t.index[k.Call.with(k.From)]); r.answers >= maxForks {
		return t.keepOut(ForksBound)
	}
	if !t.makeRoom() {
		return t.keepOut(CallsBound)
	}
	root := t.index[k.Call.with(k.From)]
	if root == 0 {
		return true // it had to make room itself
	}
	if t.dialogs.at(root).hop.veil != 0 {
		t.counts.Orphans++ // the texts that its id is made of are gone
		return true
	}
	n := t.dialogs.take()
	r, d := t.dialogs.at(root), t.dialogs.at(n)
	r.answers++
	*d = dialog{index: r.index, call: r.call, hop: r.hop, vias: r.vias, first: r.first, setup: r.setup,
		drift: r.drift, steps: r.steps, cseq: r.cseq, challenges: r.challenges, redirects: r.redirects, reuse: r.reuse,
		faults: r.faults, heard: r.heard, early: r.early, seen: r.seen, nseen: r.nseen, legs: r.legs, nlegs: r.nlegs,
		root: root, next: r.next, ordinal: r.answers, flags: r.flags&Spiral | SecondFork}
	r.next = n
	if i := t.forkOf(r, k.To); r.forking != 0 && i >= 0 && i < maxForks {
		f := t.forkings.at(r.forking)
		d.progress, d.ring = f.progress[i], f.ring[i]
	}
	t.count(d)
	d.text = t.texts.put(text{}, t.texts.get(r.text))
	t.touch(root)
	t.touch(n)
	t.answer(n, d, m, k)
	t.showOpen(d, d.answer)
	t.answeredNow(n, d, d.answer)
	return true
}
