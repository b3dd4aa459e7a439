// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
)

// onTimer does what is due for dialog n.
func (t *Table) onTimer(n uint32, at int64) {
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
		t.close(n, at)
	case dialog.Confirmed:
		d.Inferred = true
		t.close(n, at)
	default:
		t.close(n, at)
	}
}

// adoptUpdate takes the call for answered by an accepted UPDATE, if nothing else says how it came out.
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

// endLinger forgets n and the other forks of its call, if all are over and nothing more is awaited of them.
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

// close publishes that the call of dialog n is over, and keeps it for a while to know what comes late by.
func (t *Table) close(n uint32, at int64) {
	d := t.dialogs.At(n)
	t.conclude(d)
	d.Closed = at
	t.publishEnd(d, at)
	t.withdraw(n, d)
	t.markDirty(n)
	d.Phase = dialog.Terminated
	t.move(n, lingerClass)
	t.interims.Stop(n)
	t.timers.Set(n, max(at, t.Now)+t.linger(d))
}

// linger returns how long d is kept after it was published as over: longer if something may prove another end.
func (t *Table) linger(d *dialog.Dialog) int64 {
	switch {
	case d.Inferred || d.Answered() && d.AcceptedBye.Time == 0 && !d.ByeAlone:
		return max(event.Timer64T1, int64(t.limits.Talk))
	case d.Undecided():
		return max(event.Timer64T1, d.FirstSeen+int64(t.limits.Talk)-t.Now)
	}
	return event.Timer64T1
}

// publishEnd counts and publishes d's end, as a correction if it has been published before and says something else now.
func (t *Table) publishEnd(d *dialog.Dialog, at int64) {
	if d.Published {
		c := t.call(d, event.Correction, at)
		if digest := c.Digest(); digest != d.Digest {
			d.Digest = digest
			t.counts.Corrected++
			if t.stages.Has(event.Correction) {
				t.emit(d, event.Correction, at, c)
			}
		}
		return
	}
	c := t.call(d, event.Stop, at)
	d.Published, d.Digest = true, c.Digest()
	t.counts.Ended[d.Disposition()]++
	t.counts.Live--
	t.emit(d, event.Stop, at, c)
}

// amend publishes d again, which is over, because something of it turned out otherwise.
func (t *Table) amend(d *dialog.Dialog) {
	if d.Phase != dialog.Terminated {
		return
	}
	t.conclude(d)
	t.publishEnd(d, t.Now)
}

// closeEvicted publishes a call that has to make room: as over if its end was seen, else as evicted. A BYE that waits
// for its 2xx is no call, and what was published and could have been corrected stays as it is.
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

// endOfFile publishes d as the end of a capture leaves it.
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
	d.Retryable = d.Phase == dialog.AwaitingRetry && (d.RefusedAt == 0 || d.Code < 400 || dialog.Challenges(int(d.Code)))
	seen := t.endSeen(d)
	t.conclude(d)
	if !seen && (d.Answered() || !d.Published) {
		d.EndCause, d.EndSource, d.EndTime = event.EndCapture, event.CaptureEnd, 0
	}
	t.publishEnd(d, t.Now)
}

// conclude settles how d ended.
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

// What comes late for a call that was published as over proves another end in these cases; the call goes on as if it
// had not been, and its end is published as a correction:
//
//	published as                     what comes late
//	without a final response         a final response, an ACK that proves one, a CANCEL, an accepted BYE
//	refused                          a 2xx, an INVITE to a further target, an INVITE within 2 s of the ACK
//	answered, without a BYE          a BYE or its 2xx, the final response to a re-INVITE or UPDATE
//	answered, its BYE not accepted   an accepted BYE, the 2xx to a re-INVITE or UPDATE
//	answered, the dialog lost        an accepted BYE, the 2xx to a re-INVITE or UPDATE
//	anything                         what was sent before and read late: a provisional response, a BYE, a 2xx
//	within a loss said later         (Missed) nothing more: it is published with LossWindow
//
// Everything else is a repeat, or what was missing and changes nothing.

// reopen makes dialog n go on in phase p.
func (t *Table) reopen(n uint32, d *dialog.Dialog, p dialog.Phase) {
	d.Phase, d.EndCause, d.EndSource, d.EndTime, d.Inferred = p, 0, 0, 0, false
	t.move(n, endedClass)
	t.timers.Set(n, t.Now+event.Timer64T1)
}
