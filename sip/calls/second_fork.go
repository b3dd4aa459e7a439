// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// secondFork opens the record of another fork that answered (RFC 3261 section 13.2.2.4). It reports false if a limit
// kept it out.
func (t *Table) secondFork(root uint32, m *sip.Message, k event.Keys) bool {
	if t.dialogs.At(root).Answers >= hops.MaxForks {
		return t.keepOut(ForksBound)
	}
	index := t.dialogs.At(root).Index
	if !t.makeRoom() {
		return t.keepOut(CallsBound)
	}
	r := t.dialogs.At(root)
	if r.Index != index || r.Root != root {
		t.keepRoom()
		return true // it had to make room itself
	}
	h := t.hops.At(r.Path.First)
	if h.Hop.Veil != 0 {
		t.keepRoom()
		t.counts.Orphans++ // the texts that its id is made of are gone
		return true
	}
	n := t.dialogs.New()
	d := t.dialogs.At(n)
	r.Answers++
	*d = dialog.Dialog{Index: r.Index, Call: r.Call, Vias: r.Vias, FirstSeen: r.FirstSeen, Setup: r.Setup, Drift: r.Drift,
		Steps: r.Steps, CSeq: r.CSeq, Challenges: r.Challenges, Redirects: r.Redirects, Reuse: r.Reuse, Faults: r.Faults,
		Seen: r.Seen, EarlyMedia: r.EarlyMedia, Root: root, Next: r.Next, Ordinal: r.Answers,
		Flags: r.Flags&event.Spiral | event.SecondFork}
	r.Next = n
	for n := r.Path.First; n != 0; n = t.hops.At(n).Next {
		h := t.hops.At(n)
		if i, _ := t.hops.KnownFork(h, k.To); i >= 0 {
			d.NoteFork(t.hops.Fork(h, i))
		}
	}
	t.count(d)
	d.Text = t.texts.Put(mem.Text{}, t.texts.Get(r.Text))
	t.markDirty(root)
	t.markDirty(n)
	t.answer(n, d, m, k)
	t.showOpen(d, d.Answer)
	t.answeredNow(n, d, d.Answer)
	return true
}
