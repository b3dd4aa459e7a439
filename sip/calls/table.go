package calls

import (
	"time"

	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
)

// A Table follows the calls of one shard: a dialog for each call attempt, and one more for each further fork that
// answers.
type Table struct {
	event.Clock
	lookup
	admission
	limits   Limits
	budget   *mem.Budget // of dialogs
	stages   event.Stages
	counts   Counts
	timers   mem.Deadlines
	interims mem.Deadlines
	reuse    callIDReuse
	losses   event.Windows
	lossy    []uint32 // dialogs whose loss became known after their end was published
	texts    texts
	evidence evidence
	saving   *saving // nil if no changes are wanted
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
	return &Table{limits: l, log: log, stages: event.StagesOf(event.Stop), lookup: lookup{index: make(map[event.Key]uint32)},
		admission: admission{sources: newSources()}, texts: texts{gather: gather}, evidence: evidence{log: log}}
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
	c.Bounds, c.Opaque = t.bounds, t.texts.opaque
	c.Bounds[HopsBound], c.Bounds[RepeatsBound] = t.hops.TooManyHops, t.hops.TooManyRepeats
	return c
}

// PublishAt sets the stages at which calls are published. Stop always is one.
func (t *Table) PublishAt(s event.Stages) { t.stages = s | event.StagesOf(event.Stop) }

// ShowLegs makes t publish what its calls show of other legs, in Events of LinkKind.
func (t *Table) ShowLegs(l event.Linking) { t.evidence.linking = &l }

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
	t.correctLossy(until)
	for t.nextTimer(until) {
	}
	t.Now = until
	t.sources.forget(t.Now)
}

// nextTimer does what is due first until then, at the time at which it was due, and reports whether there was
// something.
func (t *Table) nextTimer(until int64) bool {
	n, due, ok := t.timers.First(until)
	talking, then, also := t.interims.First(until)
	switch {
	case also && (!ok || then < due):
		t.Now = max(t.Now, then)
		t.interims.Stop(talking)
		t.interim(talking, then)
	case ok:
		t.Now = max(t.Now, due)
		t.timers.Stop(n)
		t.onTimer(n, due)
	}
	return ok || also
}

// Finish publishes what is open, as the end of a capture leaves it, and forgets everything.
func (t *Table) Finish() {
	t.correctLossy(t.Now)
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

// open returns a new dialog for m, 0 if there is no room.
func (t *Table) open(m *sip.Message, k event.Keys) uint32 {
	if !t.makeRoom() {
		t.refuse(CallsBound)
		return 0
	}
	n := t.dialogs.New()
	d := t.dialogs.At(n)
	d.Index, d.Call, d.Root = k.Call.With(k.From), k.Call, n
	if m.Method == sip.Bye || m.Request() && k.To != (event.Key{}) {
		d.Index = d.Index.With(k.To) // found by both tags, until it is known whose they are
	}
	d.FirstSeen, d.Drift, d.Steps = m.Time.UnixNano(), t.Drift, t.Steps
	t.hops.Passed(&d.Path, m)
	d.Vias = m.Vias
	d.Reuse = t.reuse.next(d)
	t.index[d.Index] = n
	if any := d.Call.AnyTag(); k.To == (event.Key{}) || t.index[any] == 0 {
		t.index[any] = n
	}
	t.markDirty(n)
	return n
}

// makeRoom reports whether there is room for one more dialog, after one has gone if need be.
func (t *Table) makeRoom() bool {
	if n := t.dialogs.Len(); n < t.limits.Calls && t.budget.Take(n) {
		return true
	}
	n, why := t.evictable()
	if n == 0 {
		return false
	}
	t.bounds[why]++
	if d := t.dialogs.At(n); d.Phase != dialog.Terminated {
		t.closeEvicted(n, d)
	}
	t.forget(n)
	return t.budget.Take(t.dialogs.Len())
}

// giveBackRoom undoes makeRoom: no dialog was opened.
func (t *Table) giveBackRoom() { t.budget.Give(t.dialogs.Len()) }

// move puts dialog n at the end of row to. While it stands in openClass it weighs on its source.
func (t *Table) move(n, to uint32) {
	d := t.dialogs.At(n)
	if t.sources.charged(n) && to != openClass {
		t.sources.refund(n, to == ringingClass || to == noClass && d.Answered(), &t.limits)
	}
	t.classes.Move(n, to)
	if !t.sources.charged(n) && to == openClass {
		t.sources.charge(n, &t.callersHop(d).Hop)
	}
}

// markRinging takes n for a call, because the other side did.
func (t *Table) markRinging(n uint32) {
	if t.classes.Of(n) == openClass {
		t.move(n, ringingClass)
	}
}

// forget frees dialog n, which has been told.
func (t *Table) forget(n uint32) {
	d := t.dialogs.At(n)
	t.withdraw(n, d)
	t.move(n, noClass)
	t.timers.Stop(n)
	t.interims.Stop(n)
	t.texts.arena.Free(d.Text)
	if d.Counted {
		t.reuse.keep(d)
	}
	if heir := t.unlink(n, d); heir != 0 {
		t.markDirty(heir)
	}
	t.hops.Forget(&d.Path)
	if d.Guesses != 0 {
		*t.guesses.At(d.Guesses) = dialog.Guesses{}
		t.guesses.Free(d.Guesses)
	}
	*d = dialog.Dialog{}
	t.dialogs.Free(n)
	t.budget.Give(t.dialogs.Len())
}

// publish appends the Event of d at stage, if that is asked for.
func (t *Table) publish(d *dialog.Dialog, stage event.Stage, at int64) {
	if t.stages.Has(stage) {
		t.emit(d, stage, at, t.call(d, stage, at))
	}
}

// emit appends the Event that says c of d.
func (t *Table) emit(d *dialog.Dialog, stage event.Stage, at int64, c *event.Call) {
	d.Revision++
	t.log.Add(event.Event{Time: event.When(at), Key: d.Call, Kind: event.CallKind, Stage: stage, Ordinal: d.EventOrdinal(),
		Revision: int(d.Revision), Call: c})
}

// beginInterims schedules the first interim Event of dialog n, which is up now, if a policy takes that stage.
func (t *Table) beginInterims(n uint32, at int64) {
	if t.limits.Interim > 0 && t.stages.Has(event.Interim) {
		t.interims.Set(n, at+int64(t.limits.Interim))
	}
}

// interim tells dialog n if it is still up.
func (t *Table) interim(n uint32, at int64) {
	if d := t.dialogs.At(n); d.Phase == dialog.Confirmed {
		t.markDirty(n)
		t.publish(d, event.Interim, at)
		t.beginInterims(n, at)
	}
}

// call returns what is known of d at that time. It owns its memory.
func (t *Table) call(d *dialog.Dialog, stage event.Stage, at int64) *event.Call {
	caller, told := t.callersHop(d), t.publishedHop(d)
	c := &event.Call{
		FirstSeen: d.Wall(d.FirstSeen), Setup: d.Wall(d.Setup), Progress: d.Wall(d.Progress), Ring: d.Wall(d.Ring),
		Answer: d.Wall(d.Answer), Code: int(d.Code), Missing: d.Faults, Flags: d.Flags, Transfer: d.Transfer,
		Retransmissions: int(d.Repeats), Challenges: int(d.Challenges), Redirects: int(d.Redirects),
		Forks: int(caller.Forks - caller.Proved), Reinvites: int(d.Reinvites), Holds: int(d.Holds),
		Held:       time.Duration(d.HeldUntil(d.EndTime)),
		EarlyMedia: d.EarlyMedia, SessionExpires: int(d.Expires), Vias: int(d.Vias), Reuse: int(d.Reuse),
		Flow: told.Flow(), VLAN: told.VLAN, Link: told.Link,
		Point: t.hops.Points[told.Point], Origin: told.Origin, Restored: d.Restored,
		Facts: t.texts.of(d).Clone(), Leg: d.Index,
	}
	if d.ByAck {
		c.Code = 0
	}
	if !d.Answered() { // what was agreed before the answer is no change of the call
		c.Reinvites, c.Holds, c.Held = 0, 0, 0
	}
	if out := t.hops.LeftOn(&t.dialogs.At(d.Root).Path, d.Callee); out != nil {
		c.Onward, c.OnwardVLAN = out.Hop.Flow(), out.Hop.VLAN
	}
	if t.losses.Overlap(d.FirstSeen, at) {
		c.Missing |= event.LossWindow
	}
	if d.Steps != t.Steps {
		c.Missing |= event.ClockStep
	}
	if stage == event.Stop || stage == event.Correction {
		d.AddEnding(c, at)
	} else {
		d.AddUnderWay(c)
	}
	return c
}

// Retime gives what was taken from the copy of m that was read first, and that is of the time until, m's own time,
// which is earlier.
func (t *Table) Retime(m *sip.Message, k event.Keys, until int64) {
	root, _ := t.find(k)
	if root == 0 {
		return
	}
	from, to := until-t.Drift, t.Steady(m.Time)
	for n := root; n != 0; n = t.dialogs.At(n).Next {
		d := t.dialogs.At(n)
		if d.Retime(from, to) && d.Published {
			t.amend(d)
		}
		t.markDirty(n)
	}
	t.hops.Retime(&t.dialogs.At(root).Path, from, to)
}

// Missed records that frames were lost in w. A call that was published as over since w began is published again when
// the clock moves next.
func (t *Table) Missed(w event.Window) {
	if t.stages.Has(event.Correction) {
		for n := t.classes.Last(lingerClass); n != 0; n = t.classes.Before(n) {
			d := t.dialogs.At(n)
			if d.Closed < w.From {
				break
			}
			if d.FirstSeen < w.To && !t.losses.Overlap(d.FirstSeen, d.Closed) {
				t.lossy = append(t.lossy, n)
			}
		}
	}
	t.losses.Add(w, 0)
}

// correctLossy publishes again, at now, the calls whose loss became known after their end was published.
func (t *Table) correctLossy(now int64) {
	for _, n := range t.lossy {
		t.publishEnd(t.dialogs.At(n), now)
	}
	t.lossy = t.lossy[:0]
}
