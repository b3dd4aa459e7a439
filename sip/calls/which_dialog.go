// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/hops"
)

// What a message inside a dialog is of. Tags decide on the hop that the message passed, for a proxy that hides its
// topology shows other tags on each of its hops:
//
//  1. The hop has shown the tag (in 101-199, a 2xx, an ACK that proved an answer): the dialog of that tag.
//  2. The hop has shown no tag, and both its ends took part in the call: the dialog of that tag on another hop; else,
//     if the reply is a 2xx, the only answered dialog of the call.
//  3. None: an orphan, that changes nothing.
//
// An end takes part with the INVITE, its responses and its ACK: without Record-Route, and behind a load balancer, that
// ACK goes to an address that the INVITE did not go to. Of a call whose INVITE was not seen, both tags are enough.
type belonging uint8

const (
	foreign  belonging = iota // of no dialog of the call
	dialogue                  // of an answered dialog
	earlyOne                  // of a fork that has not answered
	guessed                   // by its 2xx, if that comes
)

// A place is what a message inside a dialog is of.
type place struct {
	is   belonging
	n    uint32      // the answered dialog, else the root
	side event.Party // whose request it is, or is the response to
	fork int         // of the caller's hop, if it has not answered; -1 is not known
	tag  event.Key   // of the callee
}

// find returns the root of the call that m belongs to by its Call-ID and one tag, 0 without one, and which side's
// requests m is of: the call's own index has the caller's tag.
func (t *Table) find(k event.Keys) (root uint32, side event.Party) {
	if n := t.index[k.Call.With(k.From)]; n != 0 {
		return n, event.Caller
	}
	if k.To == (event.Key{}) {
		return 0, event.Unknown
	}
	if n := t.index[k.Call.With(k.To)]; n != 0 {
		return n, event.Callee
	}
	if n := t.index[k.Call.With(k.From).With(k.To)]; n != 0 {
		if t.dialogs.At(n).Callee == k.To.Short() {
			return n, event.Caller
		}
		return n, event.Callee
	}
	return 0, event.Unknown
}

// inside returns what m, a request inside a dialog of root's call or the response to one, is of.
func (t *Table) inside(root uint32, m *sip.Message, k event.Keys, side event.Party) place {
	tag := k.To
	if side == event.Callee {
		tag = k.From
	}
	r := t.dialogs.At(root)
	if tag == (event.Key{}) {
		return place{}
	}
	if n := t.hops.Find(&r.Path, m); n != 0 && t.hops.At(n).Forks > 0 {
		if i, known := t.hops.KnownFork(t.hops.At(n), tag); known {
			return t.ofTag(root, n, i, place{side: side, tag: tag})
		}
		return place{}
	}
	if r.Setup == 0 && r.Answered() && hops.ShortTag(r.Callee) == hops.ShortTag(tag.Short()) {
		return place{is: dialogue, n: root, side: side, tag: tag}
	}
	if !t.hops.TookPart(&r.Path, m) {
		return place{}
	}
	for n := r.Path.First; n != 0; n = t.hops.At(n).Next {
		if i, known := t.hops.KnownFork(t.hops.At(n), tag); known {
			return t.ofTag(root, n, i, place{side: side, tag: tag})
		}
	}
	return place{is: guessed, n: root, side: side, fork: -1, tag: tag}
}

// ofTag returns p as what is of p's tag, fork number i of hop number n.
func (t *Table) ofTag(root, n uint32, i int, p place) place {
	for d := root; d != 0; d = t.dialogs.At(d).Next {
		if x := t.dialogs.At(d); x.Answered() && hops.ShortTag(x.Callee) == hops.ShortTag(p.tag.Short()) {
			p.is, p.n = dialogue, d
			return p
		}
	}
	r := t.dialogs.At(root)
	near, h := t.hops.At(r.Path.First), t.hops.At(n)
	p.n, p.fork = root, i
	if n != r.Path.First {
		var known bool
		if p.fork, known = t.hops.KnownFork(near, p.tag); !known {
			return t.ofOtherTag(root, h, i, p)
		}
	}
	p.is = earlyOne
	if f := t.hops.Fork(near, p.fork); f != nil && f.Answer != 0 {
		p.is = foreign // its record is gone
	}
	return p
}

// ofOtherTag returns p as what is of fork number i of h, whose tag the caller's hop does not show: the n-th fork that
// answered there is the n-th that answered here.
func (t *Table) ofOtherTag(root uint32, h *hops.View, i int, p place) place {
	r := t.dialogs.At(root)
	answers, only := 0, uint32(0)
	for d := root; d != 0; d = t.dialogs.At(d).Next {
		if t.dialogs.At(d).Answered() {
			answers, only = answers+1, d
		}
	}
	f := t.hops.Fork(h, i)
	switch {
	case answers == 0:
		p.is, p.fork = earlyOne, -1
		if t.hops.At(r.Path.First).Forks == 1 {
			p.fork = 0
		}
	case f == nil, !r.Follows(&t.hops, h), f.Answer == 0 && (h.Forks > 1 || t.hops.AnswersOn(h) > 0):
		p.is, p.fork = earlyOne, -1
	case answers == 1:
		p.is, p.fork = earlyOne, -1
		upstream := h.Invited == 0 && h.Forks == 1
		if f.Answer == 0 || f.Answer == 1 && (upstream || t.dialogs.At(only).Before(f.Answered)) {
			p.is, p.n = dialogue, only
		}
	case f.Answer != 0 && t.hops.AnswersOn(h) == answers:
		p.is, p.n = dialogue, t.byAnswer(root, int(f.Answer))
	}
	return p
}

// byAnswer returns root's dialog that answered as the n-th.
func (t *Table) byAnswer(root uint32, n int) uint32 {
	for d := root; d != 0; d = t.dialogs.At(d).Next {
		if int(t.dialogs.At(d).Ordinal) == n-1 {
			return d
		}
	}
	return 0
}

// onlyAnswered returns the only answered dialog of root's call, 0 if it has none or several.
func (t *Table) onlyAnswered(root uint32) (only uint32) {
	for d := root; d != 0; d = t.dialogs.At(d).Next {
		if t.dialogs.At(d).Answered() {
			if only != 0 {
				return 0
			}
			only = d
		}
	}
	return only
}

// byCallee returns what m, a message inside a dialog, is of if it has a known Call-ID but no known tag of a caller, and
// whether anything is known of it: its hop, or the tag of a callee.
func (t *Table) byCallee(m *sip.Message, k event.Keys) (p place, known bool) {
	root := t.index[k.Call.AnyTag()]
	if root == 0 {
		return place{}, false
	}
	r := t.dialogs.At(root)
	if n := t.hops.Find(&r.Path, m); n != 0 && t.hops.At(n).Forks > 0 {
		return place{}, true
	}
	p = place{n: root, fork: -1}
	for n := r.Path.First; n != 0; n = t.hops.At(n).Next {
		if _, is := t.hops.KnownFork(t.hops.At(n), k.To); is {
			p.side, p.tag = event.Caller, k.To
		} else if _, is := t.hops.KnownFork(t.hops.At(n), k.From); is {
			p.side, p.tag = event.Callee, k.From
		}
	}
	if p.side != event.Unknown && t.hops.TookPart(&r.Path, m) {
		p.is = guessed
	}
	return p, p.side != event.Unknown
}
