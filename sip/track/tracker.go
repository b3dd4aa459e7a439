// Package track is the way from SIP messages to Events: a Tracker gives each message to what follows calls (package
// calls), registrations (package bindings) or methods without records, and takes copies of one message once.
//
// A Tracker follows one shard of the signalling, and is used by one goroutine.
//
// # Clock
//
// Its clock is the clock of the packets, moved by Observe and Advance and never back; nothing here reads the time of day.
// Stepped takes a jump of that clock out of all durations, Missed names a time in which frames were lost.
//
// # Limits
//
// Limits bound calls, bindings and sources; Trackers of one host share Budgets. What does not fit is counted in Counts
// with its Bound, and a message that was kept out is Dropped.
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
	counts   Counts // of Messages; calls and bindings have their own
	copies   duplicates
	calls    *calls.Table
	bindings *bindings.Table
	others   *Others
	gather   facts.Gather // of calls and bindings, in turn
	log      event.Log    // Events of the call of Observe, Advance or Finish that is under way
}

// New returns a Tracker that remembers no more than l and tells calls at Stop only.
func New(l Limits) *Tracker {
	t := &Tracker{others: newOthers(0, nil)}
	t.calls = calls.New(l.calls(), &t.log, &t.gather)
	t.bindings = bindings.New(bindings.Limits{Bindings: l.Bindings, Ring: l.Ring}, &t.log, &t.gather)
	return t
}

// Trunks has the messages that make no record counted by trunk as well: of returns the number of the trunk of an address
// on a VLAN, from 1 to n, 0 for none. It is called before Observe.
func (t *Tracker) Trunks(n int, of func(netip.Addr, uint16) int) { t.others = newOthers(n, of) }

// Others returns what counts the messages that make no record.
func (t *Tracker) Others() *Others { return t.others }

// Tell sets at which stages calls are told. Stop always is.
func (t *Tracker) Tell(s event.Stages) { t.calls.PublishAt(s) }

// ShowLegs makes t tell what its calls show of other legs, in Events of LinkKind.
func (t *Tracker) ShowLegs(l event.Linking) { t.calls.ShowLegs(l) }

// Share has t remember calls, bindings and REGISTERs out of b, and no more than its Limits. It is called before
// Observe. A Tracker that is used no more gives what it has back by Leave.
func (t *Tracker) Share(b Budgets) {
	t.calls.Share(b.Calls)
	t.bindings.Share(b.Bindings, b.Registers)
}

// Leave gives back what t has of its Budgets. T is not used afterwards.
func (t *Tracker) Leave() {
	t.calls.Leave()
	t.bindings.Leave()
	t.Share(Budgets{})
}

// Observe takes note of m and appends to dst what m brought to an end. It keeps nothing of m's own memory.
func (t *Tracker) Observe(dst []event.Event, m *sip.Message, k event.Keys) []event.Event {
	dst = t.Advance(dst, m.Time)
	before := len(dst)
	t.log.Start(dst)
	if seen, until := t.copies.seen(m); seen {
		if t.counts.Duplicates++; until != 0 {
			t.calls.Retime(m, k, until)
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

// dispatch gives m to what follows messages of its kind, with the time that the steady clock gives it. It reports false
// if a limit kept m out.
func (t *Tracker) dispatch(m *sip.Message, k event.Keys) (kept bool) {
	wall := m.Time
	if t.calls.Drift != 0 {
		m.Time = event.When(t.calls.Steady(wall))
	}
	if m.Method == sip.Register {
		kept = t.bindings.Observe(m, k)
	} else {
		t.others.note(m, k, m.Method == sip.Notify && t.calls.Has(k), t.calls.Now)
		kept = t.calls.Observe(m, k)
	}
	m.Time = wall
	return kept
}

// Advance moves the Tracker's clock to now, if that is later, and appends to dst what has run out.
func (t *Tracker) Advance(dst []event.Event, now time.Time) []event.Event {
	before := len(dst)
	t.log.Start(dst)
	t.calls.Advance(t.calls.Steady(now))
	t.others.expire(t.calls.Now)
	t.bindings.Advance(t.calls.Now)
	return t.take(before)
}

// Stepped records a jump of the packets' clock by delta, just before now (on the new clock). Calls that are open then
// get ClockStep, their durations as if there had been no jump; deadlines are kept.
func (t *Tracker) Stepped(now time.Time, delta time.Duration) { t.calls.Step(now, delta) }

// Missed says that frames were lost after from and not after to. Every call that was open at any moment between is
// told with LossWindow. Say it before the Message or the time that follows the loss: a call that was told since from
// is told again as a correction, the next time that the clock moves.
func (t *Tracker) Missed(from, to time.Time) {
	if to.Before(from) {
		return
	}
	w := event.Window{From: t.calls.Steady(from), To: t.calls.Steady(to)}
	t.calls.Missed(w)
	t.bindings.Missed(w)
}

// Finish appends to dst what is open, as the end of a capture leaves it. The Tracker is empty afterwards.
// The Events bear the Tracker's clock: shards of one domain are advanced to one time before.
func (t *Tracker) Finish(dst []event.Event) []event.Event {
	before := len(dst)
	t.log.Start(dst)
	t.calls.Finish()
	t.bindings.Finish(t.calls.Now)
	t.others.finish()
	return t.take(before)
}

// take returns the Events that were gathered, those from the nth on the packets' clock.
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

// Save makes t remember which calls change, for Changed. Addresses are hidden by keys of k.
func (t *Tracker) Save(k event.Keyer) { t.calls.Save(k) }

// Seamless makes Restore take calls of which nothing was missed between Save and Restore: their records bear no
// RestartGap and no revision is skipped, so that what was reported after the save is reported again alike. What t knows
// of such a call by its last messages alone gives way. It is called after Save.
func (t *Tracker) Seamless() { t.calls.Seamless() }

// Changed appends to dst what has changed since it was asked last: first what is over, then what goes on. A Tracker
// that does not Save has nothing. What is appended shares no memory with t.
func (t *Tracker) Changed(dst []calls.Saved) []calls.Saved { return t.calls.Changes(dst) }

// Restore makes t follow a call that another Tracker saved; its records bear RestartGap. f are the call's Facts from
// then on: those that the store froze, for the texts are gone. Save has been called before, and calls at the head of
// their INVITE's forks come before the others. The error wraps ErrState, or is ErrRoom: then the call is not followed.
func (t *Tracker) Restore(s calls.Saved, f facts.Facts) error { return t.calls.Restore(s, f) }
