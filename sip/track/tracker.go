package track

import (
	"time"

	"sipsieve/sip"
)

// Stages is a set of Stages.
type Stages uint8

// StagesOf returns the set of the stages.
func StagesOf(stages ...Stage) (s Stages) {
	for _, stage := range stages {
		s |= 1 << stage
	}
	return s
}

// Has reports whether stage is in s.
func (s Stages) Has(stage Stage) bool { return s&(1<<stage) != 0 }

// A Tracker follows the calls and registrations of one shard of one clock domain. It is used by one goroutine.
type Tracker struct {
	limits   Limits
	stages   Stages
	now      int64
	counts   Counts
	copies   duplicates
	dialogs  slab[dialog]
	forkings slab[forking]
	rows     queues
	index    map[Key]uint32
	lapses   deadlines
	texts    arena
	scratch  Facts
	points   []string
	bindings bindings
	linking  *Linking // nil when nobody asks for legs
	events   []Event  // those of the call of Observe, Advance or Finish that is under way
}

// New returns a Tracker that remembers no more than l and tells calls at Stop only.
func New(l Limits) *Tracker {
	return &Tracker{limits: l, stages: StagesOf(Stop), index: make(map[Key]uint32), bindings: newBindings()}
}

// Tell sets at which stages calls are told. Stop always is.
func (t *Tracker) Tell(s Stages) { t.stages = s | StagesOf(Stop) }

// Observe takes note of m and appends to dst what m brought to an end. It keeps nothing of m's own memory.
func (t *Tracker) Observe(dst []Event, m *sip.Message, k Keys) []Event {
	dst = t.Advance(dst, m.Time)
	if t.copies.seen(m) {
		t.counts.Duplicates++
		return dst
	}
	t.events = dst
	kept := true
	switch {
	case m.Flags&sip.CSeqMismatch != 0:
	case m.Method == sip.Register:
		kept = t.register(m, k)
	case m.Request():
		kept = t.request(m, k)
	default:
		kept = t.response(m, k)
	}
	if kept {
		t.counts.Tracked++
	} else {
		t.counts.Dropped++
	}
	dst, t.events = t.events, nil
	return dst
}

// Advance moves the Tracker's clock to now, if that is later, and appends to dst what has run out.
func (t *Tracker) Advance(dst []Event, now time.Time) []Event {
	t.now = max(t.now, now.UnixNano())
	t.events = dst
	for n, at, ok := t.lapses.due(t.now); ok; n, at, ok = t.lapses.due(t.now) {
		t.lapse(n, at)
	}
	t.expire()
	dst, t.events = t.events, nil
	return dst
}

// Finish appends to dst what is open, as the end of a capture leaves it. The Tracker is empty afterwards.
// The Events bear the Tracker's clock: shards of one domain are advanced to one time before.
func (t *Tracker) Finish(dst []Event) []Event {
	t.events = dst
	for n := uint32(1); n <= t.dialogs.used; n++ {
		if d := t.dialogs.at(n); d.first != 0 {
			if d.phase != over {
				t.endOfFile(n, d)
			}
			t.forget(n)
		}
	}
	t.bindings = newBindings()
	dst, t.events = t.events, nil
	return dst
}

// Counts returns what has been counted so far.
func (t *Tracker) Counts() Counts { return t.counts }

// find returns the dialog that m belongs to, 0 without one, and which side's requests m is of: the call's own
// index has the caller's tag.
func (t *Tracker) find(k Keys) (n uint32, side Party) {
	if n = t.index[k.Call.with(k.From)]; n != 0 {
		return t.fork(n, k.To), Caller
	}
	if k.To == (Key{}) {
		return 0, Unknown
	}
	if n = t.index[k.Call.with(k.To)]; n != 0 {
		return t.fork(n, k.From), Callee
	}
	return 0, Unknown
}

// fork returns the answered fork of root with the callee's tag, root itself without one.
func (t *Tracker) fork(root uint32, callee Key) uint32 {
	for n := root; n != 0; n = t.dialogs.at(n).next {
		if t.dialogs.at(n).callee == callee.short() {
			return n
		}
	}
	return root
}

// open returns a new dialog for m, 0 if there is no room.
func (t *Tracker) open(m *sip.Message, k Keys) uint32 {
	if t.dialogs.len() >= t.limits.Calls && !t.evict() {
		return 0
	}
	n := t.dialogs.take()
	d := t.dialogs.at(n)
	d.index, d.call, d.root = k.Call.with(k.From), k.Call, n
	d.first = m.Time.UnixNano()
	d.hop = hopOf(m, t.point(m.Point))
	d.vias = m.Vias
	t.index[d.index] = n
	return n
}

// point returns the number of a place of capture; the names past 255 are not told apart.
func (t *Tracker) point(name string) uint8 {
	for i, p := range t.points {
		if p == name {
			return uint8(i)
		}
	}
	if len(t.points) == 255 {
		return 254
	}
	t.points = append(t.points, name)
	return uint8(len(t.points) - 1)
}

// evict makes room for one dialog: what is told goes first, then what has ended, then the oldest that is not
// answered. It reports whether there was one.
func (t *Tracker) evict() bool {
	for row := range t.rows {
		n := t.rows[row].head
		if n == 0 {
			continue
		}
		d := t.dialogs.at(n)
		switch d.row.in {
		case endedRow:
			t.endOfFile(n, d)
		case openRow:
			t.tellEvicted(d)
		}
		t.forget(n)
		return true
	}
	return false
}

// forget frees dialog n, which has been told.
func (t *Tracker) forget(n uint32) {
	d := t.dialogs.at(n)
	t.rows.move(&t.dialogs, n, nowhere)
	t.lapses.drop(n)
	t.texts.give(d.text)
	t.unlink(n, d)
	if d.forking != 0 {
		t.forkings.give(d.forking)
	}
	*d = dialog{}
	t.dialogs.give(n)
}

// unlink takes n out of the forks of its INVITE; the next fork becomes the first if n was.
func (t *Tracker) unlink(n uint32, d *dialog) {
	if t.index[d.index] != n {
		for p := t.index[d.index]; p != 0; p = t.dialogs.at(p).next {
			if q := t.dialogs.at(p); q.next == n {
				q.next = d.next
				return
			}
		}
		return
	}
	if d.next == 0 {
		delete(t.index, d.index)
		return
	}
	t.index[d.index] = d.next
	heir := t.dialogs.at(d.next)
	heir.forks, heir.firstFork, heir.forking = d.forks, d.firstFork, d.forking
	d.forking = 0
	for p := d.next; p != 0; p = t.dialogs.at(p).next {
		t.dialogs.at(p).root = d.next
	}
}
