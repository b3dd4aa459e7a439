package calls

import (
	"time"

	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A Table follows the calls of one shard: a dialog for each call attempt, and one more for each further fork that
// answers.
type Table struct {
	event.Clock
	limits   Limits
	budget   *mem.Budget // of dialogs
	stages   event.Stages
	counts   Counts
	dialogs  mem.Slab[dialog.Dialog]
	hops     hops.Table
	guesses  mem.Slab[dialog.Guesses]
	rows     mem.Lists // dialogs by what they wait for, oldest first
	index    map[event.Key]uint32
	lapses   mem.Deadlines
	interims mem.Deadlines
	sources  sources
	uses     callIDReuse
	losses   losses
	blinded  []uint32 // published as over within a loss that was said later
	texts    mem.Arena
	gather   *facts.Gather
	linking  *event.Linking // nil if no Events of LinkKind are wanted
	saving   *saving        // nil if no changes are wanted
	log      *event.Log
}

// Limits bound what a Table remembers.
type Limits struct {
	Calls                int
	Ring, Talk, Interim  time.Duration // as those of a Tracker
	PerSource, PerSecond int
}

// New returns a Table that remembers no more than l and publishes calls at Stop only. It appends its Events to
// log, and gathers Facts by gather, which a Table may use in between.
func New(l Limits, log *event.Log, gather *facts.Gather) *Table {
	return &Table{limits: l, log: log, gather: gather, stages: event.StagesOf(event.Stop), index: make(map[event.Key]uint32),
		sources: newSources()}
}

// Counts is what a Table has counted.
type Counts struct {
	Retransmissions                   uint64
	Opened, Evicted, MidCall, Orphans uint64
	Live                              uint64
	Ended                             [event.Dispositions]uint64
	Corrected                         uint64
	Bounds                            [Bounds]uint64
	Opaque                            uint64
}

// Counted returns what has been counted so far.
func (t *Table) Counted() Counts {
	c := t.counts
	c.Bounds[HopsBound], c.Bounds[RepeatsBound] = t.hops.TooManyHops, t.hops.TooManyRepeats
	return c
}

// PublishAt sets the stages at which calls are published. Stop always is one.
func (t *Table) PublishAt(s event.Stages) { t.stages = s | event.StagesOf(event.Stop) }

// ShowLegs makes t publish what its calls show of other legs, in Events of LinkKind.
func (t *Table) ShowLegs(l event.Linking) { t.linking = &l }

// Share makes t take its dialogs out of b.
func (t *Table) Share(b *mem.Budget) { t.budget = b }

// Leave gives back what t has of its Budget.
func (t *Table) Leave() { t.budget.GiveAll(t.dialogs.Len()) }

// Observe takes note of m, which is of any method but REGISTER. It reports false if a limit kept m out.
func (t *Table) Observe(m *sip.Message, k event.Keys) bool {
	root, side := t.find(k)
	if m.Request() {
		return t.request(root, m, k, side)
	}
	return t.response(root, m, k, side)
}

// Has reports whether a call has the Call-ID and a tag of k.
func (t *Table) Has(k event.Keys) bool {
	root, _ := t.find(k)
	return root != 0
}

// Advance moves the clock to until, if that is later, and publishes what has run out.
func (t *Table) Advance(until int64) {
	until = max(t.Now, until)
	t.correctBlinded(until)
	for t.nextTimer(until) {
	}
	t.Now = until
	t.sources.forget(t.Now)
}

// nextTimer does what is due first until then, at the time at which it was due, and reports whether there was
// something.
func (t *Table) nextTimer(until int64) bool {
	n, due, ok := t.lapses.First(until)
	talking, then, also := t.interims.First(until)
	switch {
	case also && (!ok || then < due):
		t.Now = max(t.Now, then)
		t.interims.Stop(talking)
		t.interim(talking, then)
	case ok:
		t.Now = max(t.Now, due)
		t.lapses.Stop(n)
		t.onTimer(n, due)
	}
	return ok || also
}

// Finish publishes what is open, as the end of a capture leaves it, and forgets everything.
func (t *Table) Finish() {
	t.correctBlinded(t.Now)
	for n := uint32(1); n <= t.dialogs.Top(); n++ {
		if d := t.dialogs.At(n); d.FirstSeen != 0 && d.Phase != dialog.Terminated {
			t.endOfFile(n, d)
		}
	}
	for n := uint32(1); n <= t.dialogs.Top(); n++ {
		if t.dialogs.At(n).FirstSeen != 0 {
			t.forget(n)
		}
	}
	t.sources = newSources()
}
