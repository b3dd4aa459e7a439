// This file has methods of Table because the end of a call is a subject of its own.

package calls

import (
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
)

// onTimer handles the timer of dialog n that expired at due (nanoseconds).
func (t *Table) onTimer(n uint32, due int64) {
	d := t.dialogs.At(n)
	t.markDirty(n)
	switch d.Phase {
	case dialog.Terminated:
		t.endLinger(n)
	case dialog.Unconfirmed:
		for i := range d.Byes {
			if d.Byes[i].Status == 200 {
				d.Byes[1-i].Time = 0
				t.closeByeAlone(n, d, event.Caller+event.Party(i))
				return
			}
		}
		t.counts.Orphans++
		t.forget(n)
	case dialog.Calling, dialog.AwaitingRetry:
		if t.adoptDownstreamAnswer(n, d) || t.adoptUpdate(n, d) {
			return
		}
		t.close(n, due)
	case dialog.Confirmed:
		d.Inferred = true
		t.close(n, due)
	default:
		t.close(n, due)
	}
}

// adoptUpdate answers the call by an accepted UPDATE, if no other message decides its outcome. It reports whether it
// did.
func (t *Table) adoptUpdate(n uint32, d *dialog.Dialog) bool {
	h := t.hops.At(d.Path.First)
	p := place{n: n, tag: event.TagKey(d.Callee)}
	p.fork, _ = t.hops.KnownFork(h, p.tag)
	ended := t.hops.EarlyEnd(&d.Path)
	if f := t.hops.Fork(h, p.fork); f != nil && ended == t.hops.EarlyByes(f.Ends).Accepted() || h.Forks == 0 {
		ended = nil // it was a BYE after the answer
	}
	if !d.ProvenByUpdate() || ended != nil {
		return false
	}
	t.answeredUnseen(p, d)
	return true
}

// endLinger forgets n and the other forks of its call once all of them have ended and their linger is over.
func (t *Table) endLinger(n uint32) {
	for x := t.dialogs.At(n).Root; x != 0; x = t.dialogs.At(x).Next {
		if d := t.dialogs.At(x); x != n && (d.Phase != dialog.Terminated || t.timers.When(x) > t.Now) {
			t.timers.Set(n, max(t.Now, t.timers.When(x))+event.Timer64T1)
			return
		}
	}
	for x := t.dialogs.At(n).Root; x != 0; {
		next := t.dialogs.At(x).Next
		t.forget(x)
		x = next
	}
}

// close publishes the end of dialog n with the Event time now (nanoseconds), and keeps n to assign late messages.
func (t *Table) close(n uint32, now int64) {
	d := t.dialogs.At(n)
	t.conclude(d)
	d.Closed = now
	t.publishEnd(d, now)
	t.withdraw(n, d)
	t.markDirty(n)
	d.Phase = dialog.Terminated
	t.move(n, lingerClass)
	t.interims.Stop(n)
	t.timers.Set(n, max(now, t.Now)+t.linger(d))
}

// linger returns how long d is kept after its end was published, in nanoseconds: longer if a late message may prove
// another end.
func (t *Table) linger(d *dialog.Dialog) int64 {
	switch {
	case d.Inferred || d.Answered() && d.AcceptedBye.Time == 0 && !d.ByeAlone:
		return max(event.Timer64T1, int64(t.limits.Talk))
	case d.Undecided():
		return max(event.Timer64T1, d.FirstSeen+int64(t.limits.Talk)-t.Now)
	}
	return event.Timer64T1
}

// publishEnd counts and publishes the end of d with the Event time now (nanoseconds). If an end was published before,
// it publishes a correction, provided that the record has changed.
func (t *Table) publishEnd(d *dialog.Dialog, now int64) {
	if d.Published {
		c := t.call(d, event.Correction, now)
		if digest := c.Digest(); digest != d.Digest {
			d.Digest = digest
			t.counts.Corrected++
			if t.stages.Has(event.Correction) {
				t.emit(d, event.Correction, now, c)
			}
		}
		return
	}
	c := t.call(d, event.Stop, now)
	d.Published, d.Digest = true, c.Digest()
	t.counts.Ended[d.Disposition()]++
	t.counts.Live--
	t.emit(d, event.Stop, now, c)
}

// amend publishes a correction of d if its end was published before and a late message has changed d.
func (t *Table) amend(d *dialog.Dialog) {
	if d.Phase != dialog.Terminated {
		return
	}
	t.conclude(d)
	t.publishEnd(d, t.Now)
}

// closeEvicted publishes a call that is evicted: as ended if its end was seen, else as evicted. An unconfirmed dialog
// is no call, and an end that was published is not corrected.
func (t *Table) closeEvicted(n uint32, d *dialog.Dialog) {
	switch {
	case !d.Counted:
		t.counts.Orphans++
	case d.Published:
	case t.endSeen(d):
		t.endOfFile(n, d)
	default:
		t.conclude(d)
		d.EndCause, d.EndSource, d.EndTime = event.EndEvicted, 0, 0
		t.counts.Evicted++
		t.counts.Live--
		t.publish(d, event.Stop, t.Now)
	}
}

// endOfFile publishes d at the end of a capture.
func (t *Table) endOfFile(n uint32, d *dialog.Dialog) {
	if d.Phase == dialog.Unconfirmed {
		t.counts.Orphans++
		return
	}
	if d.Phase == dialog.Calling && !t.adoptDownstreamAnswer(n, d) {
		t.adoptUpdate(n, d)
	}
	if d.Phase == dialog.Terminated {
		return // its answer closed it
	}
	t.adoptDownstreamRefusal(d)
	waits := d.Phase == dialog.AwaitingRetry || d.Phase == dialog.Calling && d.RefusedAt != 0 // refused on another hop
	d.Retryable = waits && (d.RefusedAt == 0 || d.Code < 400 || dialog.Challenges(int(d.Code)))
	seen := t.endSeen(d)
	t.conclude(d)
	if !seen && (d.Answered() || !d.Published) {
		d.EndCause, d.EndSource, d.EndTime = event.EndCapture, event.CaptureEnd, 0
	}
	t.publishEnd(d, t.Now)
}

// conclude sets the end of d by the messages that were seen.
func (t *Table) conclude(d *dialog.Dialog) {
	if d.Answered() {
		d.ConcludeAnswered()
		return
	}
	t.adoptDownstreamRefusal(d)
	d.EarlyBye = t.earlyEndOf(d)
	d.EndSource = event.Observed
	switch {
	case d.EarlyBye.Time != 0:
		d.EndCause, d.EndTime = event.EndCancel, d.EarlyBye.Time
	case d.RefusedAt == 0 && d.Cancelled != 0:
		d.EndCause, d.EndTime = event.EndCancel, d.Cancelled
	case d.RefusedAt == 0:
		d.EndCause, d.EndSource, d.EndTime = event.EndTimeout, event.RingTimeout, 0
	case d.Code == 487:
		d.EndCause, d.EndTime = event.EndCancel, d.RefusedAt
	case d.Code == 408:
		d.EndCause, d.EndTime = event.EndTimeout, d.RefusedAt
	default:
		d.EndCause, d.EndTime = event.EndFailure, d.RefusedAt
	}
}

// A late message may prove another end of a call whose end was published. The call is reopened in these cases, and its
// new end is published as a correction:
//
//	published as                     late message
//	without a final response         a final response, an ACK that proves one, a CANCEL, an accepted BYE
//	refused                          a 2xx, an INVITE to a further target, an INVITE within 2 s of the ACK
//	answered, without a BYE          a BYE or its 2xx, the final response to a re-INVITE or UPDATE
//	answered, its BYE not accepted   an accepted BYE, the 2xx to a re-INVITE or UPDATE
//	answered, the dialog lost        an accepted BYE, the 2xx to a re-INVITE or UPDATE
//	anything                         one that was sent earlier and read late: a provisional response, a BYE, a 2xx
//	anything                         none, but a loss that became known later (Missed): published with LossWindow
//
// Any other late message is a repeat, or one that changes nothing.

// reopen continues dialog n, whose end was published, in phase p.
func (t *Table) reopen(n uint32, d *dialog.Dialog, p dialog.Phase) {
	d.Phase, d.EndCause, d.EndSource, d.EndTime, d.Inferred = p, 0, 0, 0, false
	t.move(n, endedClass)
	t.timers.Set(n, t.Now+event.Timer64T1)
}
