package track

import (
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
)

// A callTable follows the calls of one shard: a dialog for each call attempt, and one more for each further fork that
// answers.
type callTable struct {
	event.Clock
	limits   callLimits
	budget   *mem.Budget // of dialogs
	stages   event.Stages
	counts   callCounts
	dialogs  mem.Slab[dialog]
	hops     hopTable
	guesses  mem.Slab[guesses]
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

// callLimits bound what a callTable remembers.
type callLimits struct {
	Calls                int
	Ring, Talk, Interim  time.Duration // as those of a Tracker
	PerSource, PerSecond int
}

// newCalls returns a callTable that remembers no more than l and publishes calls at Stop only. It appends its Events to
// log, and gathers Facts by gather, which a bindingTable may use in between.
func newCalls(l callLimits, log *event.Log, gather *facts.Gather) *callTable {
	return &callTable{limits: l, log: log, gather: gather, stages: event.StagesOf(event.Stop), index: make(map[event.Key]uint32),
		sources: newSources()}
}

// callCounts is what a callTable has counted.
type callCounts struct {
	Retransmissions                   uint64
	Opened, Evicted, MidCall, Orphans uint64
	Live                              uint64
	Ended                             [event.Dispositions]uint64
	Corrected                         uint64
	Bounds                            [Bounds]uint64
	Opaque                            uint64
}

// counted returns what has been counted so far.
func (t *callTable) counted() callCounts {
	c := t.counts
	c.Bounds[HopsBound], c.Bounds[RepeatsBound] = t.hops.tooManyHops, t.hops.tooManyRepeats
	return c
}

// publishAt sets the stages at which calls are published. Stop always is one.
func (t *callTable) publishAt(s event.Stages) { t.stages = s | event.StagesOf(event.Stop) }

// showLegs makes t publish what its calls show of other legs, in Events of LinkKind.
func (t *callTable) showLegs(l event.Linking) { t.linking = &l }

// share makes t take its dialogs out of b.
func (t *callTable) share(b *mem.Budget) { t.budget = b }

// leave gives back what t has of its Budget.
func (t *callTable) leave() { t.budget.GiveAll(t.dialogs.Len()) }

// observe takes note of m, which is of any method but REGISTER. It reports false if a limit kept m out.
func (t *callTable) observe(m *sip.Message, k event.Keys) bool {
	root, side := t.find(k)
	if m.Request() {
		return t.request(root, m, k, side)
	}
	return t.response(root, m, k, side)
}

// has reports whether a call has the Call-ID and a tag of k.
func (t *callTable) has(k event.Keys) bool {
	root, _ := t.find(k)
	return root != 0
}

// advance moves the clock to until, if that is later, and publishes what has run out.
func (t *callTable) advance(until int64) {
	until = max(t.Now, until)
	t.correctBlinded(until)
	for t.nextTimer(until) {
	}
	t.Now = until
	t.sources.forget(t.Now)
}

// nextTimer does what is due first until then, at the time at which it was due, and reports whether there was
// something.
func (t *callTable) nextTimer(until int64) bool {
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

// finish publishes what is open, as the end of a capture leaves it, and forgets everything.
func (t *callTable) finish() {
	t.correctBlinded(t.Now)
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
	t.sources = newSources()
}
