package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A placeKind is what is known of the dialog to which a message inside a dialog belongs. Tags are compared with those
// that the hop of the message has shown, because a proxy that hides its topology shows other tags on each of its hops:
//
//  1. The hop has shown the tag (in 101-199, a 2xx, an ACK that proved an answer): the dialog of that tag.
//  2. The hop has shown no tag, and both its ends took part in the call: the dialog of that tag on another hop; else,
//     if the response is a 2xx, the only answered dialog of the call.
//  3. Otherwise: none. The message is an orphan and changes nothing.
//
// An address takes part by the INVITE, its responses and its ACK: without Record-Route, and behind a load balancer,
// that ACK goes to an address that the INVITE did not go to. If the INVITE of a call was not seen, both tags are
// enough.
type placeKind uint8

const (
	ofNoDialog placeKind = iota // of no dialog of the call
	ofAnswered                  // of an answered dialog
	ofEarly                     // of a fork that has not answered
	ifAccepted                  // of the call, if its final response is a 2xx
)

// A place is the dialog of a message.
type place struct {
	kind placeKind
	n    uint32      // number of the answered dialog, else of the root
	side event.Party // who sent the request; of a response the request that it answers
	fork int         // on the caller's hop, if it has not answered; -1 if unknown
	tag  event.Key   // the callee's
}

// A lookup holds the dialogs of a Table. It finds the dialog of a message by Call-ID and tags, and by what the hops of
// its call have shown.
type lookup struct {
	dialogs mem.Slab[dialog.Dialog]
	index   map[event.Key]uint32 // of the first dialog of each call: by Call-ID and tags, and by Call-ID alone
	hops    hops.Table
	guesses mem.Slab[dialog.Guesses]
}

// find returns the root of the call that has the Call-ID and one tag of k, 0 without one, and which side sent the
// request: a call's index has the caller's tag.
func (l *lookup) find(k event.Keys) (root uint32, side event.Party) {
	if n := l.index[k.Call.With(k.From)]; n != 0 {
		return n, event.Caller
	}
	if k.To == (event.Key{}) {
		return 0, event.Unknown
	}
	if n := l.index[k.Call.With(k.To)]; n != 0 {
		return n, event.Callee
	}
	if n := l.index[k.Call.With(k.From).With(k.To)]; n != 0 {
		if l.dialogs.At(n).Callee == k.To.Short() {
			return n, event.Caller
		}
		return n, event.Callee
	}
	return 0, event.Unknown
}

// inside returns the place of m: a request of side inside a dialog of root's call, or the response to one.
func (l *lookup) inside(root uint32, m *sip.Message, k event.Keys, side event.Party) place {
	tag := k.To
	if side == event.Callee {
		tag = k.From
	}
	r := l.dialogs.At(root)
	if tag == (event.Key{}) {
		return place{}
	}
	if n := l.hops.Find(&r.Path, m); n != 0 && l.hops.At(n).Forks > 0 {
		if i, known := l.hops.KnownFork(l.hops.At(n), tag); known {
			return l.ofTag(root, n, i, place{side: side, tag: tag})
		}
		return place{}
	}
	if r.Setup == 0 && r.Answered() && hops.ShortTag(r.Callee) == hops.ShortTag(tag.Short()) {
		return place{kind: ofAnswered, n: root, side: side, tag: tag}
	}
	if !l.hops.TookPart(&r.Path, m) {
		return place{}
	}
	for n := r.Path.First; n != 0; n = l.hops.At(n).Next {
		if i, known := l.hops.KnownFork(l.hops.At(n), tag); known {
			return l.ofTag(root, n, i, place{side: side, tag: tag})
		}
	}
	return place{kind: ifAccepted, n: root, side: side, fork: -1, tag: tag}
}

// ofTag completes p, whose tag is that of fork i of hop n.
func (l *lookup) ofTag(root, n uint32, i int, p place) place {
	for d := root; d != 0; d = l.dialogs.At(d).Next {
		if x := l.dialogs.At(d); x.Answered() && hops.ShortTag(x.Callee) == hops.ShortTag(p.tag.Short()) {
			p.kind, p.n = ofAnswered, d
			return p
		}
	}
	r := l.dialogs.At(root)
	near, h := l.hops.At(r.Path.First), l.hops.At(n)
	p.n, p.fork = root, i
	if n != r.Path.First {
		var known bool
		if p.fork, known = l.hops.KnownFork(near, p.tag); !known {
			return l.ofOtherTag(root, h, i, p)
		}
	}
	p.kind = ofEarly
	if f := l.hops.Fork(near, p.fork); f != nil && f.Answer != 0 {
		p.kind = ofNoDialog // it was evicted or has ended
	}
	return p
}

// ofOtherTag completes p, whose tag is that of fork i of h and is not known on the caller's hop: the n-th fork that
// answered on h is taken for the n-th that answered on the caller's hop. Before an answer the only fork of h is taken
// for the only fork of the caller's hop, unless the hops show that they are two.
func (l *lookup) ofOtherTag(root uint32, h *hops.View, i int, p place) place {
	r := l.dialogs.At(root)
	answers, only := 0, uint32(0)
	for d := root; d != 0; d = l.dialogs.At(d).Next {
		if l.dialogs.At(d).Answered() {
			answers, only = answers+1, d
		}
	}
	f := l.hops.Fork(h, i)
	switch {
	case answers == 0:
		p.kind, p.fork = ofEarly, -1
		near := l.hops.At(r.Path.First)
		shown, _ := l.hops.Current(h)
		n, only := l.hops.Current(near)
		if n == 1 && shown == 1 && f != nil && !f.Past && !l.hops.Apart(&r.Path, p.tag, l.hops.Fork(near, only).Tag) {
			p.fork = only
		}
	case f == nil, !r.Follows(&l.hops, h), f.Answer == 0 && (h.Forks > 1 || l.hops.AnswersOn(h) > 0):
		p.kind, p.fork = ofEarly, -1
	case answers == 1:
		p.kind, p.fork = ofEarly, -1
		upstream := h.Invited == 0 && h.Forks == 1
		if f.Answer == 0 || f.Answer == 1 && (upstream || l.dialogs.At(only).AnsweredAfter(f.Answered)) {
			p.kind, p.n = ofAnswered, only
		}
	case f.Answer != 0 && l.hops.AnswersOn(h) == answers:
		p.kind, p.n = ofAnswered, l.byAnswer(root, int(f.Answer))
	}
	return p
}

// byAnswer returns the n-th dialog of root's call that answered, from 1; 0 without one.
func (l *lookup) byAnswer(root uint32, n int) uint32 {
	for d := root; d != 0; d = l.dialogs.At(d).Next {
		if int(l.dialogs.At(d).Ordinal) == n-1 {
			return d
		}
	}
	return 0
}

// onlyAnswered returns the only answered dialog of root's call, 0 if it has none or several.
func (l *lookup) onlyAnswered(root uint32) (only uint32) {
	for d := root; d != 0; d = l.dialogs.At(d).Next {
		if l.dialogs.At(d).Answered() {
			if only != 0 {
				return 0
			}
			only = d
		}
	}
	return only
}

// byCallee returns the place of m, a message inside a dialog whose Call-ID is known and whose caller's tag is not.
// known is false if neither its hop nor a callee's tag is known.
func (l *lookup) byCallee(m *sip.Message, k event.Keys) (p place, known bool) {
	root := l.index[k.Call.AnyTag()]
	if root == 0 {
		return place{}, false
	}
	r := l.dialogs.At(root)
	if n := l.hops.Find(&r.Path, m); n != 0 && l.hops.At(n).Forks > 0 {
		return place{}, true
	}
	p = place{n: root, fork: -1}
	for n := r.Path.First; n != 0; n = l.hops.At(n).Next {
		if _, is := l.hops.KnownFork(l.hops.At(n), k.To); is {
			p.side, p.tag = event.Caller, k.To
		} else if _, is := l.hops.KnownFork(l.hops.At(n), k.From); is {
			p.side, p.tag = event.Callee, k.From
		}
	}
	if p.side != event.Unknown && l.hops.TookPart(&r.Path, m) {
		p.kind = ifAccepted
	}
	return p, p.side != event.Unknown
}

// callersHop returns the view of the caller's hop of d's call.
func (l *lookup) callersHop(d *dialog.Dialog) *hops.View {
	return l.hops.At(l.dialogs.At(d.Root).Path.First)
}

// publishedHop returns the hop whose addresses are published with d's call.
func (l *lookup) publishedHop(d *dialog.Dialog) *hops.Hop {
	return &l.hops.At(l.dialogs.At(d.Root).Path.Origin).Hop
}

// ofAnswer returns the dialog of root's call that has the To tag of k, root without one.
func (l *lookup) ofAnswer(root uint32, k event.Keys) uint32 {
	for d := root; d != 0; d = l.dialogs.At(d).Next {
		if hops.ShortTag(l.dialogs.At(d).Callee) == hops.ShortTag(k.To.Short()) {
			return d
		}
	}
	return root
}

// opens reports whether m answers an INVITE that opens a dialog; the INVITE is the caller's. A faulty user agent may
// send a re-INVITE with the CSeq of the first INVITE. The INVITE of a further try may not have been seen; its responses go
// to an address that took part in the call.
func (l *lookup) opens(d *dialog.Dialog, m *sip.Message, k event.Keys) bool {
	if c := &d.Pending[0]; c.CSeq == m.CSeq && c.Method == sip.Invite && d.BranchIndex(k.ShortBranch()) < 0 {
		return false
	}
	switch {
	case m.CSeq <= d.CSeq:
		return true
	case d.Answered() || l.guessFor(d, m, event.Caller).Fits(m) || !l.hops.HasEnd(&d.Path, m.Flow.Dst):
		return false
	}
	return d.Phase == dialog.AwaitingRetry || d.Phase == dialog.Rejected || d.Phase == dialog.Terminated && !d.Undecided() ||
		d.Phase == dialog.Calling && m.Status > 100 && m.Status < 200
}

// earlyEnding returns the entry for a BYE to p's fork before its answer, nil if that fork is unknown.
func (l *lookup) earlyEnding(p place, d *dialog.Dialog) *hops.Ending {
	h := l.hops.At(d.Path.First)
	if f := l.hops.Fork(h, p.fork); f != nil {
		return &l.hops.Early.Ensure(&f.Ends)[p.side-event.Caller]
	}
	if n, _ := l.hops.Current(h); n == 0 {
		return &l.hops.Early.Ensure(&h.Tagless)[p.side-event.Caller]
	}
	return nil
}

// guessFor returns the entry for requests of side with m's method whose dialog is not known yet, nil without one.
func (l *lookup) guessFor(d *dialog.Dialog, m *sip.Message, side event.Party) *dialog.Guess {
	if d.Guesses == 0 {
		return nil
	}
	g := &l.guesses.At(d.Guesses)[side-event.Caller]
	if m.Method == sip.Bye {
		return &g[0]
	}
	return &g[1]
}

// endSeen reports whether a message has shown the end of d.
func (l *lookup) endSeen(d *dialog.Dialog) bool {
	if d.Answered() {
		return d.AcceptedBye.Time != 0 || d.OtherBye.Time != 0 || d.Lost != 0
	}
	return d.RefusedAt != 0 || d.Cancelled != 0 || l.hops.EarlyEnd(&d.Path) != nil
}

// earlyEndOf returns the BYE that ended d before any answer, the zero Ending without one.
func (l *lookup) earlyEndOf(d *dialog.Dialog) hops.Ending {
	if e := l.hops.EarlyEnd(&d.Path); e != nil {
		return *e
	}
	return hops.Ending{}
}

// markAnswered marks the fork with the To tag of m, a 2xx or an ACK that proves one, as answered on m's hop. A fork
// that only an ACK shows does not count as a fork.
func (l *lookup) markAnswered(d *dialog.Dialog, m *sip.Message, k event.Keys) {
	root := l.dialogs.At(d.Root)
	h, near := l.hops.Passed(&root.Path, m), l.hops.At(root.Path.First)
	add := l.hops.ShowFork
	if m.Request() {
		add = l.hops.ProveFork
	}
	if h == near || near.Hop.Carries(m) {
		l.hops.AnswerFork(near, add(near, k.To), m.Time.UnixNano())
	}
	if h != nil && h != near {
		l.hops.AnswerFork(h, add(h, k.To), m.Time.UnixNano())
	}
}

// adoptDownstreamRefusal gives d the last refusal seen on another hop, if the caller's hop has shown neither a final
// response nor a CANCEL and no other hop still awaits a final response.
func (l *lookup) adoptDownstreamRefusal(d *dialog.Dialog) {
	if d.Answered() || d.RefusedAt != 0 || d.Cancelled != 0 {
		return
	}
	best := l.hops.LastFinal(&d.Path)
	if best != nil && best.Final.Code >= 300 {
		d.Code, d.RefusedAt, d.FinalCause = best.Final.Code, best.Final.Time, best.Final.Cause
		if d.Acked == 0 {
			d.Acked = best.Final.Acked
		}
		if dialog.Challenges(int(d.Code)) {
			d.Challenges++
		}
	}
}

// isRejected reports whether the final response of d, on the caller's hop or else on another, is a refusal that no new
// INVITE is expected to follow.
func (l *lookup) isRejected(d *dialog.Dialog) bool {
	if d.Phase != dialog.Calling && d.Phase != dialog.AwaitingRetry {
		return d.Phase == dialog.Rejected
	}
	l.adoptDownstreamRefusal(d)
	return d.Code >= 400 && d.RefusedAt != 0 && !dialog.Challenges(int(d.Code))
}

// unlink removes dialog n from the forks of its INVITE and from the index. It returns the fork that took the place of
// n as the first, 0 without one.
func (l *lookup) unlink(n uint32, d *dialog.Dialog) (heir uint32) {
	for p := d.Root; d.Root != n && p != 0; p = l.dialogs.At(p).Next {
		if q := l.dialogs.At(p); q.Next == n {
			q.Next = d.Next
			return 0
		}
	}
	for _, index := range [...]event.Key{d.Index, d.Call.AnyTag()} {
		switch {
		case l.index[index] != n: // another call has it by now
		case d.Next == 0:
			delete(l.index, index)
		default:
			l.index[index] = d.Next
		}
	}
	if d.Next == 0 {
		return 0
	}
	first := l.dialogs.At(d.Next)
	first.Path, first.Guesses, first.Answers = d.Path, d.Guesses, d.Answers
	d.Path, d.Guesses = hops.Path{}, 0
	for p := d.Next; p != 0; p = l.dialogs.At(p).Next {
		l.dialogs.At(p).Root = d.Next
	}
	return d.Next
}
