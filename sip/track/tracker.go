package track

import (
	"net/netip"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/mem"
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
	budgets  Budgets
	stages   Stages
	now      int64
	counts   Counts
	copies   duplicates
	dialogs  mem.Slab[dialog]
	hops     hopTable
	guesses  mem.Slab[guesses]
	rows     mem.Lists // dialogs by what they wait for, oldest first
	index    map[Key]uint32
	lapses   mem.Deadlines
	interims mem.Deadlines
	sources  sources
	uses     callIDReuse
	losses   losses
	blinded  []uint32 // published as over within a loss that was said later
	drift    int64    // what the packets' clock has been stepped by
	steps    uint16   // how often
	texts    mem.Arena
	scratch  Facts
	points   points
	bindings bindings
	linking  *Linking // nil when nobody asks for legs
	others   *Others
	saving   *saving // nil when nobody asks what has changed
	events   []Event // those of the call of Observe, Advance or Finish that is under way
}

// New returns a Tracker that remembers no more than l and tells calls at Stop only.
func New(l Limits) *Tracker {
	return &Tracker{limits: l, stages: StagesOf(Stop), index: make(map[Key]uint32), sources: newSources(),
		bindings: newBindings(), others: newOthers(0, nil)}
}

// Trunks has the messages that make no record counted by trunk as well: of returns the number of the trunk of an address
// on a VLAN, from 1 to n, 0 for none. It is called before Observe.
func (t *Tracker) Trunks(n int, of func(netip.Addr, uint16) int) { t.others = newOthers(n, of) }

// Others returns what counts the messages that make no record.
func (t *Tracker) Others() *Others { return t.others }

// Tell sets at which stages calls are told. Stop always is.
func (t *Tracker) Tell(s Stages) { t.stages = s | StagesOf(Stop) }

// Observe takes note of m and appends to dst what m brought to an end. It keeps nothing of m's own memory.
func (t *Tracker) Observe(dst []Event, m *sip.Message, k Keys) []Event {
	dst = t.Advance(dst, m.Time)
	before := len(dst)
	t.events = dst
	if seen, until := t.copies.seen(m); seen {
		if t.counts.Duplicates++; until != 0 {
			t.retime(m, k, until)
		}
		return t.tellWall(before)
	}
	kept := true
	switch {
	case m.Flags&sip.CSeqMismatch != 0:
	case m.Method == sip.Register:
		kept = t.onSteadyClock(m, t.register, k)
	case m.Request():
		kept = t.onSteadyClock(m, t.request, k)
	default:
		kept = t.onSteadyClock(m, t.response, k)
	}
	if kept {
		t.counts.Tracked++
	} else {
		t.counts.Dropped++
	}
	return t.tellWall(before)
}

// Advance moves the Tracker's clock to now, if that is later, and appends to dst what has run out.
func (t *Tracker) Advance(dst []Event, now time.Time) []Event {
	until := max(t.now, t.steady(now))
	before := len(dst)
	t.events = dst
	t.correctBlinded(until)
	for t.nextTimer(until) {
	}
	t.now = until
	t.sources.forget(t.now)
	t.others.expire(t.now)
	t.expire()
	return t.tellWall(before)
}

// nextTimer does what is due first until then, at the time at which it was due, and reports whether there was
// something.
func (t *Tracker) nextTimer(until int64) bool {
	n, at, ok := t.lapses.First(until)
	talking, then, also := t.interims.First(until)
	switch {
	case also && (!ok || then < at):
		t.now = max(t.now, then)
		t.interims.Stop(talking)
		t.interim(talking, then)
	case ok:
		t.now = max(t.now, at)
		t.lapses.Stop(n)
		t.onTimer(n, at)
	}
	return ok || also
}

// Finish appends to dst what is open, as the end of a capture leaves it. The Tracker is empty afterwards.
// The Events bear the Tracker's clock: shards of one domain are advanced to one time before.
func (t *Tracker) Finish(dst []Event) []Event {
	before := len(dst)
	t.events = dst
	t.correctBlinded(t.now)
	for n := uint32(1); n <= t.dialogs.Top(); n++ {
		if d := t.dialogs.At(n); d.first != 0 && d.phase != terminated {
			t.endOfFile(n, d)
		}
	}
	for n := uint32(1); n <= t.dialogs.Top(); n++ {
		if t.dialogs.At(n).first != 0 {
			t.forget(n)
		}
	}
	t.adoptEveryFar()
	t.leaveBindings()
	t.sources, t.bindings = newSources(), newBindings()
	t.others.finish()
	return t.tellWall(before)
}

// Counts returns what has been counted so far.
func (t *Tracker) Counts() Counts {
	c := t.counts
	c.Bounds[HopsBound], c.Bounds[RepeatsBound] = t.hops.tooManyHops, t.hops.tooManyRepeats
	return c
}
