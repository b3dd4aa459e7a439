// Package track makes Events of SIP messages: a Tracker dispatches each message to the table of calls (package calls),
// of registrations (package bindings) or to the counters of other methods, and ignores further copies of a packet.
//
// A Tracker follows one shard of the signalling, and is used by one goroutine.
//
// # Clock
//
// Its clock is the clock of the packets, moved by Observe and Advance and never back; nothing here reads the time of
// day. Stepped removes a jump of that clock from all durations, Missed reports a time in which frames were lost.
//
// # Limits
//
// Limits apply to calls, bindings and sources; Trackers of one host share Budgets. What exceeds a limit is counted in
// Counts under its Bound, and a refused message as Dropped.
//
// # Order of events
//
// Events are appended as they become certain. The order of all shards is that of package event: Time, Key, Ordinal.
package track

import (
	"net/netip"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/bindings"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// A Tracker follows the calls and registrations of one shard of one clock domain. It is used by one goroutine.
type Tracker struct {
	counts   Counts // of messages; calls and bindings have their own
	copies   duplicates
	calls    *calls.Table
	bindings *bindings.Table
	others   *Others
	gather   facts.Gather // of calls and bindings, in turn
	log      event.Log    // Events of the call of Observe, Advance or Finish that is under way
}

// New returns a Tracker with the limits l that publishes calls at Stop only.
func New(l Limits) *Tracker {
	t := &Tracker{others: newOthers(0, nil)}
	t.calls = calls.New(l.calls(), &t.log, &t.gather)
	t.bindings = bindings.New(bindings.Limits{Bindings: l.Bindings, Ring: l.Ring}, &t.log, &t.gather)
	return t
}

// Trunks makes t count the messages without a record by trunk. trunkOf returns the number of the trunk of an address on
// a VLAN, from 1 to n, 0 for none. Trunks is called before Observe.
func (t *Tracker) Trunks(n int, trunkOf func(netip.Addr, uint16) int) {
	t.others = newOthers(n, trunkOf)
}

// Others returns the counters of messages without a record.
func (t *Tracker) Others() *Others { return t.others }

// PublishAt sets the stages at which calls are published. Stop always is one.
func (t *Tracker) PublishAt(s event.Stages) { t.calls.PublishAt(s) }

// ShowLegs makes t publish evidence of other legs of its calls, in Events of LinkKind.
func (t *Tracker) ShowLegs(l event.Linking) { t.calls.ShowLegs(l) }

// Share makes b limit the calls, bindings and REGISTERs of t, beside its Limits. It is called before Observe. A Tracker
// that is no longer used returns its share by Leave.
func (t *Tracker) Share(b Budgets) {
	t.calls.Share(b.Calls)
	t.bindings.Share(b.Bindings, b.Registers)
}

// Leave returns the share of t to its Budgets. t must not be used afterwards.
func (t *Tracker) Leave() {
	t.calls.Leave()
	t.bindings.Leave()
	t.Share(Budgets{})
}

// Observe applies m and appends the Events of it to dst. It retains nothing of m's memory.
func (t *Tracker) Observe(dst []event.Event, m *sip.Message, k event.Keys) []event.Event {
	dst = t.Advance(dst, m.Time)
	before := len(dst)
	t.log.Start(dst)
	if seen, late := t.copies.seen(m); seen {
		if t.counts.Duplicates++; late != 0 {
			t.calls.Retime(m, k, late)
		}
		return t.take(before)
	}
	if m.Flags&sip.CSeqMismatch != 0 || t.dispatch(m, k) {
		t.counts.Tracked++
	} else {
		t.counts.Dropped++
	}
	return t.take(before)
}

// dispatch applies m by its method, with its time on the steady clock. It returns false if a limit refused m.
func (t *Tracker) dispatch(m *sip.Message, k event.Keys) (kept bool) {
	wall := m.Time
	if t.calls.Drift != 0 {
		m.Time = event.When(t.calls.Steady(wall))
	}
	if m.Method == sip.Register {
		kept = t.bindings.Observe(m, k)
	} else {
		t.others.count(m, k, m.Method == sip.Notify && t.calls.Has(k), t.calls.Now)
		kept = t.calls.Observe(m, k)
	}
	m.Time = wall
	return kept
}

// Advance moves the clock to now, if that is later, and appends the Events of the timers that expire to dst.
func (t *Tracker) Advance(dst []event.Event, now time.Time) []event.Event {
	before := len(dst)
	t.log.Start(dst)
	t.calls.Advance(t.calls.Steady(now))
	t.others.expire(t.calls.Now)
	t.bindings.Advance(t.calls.Now)
	return t.take(before)
}

// Stepped records a jump of the packets' clock by delta, just before now (on the new clock). Open calls get ClockStep.
// Their durations and timers are as if there had been no jump.
func (t *Tracker) Stepped(now time.Time, delta time.Duration) { t.calls.Step(now, delta) }

// Missed records that frames were lost after start and not after end. Every call that was open between is published
// with LossWindow. Missed is called before the message or the time that follows the loss: a call whose end was
// published since start is corrected when the clock moves next. An end before start is ignored.
func (t *Tracker) Missed(start, end time.Time) {
	if end.Before(start) {
		return
	}
	w := event.Window{From: t.calls.Steady(start), To: t.calls.Steady(end)}
	t.calls.Missed(w)
	t.bindings.Missed(w)
}

// Finish appends to dst the Events of what is open at the end of a capture. The Tracker is empty afterwards. The time
// of the Events is the Tracker's clock: shards of one domain are advanced to one time before.
func (t *Tracker) Finish(dst []event.Event) []event.Event {
	before := len(dst)
	t.log.Start(dst)
	t.calls.Finish()
	t.bindings.Finish(t.calls.Now)
	t.others.finish()
	return t.take(before)
}

// take returns the Events of the log. Those from the nth on get times of the packets' clock.
func (t *Tracker) take(n int) []event.Event {
	events := t.log.Take()
	drift := time.Duration(t.calls.Drift)
	if drift == 0 {
		return events
	}
	for i := n; i < len(events); i++ {
		events[i].Time = events[i].Time.Add(drift)
		if r := events[i].Registration; r != nil {
			r.At = r.At.Add(drift)
		}
	}
	return events
}

// Counts returns what has been counted so far.
func (t *Tracker) Counts() Counts {
	c, called, registered := t.counts, t.calls.Counted(), t.bindings.Counted()
	c.Retransmissions = called.Retransmissions + registered.Retransmissions
	c.Opened, c.Evicted, c.MidCall, c.Orphans = called.Opened, called.Evicted, called.MidCall, called.Orphans
	c.Live, c.Ended, c.Corrected, c.Bounds = called.Live, called.Ended, called.Corrected, called.Bounds
	c.Registrations, c.Forgotten, c.Opaque = registered.Registrations, registered.Forgotten, called.Opaque
	return c
}

// Save makes t record which calls change, for Changed. Addresses are replaced by keys of k.
func (t *Tracker) Save(k event.Keyer) { t.calls.Save(k) }

// Seamless declares that no message is missed between Save and Restore: records of restored calls have no RestartGap
// and no revision is skipped, so that what was published after the save is published again with the same content. A
// restored call replaces one that t has opened by its last messages. Seamless is called after Save.
func (t *Tracker) Seamless() { t.calls.Seamless() }

// Changed appends to dst the checkpoints that have changed since its last call: those of ended calls before those of
// open ones. They share no memory with t. Without Save there are none.
func (t *Tracker) Changed(dst []calls.Saved) []calls.Saved { return t.calls.Changes(dst) }

// Restore makes t follow the call of a checkpoint; its records have RestartGap. f are the call's Facts from then on:
// the fields that the checkpoint has minimised, since the texts are gone. Save is called before, and the first of an
// INVITE's forks is restored before the others. The error wraps dialog.ErrState, or is calls.ErrRoom: then the call is
// not followed.
func (t *Tracker) Restore(s calls.Saved, f facts.Facts) error { return t.calls.Restore(s, f) }
