package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// secondFork opens the record of another fork that answered (RFC 3261 section 13.2.2.4). It reports false if a limit
// kept it out.
func (t *callTable) secondFork(root uint32, m *sip.Message, k event.Keys) bool {
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
	h := t.hops.At(r.path.first)
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
		flags: r.flags&event.Spiral | event.SecondFork}
	r.next = n
	for n := r.path.first; n != 0; n = t.hops.At(n).next {
		h := t.hops.At(n)
		if i, _ := t.hops.knownFork(h, k.To); i >= 0 {
			d.takeFork(t.hops.fork(h, i))
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
