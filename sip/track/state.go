package track

import (
	"encoding/binary"
	"fmt"
)

// stateVersion is raised with every change of what is written below, or of what a number in it means.
const stateVersion = 1

// headAt is where the state of a dialog says whether it is the first of its INVITE's forks: behind the version, the
// Call-ID's Key and the index.
const headAt = 1 + 2*len(Key{})

// A restored is a dialog as its state tells it, with what stands beside a dialog in a Tracker.
type restored struct {
	dialog
	forking      forking
	row          uint8
	due, interim int64
	head         bool
}

// dialogState returns dialog n as Restore reads it. A fork has what it would inherit as the head.
func (t *Tracker) dialogState(n uint32, d *dialog) []byte {
	r := restored{dialog: *d, row: d.row.in, due: t.lapses.when(n), interim: t.interims.when(n), head: d.root == n}
	r.hop = t.saving.keyer.veil(d.hop)
	root := t.dialogs.at(d.root)
	r.forks, r.firstFork, r.answers = root.forks, root.firstFork, root.answers
	if root.forking != 0 {
		r.forking = *t.forkings.at(root.forking)
	}
	c := coder{b: make([]byte, 0, 320)}
	c.state(&r)
	return c.b
}

func readDialog(state []byte) (r restored, err error) {
	c := coder{b: state, reading: true}
	c.state(&r)
	if c.wrong || len(c.b) != 0 || !r.sane() {
		return r, fmt.Errorf("%w: of a call", ErrState)
	}
	r.hop.veil = srcVeiled | dstVeiled | restoredHop
	return r, nil
}

// sane reports whether what is read can be that of a call that goes on.
func (r *restored) sane() bool {
	return r.phase < byeOnly && r.row <= ringRow && r.row != overRow && r.due != 0 && r.first != 0 &&
		r.nseen < 2*prints && r.nlegs <= branches && r.byeBy <= Network && r.cause <= EndCapture &&
		r.known <= CaptureEnd && r.transfer <= Attended && r.offered <= Attended &&
		r.forking.n >= 0 && r.forking.n <= len(r.forking.tags)
}

// clockState appends the clock and the losses of t as Restore reads them.
func (t *Tracker) clockState(b []byte) []byte {
	c := coder{b: b}
	c.clock(&t.drift, &t.steps, &t.losses)
	return c.b
}

func (t *Tracker) restoreClock(state []byte) error {
	var drift int64
	var steps uint16
	var lost losses
	c := coder{b: state, reading: true}
	c.clock(&drift, &steps, &lost)
	if c.wrong || len(c.b) != 0 {
		return fmt.Errorf("%w: of a clock", ErrState)
	}
	t.drift, t.steps = drift, steps
	for _, w := range lost {
		t.losses = t.losses.with(w)
	}
	return nil
}

// A coder writes values or reads them back: what is written and what is read cannot differ.
type coder struct {
	b       []byte // what was written, or what is left to be read
	reading bool
	wrong   bool
	since   int64 // what instants are counted from
}

func (c *coder) clock(drift *int64, steps *uint16, lost *losses) {
	c.version()
	c.signed(drift)
	number(c, steps)
	n := uint8(len(*lost))
	number(c, &n)
	if c.reading && !c.wrong && n <= mostLosses {
		*lost = make(losses, n)
	}
	for i := range *lost {
		c.signed(&(*lost)[i].from)
		c.signed(&(*lost)[i].to)
	}
}

func (c *coder) state(r *restored) {
	c.version()
	c.fixed(r.call[:])
	c.fixed(r.index[:])
	c.flags(&r.head)
	number(c, &r.callee)
	c.signed(&r.first)
	c.since = r.first
	for _, at := range []*int64{&r.due, &r.interim, &r.setup, &r.progress, &r.ring, &r.answer, &r.acked, &r.cancelled,
		&r.refusedAt, &r.bye, &r.gone, &r.refreshed, &r.farAt, &r.holdSince} {
		c.instant(at)
	}
	c.signed(&r.held)
	c.signed(&r.drift)
	c.ends(&r.hop)
	c.counts(&r.dialog)
	c.marks(&r.dialog)
	c.forks(&r.forking)
	number(c, &r.row)
}

// ends writes a hop whose ends are veiled.
func (c *coder) ends(h *hop) {
	c.fixed(h.src[:])
	c.fixed(h.dst[:])
	number(c, &h.sport)
	number(c, &h.dport)
	number(c, &h.origin)
	c.flags(&h.valid)
}

func (c *coder) counts(d *dialog) {
	for _, n := range []*uint32{&d.cseq, &d.expires, &d.repeats, &d.revision, &d.cancelLeg, &d.answerLeg, &d.firstFork} {
		number(c, n)
	}
	for _, n := range []*uint16{&d.forks, &d.reinvites, &d.holds, &d.challenges, &d.redirects, &d.code, &d.farCode,
		&d.reuse, &d.steps} {
		number(c, n)
	}
	for _, n := range []*uint8{&d.owed, &d.heard, &d.ordinal, &d.cancelCause, &d.byeCause, &d.finalCause, &d.nseen,
		&d.nlegs, &d.legsDone, &d.holding, &d.vias, &d.answers} {
		number(c, n)
	}
}

func (c *coder) marks(d *dialog) {
	number(c, &d.faults)
	number(c, &d.flags)
	number(c, &d.phase)
	number(c, &d.byeBy)
	number(c, &d.cause)
	number(c, &d.known)
	number(c, &d.transfer)
	number(c, &d.offered)
	c.flags(&d.early, &d.byAck, &d.refusedByAck, &d.retryable, &d.accepted, &d.alone, &d.byeAnswered, &d.counted)
	for i := range d.pending {
		p := &d.pending[i]
		number(c, &p.cseq)
		number(c, &p.hold)
		number(c, &p.method)
		c.flags(&p.open)
	}
	for i := range min(d.nseen, prints) {
		c.hash(&d.seen[i])
	}
	for i := range min(d.nlegs, branches) {
		c.hash(&d.legs[i])
	}
}

func (c *coder) forks(f *forking) {
	n := uint8(f.n)
	number(c, &n)
	f.n = min(int(n), len(f.tags))
	for i := range f.n {
		c.hash(&f.tags[i])
		if i < maxForks {
			c.instant(&f.progress[i])
			c.instant(&f.ring[i])
		}
	}
	if f.n == len(f.tags) {
		for i := range f.others {
			number(c, &f.others[i])
		}
	}
}

func (c *coder) version() {
	v := uint8(stateVersion)
	number(c, &v)
	c.wrong = c.wrong || v != stateVersion
}

// number writes *p, or reads it.
func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64](c *coder, p *T) {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, uint64(*p))
		return
	}
	v, n := binary.Uvarint(c.b)
	if c.wrong = c.wrong || n <= 0 || uint64(T(v)) != v; c.wrong {
		return
	}
	*p, c.b = T(v), c.b[n:]
}

func (c *coder) signed(p *int64) {
	v := uint64(*p<<1) ^ uint64(*p>>63)
	number(c, &v)
	*p = int64(v>>1) ^ -int64(v&1)
}

// instant is signed for a time, which is near another one or unknown.
func (c *coder) instant(p *int64) {
	known := *p != 0
	c.flags(&known)
	if !known {
		*p = 0
		return
	}
	v := *p - c.since
	c.signed(&v)
	*p = v + c.since
}

func (c *coder) flags(ps ...*bool) {
	var set uint8
	for i, p := range ps {
		if *p {
			set |= 1 << i
		}
	}
	number(c, &set)
	for i, p := range ps {
		*p = set&(1<<i) != 0
	}
}

// hash is number for what is as long as a number can be.
func (c *coder) hash(p *uint32) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], *p)
	c.fixed(b[:])
	*p = binary.LittleEndian.Uint32(b[:])
}

func (c *coder) fixed(b []byte) {
	switch {
	case !c.reading:
		c.b = append(c.b, b...)
	case len(c.b) < len(b):
		c.wrong = true
	default:
		c.b = c.b[copy(b, c.b):]
	}
}
