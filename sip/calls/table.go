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
	Ring, Talk, Interim  time.Duration // see track.Limits
	PerSource, PerSecond int
}

// New returns a Table with the limits l that publishes calls at Stop only. It appends its Events to log. gather may be
// shared with other tables of the same goroutine.
func New(l Limits, log *event.Log, gather *facts.Gather) *Table {
	return &Table{limits: l, log: log, stages: event.StagesOf(event.Stop),
		lookup: lookup{index: make(map[event.Key]uint32)}, admission: admission{sources: newSources()},
		texts: texts{gather: gather}, evidence: evidence{log: log}}
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
	c.Bounds[HopsBound], c.Bounds[RepeatsBound] = t.hops.TooManyHops, t.hops.TooManyRepeats()
	return c
}

// PublishAt sets the stages at which calls are published. Stop always is one.
func (t *Table) PublishAt(s event.Stages) { t.stages = s | event.StagesOf(event.Stop) }

// ShowLegs makes t publish evidence of other legs of its calls, in Events of LinkKind.
func (t *Table) ShowLegs(l event.Linking) { t.evidence.linking = &l }

// Share makes b limit the dialogs of t as well: a budget of several Tables.
func (t *Table) Share(b *mem.Budget) { t.budget = b }

// Leave returns the dialogs of t to its Budget.
func (t *Table) Leave() { t.budget.GiveAll(t.dialogs.Len()) }

// Observe applies m, a message of any method but REGISTER. It returns false if a limit refused m.
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

// Advance moves the clock to until (nanoseconds), if that is later, and handles the timers that expire.
func (t *Table) Advance(until int64) {
	until = max(t.Now, until)
	t.correctLossy(until)
	for t.nextTimer(until) {
	}
	t.Now = until
	t.sources.forget(t.Now)
}

// nextTimer handles the first timer that expires no later than until, with the clock at its time. It reports whether
// there was one.
func (t *Table) nextTimer(until int64) bool {
	n, due, ok := t.timers.First(until)
	talking, interim, also := t.interims.First(until)
	switch {
	case also && (!ok || interim < due):
		t.Now = max(t.Now, interim)
		t.interims.Stop(talking)
		t.interim(talking, interim)
	case ok:
		t.Now = max(t.Now, due)
		t.timers.Stop(n)
		t.onTimer(n, due)
	}
	return ok || also
}

// Finish publishes the open calls at the end of a capture, and forgets all calls.
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

// open returns the number of a new dialog for m, 0 if a limit refused it.
func (t *Table) open(m *sip.Message, k event.Keys) uint32 {
	if !t.makeRoom() {
		t.refuse(CallsBound)
		return 0
	}
	n := t.dialogs.New()
	d := t.dialogs.At(n)
	d.Index, d.Call, d.Root = k.Call.With(k.From), k.Call, n
	if m.Method == sip.Bye || m.Request() && k.To != (event.Key{}) {
		d.Index = d.Index.With(k.To) // by both tags, until it is known which is the caller's
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

// makeRoom reports whether there is room for one more dialog. It evicts one if necessary.
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

// giveBackRoom undoes makeRoom if no dialog was opened.
func (t *Table) giveBackRoom() { t.budget.Give(t.dialogs.Len()) }

// move appends dialog n to class. In openClass it counts as an open call of its source.
func (t *Table) move(n, class uint32) {
	d := t.dialogs.At(n)
	if t.sources.charged(n) && class != openClass {
		t.sources.refund(n, class == ringingClass || class == noClass && d.Answered(), &t.limits)
	}
	t.classes.Move(n, class)
	if !t.sources.charged(n) && class == openClass {
		t.sources.charge(n, &t.callersHop(d).Hop)
	}
}

// markRinging records that the called side responded to the INVITE of n.
func (t *Table) markRinging(n uint32) {
	if t.classes.Of(n) == openClass {
		t.move(n, ringingClass)
	}
}

// forget frees dialog n, whose end was published if it is a call.
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

// publish appends the Event of d at stage, if t publishes at that stage. now is the Event's time (nanoseconds).
func (t *Table) publish(d *dialog.Dialog, stage event.Stage, now int64) {
	if t.stages.Has(stage) {
		t.emit(d, stage, now, t.call(d, stage, now))
	}
}

// emit appends the Event of d with the Call c.
func (t *Table) emit(d *dialog.Dialog, stage event.Stage, now int64, c *event.Call) {
	d.Revision++
	t.log.Add(event.Event{Time: event.When(now), Key: d.Call, Kind: event.CallKind, Stage: stage, Ordinal: d.EventOrdinal(),
		Revision: int(d.Revision), Call: c})
}

// beginInterims schedules the next interim Event of dialog n, if t publishes at that stage.
func (t *Table) beginInterims(n uint32, now int64) {
	if t.limits.Interim > 0 && t.stages.Has(event.Interim) {
		t.interims.Set(n, now+int64(t.limits.Interim))
	}
}

// interim publishes dialog n, if it is still confirmed, and schedules its next interim Event.
func (t *Table) interim(n uint32, now int64) {
	if d := t.dialogs.At(n); d.Phase == dialog.Confirmed {
		t.markDirty(n)
		t.publish(d, event.Interim, now)
		t.beginInterims(n, now)
	}
}

// call returns d as it is published at stage and at the time now. It shares no memory with t.
func (t *Table) call(d *dialog.Dialog, stage event.Stage, now int64) *event.Call {
	caller, origin := t.callersHop(d), t.publishedHop(d)
	c := &event.Call{
		FirstSeen: d.Wall(d.FirstSeen), Setup: d.Wall(d.Setup), Progress: d.Wall(d.Progress), Ring: d.Wall(d.Ring),
		Answer: d.Wall(d.Answer), Code: int(d.Code), Missing: d.Faults, Flags: d.Flags, Transfer: d.Transfer,
		Retransmissions: int(d.Repeats), Challenges: int(d.Challenges), Redirects: int(d.Redirects),
		Forks: int(caller.Forks - caller.Proved), Reinvites: int(d.Reinvites), Holds: int(d.Holds.Count),
		Held:       time.Duration(d.Holds.Total(d.EndTime)),
		EarlyMedia: d.EarlyMedia, SessionExpires: int(d.Expires), Vias: int(d.Vias), Reuse: int(d.Reuse),
		Flow: origin.Flow(), VLAN: origin.VLAN, Link: origin.Link,
		Point: t.hops.Points[origin.Point], Origin: origin.Origin, Restored: d.Restored,
		Facts: t.texts.of(d).Clone(), Leg: d.Index,
	}
	if d.ByAck {
		c.Code = 0
	}
	if !d.Answered() { // a change before the answer is none of the call
		c.Reinvites, c.Holds, c.Held = 0, 0, 0
	}
	if out := t.hops.LeftOn(&t.dialogs.At(d.Root).Path, d.Callee); out != nil {
		c.Onward, c.OnwardVLAN = out.Hop.Flow(), out.Hop.VLAN
	}
	if t.losses.Overlap(d.FirstSeen, now) {
		c.Missing |= event.LossWindow
	}
	if d.Steps != t.Steps {
		c.Missing |= event.ClockStep
	}
	if stage == event.Stop || stage == event.Correction {
		d.AddEnding(c, now)
	} else {
		d.AddUnderWay(c)
	}
	return c
}

// Retime gives what has the time of m the earlier time that m bears now. A copy of m with the time late (packet time,
// nanoseconds) was read first.
func (t *Table) Retime(m *sip.Message, k event.Keys, late int64) {
	root, _ := t.find(k)
	if root == 0 {
		return
	}
	late, early := late-t.Drift, t.Steady(m.Time)
	for n := root; n != 0; n = t.dialogs.At(n).Next {
		d := t.dialogs.At(n)
		if d.Retime(late, early) && d.Published {
			t.amend(d)
		}
		t.markDirty(n)
	}
	t.hops.Retime(&t.dialogs.At(root).Path, late, early)
}

// Missed records that frames were lost in w. A call whose end was published since w began is corrected when the clock
// moves next.
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
