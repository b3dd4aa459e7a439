package track

import "time"

// lapse does what is due for dialog n at at.
func (t *Tracker) lapse(n uint32, at int64) {
	d := t.dialogs.at(n)
	switch d.phase {
	case over:
		t.forget(n)
	case byeOnly:
		t.counts.Orphans++
		t.forget(n)
	case trying:
		if t.promote(n, d, at) {
			return
		}
		t.close(n, at)
	case up:
		d.cause, d.source = EndTimeout, MaxDuration
		if d.expires != 0 {
			d.cause, d.source, d.gone = EndSessionTimer, SessionTimer, d.refreshed
			d.endHold(d.gone)
		}
		t.close(n, at)
	default:
		t.close(n, at)
	}
}

// close tells that the call of dialog n is over, and keeps it for a while to know stragglers by.
func (t *Tracker) close(n uint32, at int64) {
	d := t.dialogs.at(n)
	d.conclude()
	t.finish(d, d.disposition(), at)
	d.phase = over
	t.texts.give(d.text)
	d.text = text{}
	t.rows.move(&t.dialogs, n, overRow)
	t.lapses.set(n, at+patience)
}

// finish counts and tells d's end.
func (t *Tracker) finish(d *dialog, as Disposition, at int64) {
	t.counts.Ended[as]++
	t.counts.Live--
	t.tell(d, Stop, at)
}

// tellEvicted tells of a call that had to make room. A BYE that waits for its 2xx is no call.
func (t *Tracker) tellEvicted(d *dialog) {
	if !d.counted {
		t.counts.Orphans++
		return
	}
	d.cause, d.source = EndEvicted, 0
	d.conclude()
	t.counts.Evicted++
	t.counts.Live--
	t.tell(d, Stop, t.now)
}

// endOfFile tells of d as the end of a capture leaves it.
func (t *Tracker) endOfFile(n uint32, d *dialog) {
	if d.phase == byeOnly {
		t.counts.Orphans++
		return
	}
	if d.phase == trying {
		t.promote(n, d, t.now)
	}
	d.retryable = d.phase == waiting
	switch {
	case d.gone != 0 || !d.answered() && (d.refusedAt != 0 || d.cancelled != 0):
	default:
		d.cause, d.source = EndCapture, CaptureEnd
	}
	d.conclude()
	t.finish(d, d.disposition(), t.now)
}

// disposition says how d came out, by its final response; a CANCEL decides where there is none.
func (d *dialog) disposition() Disposition {
	switch {
	case d.answered() || d.phase == byeOnly || d.refusedAt == 0 && (d.bye != 0 || d.byeAnswered):
		return Answered
	case d.refusedAt == 0 && d.cancelled != 0:
		return Cancelled
	case d.refusedAt == 0:
		return NoAnswer
	}
	return outcome(int(d.code), d.ring != 0)
}

func outcome(code int, rang bool) Disposition {
	switch code {
	case 487:
		return Cancelled
	case 486, 600:
		return Busy
	case 408:
		return NoAnswer
	case 480:
		if rang {
			return NoAnswer
		}
		return Unreachable
	case 403, 603, 607, 608:
		return Rejected
	case 404, 410, 484, 604:
		return Unreachable
	case 401, 407:
		return AuthFailed
	}
	if code < 400 {
		return Redirected
	}
	return Failed
}

// conclude settles how d ended and what of it was not seen.
func (d *dialog) conclude() {
	as := d.disposition()
	if as == Answered {
		d.concludeAnswered()
	} else {
		d.concludeRefused(as)
	}
	d.direction()
}

func (d *dialog) concludeAnswered() {
	if d.answer == 0 && d.setup != 0 {
		d.missing |= NoFinal
	}
	if d.acked == 0 {
		d.missing |= NoAck
		if d.setup != 0 && d.responses != 0 && d.answer != 0 {
			d.flags |= NoAckFlag
		}
	}
	if d.bye == 0 {
		d.missing |= NoBye
	} else if !d.byeAnswered {
		d.missing |= NoByeResponse
	}
	if d.cause != 0 {
		return
	}
	d.cause, d.source = EndNormal, Observed
	if d.transfer != NoTransfer {
		d.cause = EndTransfer
	}
}

func (d *dialog) concludeRefused(as Disposition) {
	switch {
	case d.refusedAt == 0 && d.cancelled != 0:
		d.missing |= NoFinal
		if d.acked == 0 {
			d.missing |= NoAck
		}
	case d.refusedAt == 0:
		d.missing |= NoFinal
	case d.acked == 0:
		d.missing |= NoAck
	}
	if as == Cancelled && d.cancelled == 0 {
		d.missing |= NoCancel
	}
	if d.cause != 0 {
		return
	}
	d.source = Observed
	switch {
	case d.refusedAt == 0 && d.cancelled != 0:
		d.cause, d.gone = EndCancel, d.cancelled
	case d.refusedAt == 0:
		d.cause, d.source = EndTimeout, RingTimeout
	default:
		d.cause, d.gone = EndFailure, d.refusedAt
		if d.code == 487 {
			d.cause = EndCancel
		} else if d.code == 408 {
			d.cause = EndTimeout
		}
	}
}

// direction notes that only one side was heard, where something proves that the other one spoke.
func (d *dialog) direction() {
	proof := d.acked != 0 || d.bye != 0
	if d.requests == 0 || d.responses == 0 && proof {
		d.missing |= OneDirection
	}
}

// party says who ended d.
func (d *dialog) party(as Disposition) Party {
	switch {
	case d.cause == EndDialogLost:
		return Network
	case d.setup == 0 && d.acked == 0 && d.answer == 0 && d.reinvites == 0:
		return Unknown // a BYE alone
	case as == Answered:
		return d.byeBy
	case d.cause == EndEvicted || d.cause == EndCapture:
		return Unknown
	case d.cancelled != 0 || d.code == 487:
		return Caller
	case d.refusedAt == 0:
		return Unknown
	case d.code == 408 || d.code/100 == 5 || d.code < 400 || d.code == 401 || d.code == 407:
		return Network
	}
	return Callee
}

// completeness says how many of the messages that the outcome must show were seen, in percent.
func (d *dialog) completeness(as Disposition) int {
	var want []bool
	var room [5]bool
	invite, final, ack := d.missing&NoInvite == 0, d.missing&NoFinal == 0, d.acked != 0
	switch {
	case as == Answered:
		want = append(room[:0], invite, final, ack, d.bye != 0, d.byeAnswered)
	case as == Cancelled:
		want = append(room[:0], invite, d.cancelled != 0, final, ack)
	default:
		want = append(room[:0], invite, final, ack)
	}
	n := 0
	for _, seen := range want {
		if seen {
			n++
		}
	}
	return n * 100 / len(want)
}

// q850 returns d's Q.850 cause and whether it was derived (RFC 3326, RFC 3398 section 8.2.6.1), 0 without one.
func (d *dialog) q850(as Disposition) (cause int, derived bool) {
	switch {
	case d.cause == EndDialogLost || d.source != Observed:
		return 0, false
	case as == Answered && d.byeCause != 0:
		return int(d.byeCause), false
	case as == Answered && d.bye != 0:
		return 16, true
	case as == Answered:
		return 0, false
	case as == Cancelled && d.cancelCause != 0:
		return int(d.cancelCause), false
	case d.finalCause != 0:
		return int(d.finalCause), false
	case d.cancelCause != 0:
		return int(d.cancelCause), false
	}
	cause = causeOf(int(d.code))
	return cause, cause != 0
}

// causeOf is the table of RFC 3398 section 8.2.6.1, without the codes whose cause it leaves open.
func causeOf(code int) int {
	switch code {
	case 404, 485, 604:
		return 1
	case 486, 600:
		return 17
	case 480:
		return 18
	case 402, 403, 603:
		return 21
	case 410:
		return 22
	case 482, 483:
		return 25
	case 484:
		return 28
	case 502:
		return 38
	case 400, 481, 500, 503:
		return 41
	case 405:
		return 63
	case 488:
		return 65
	case 406, 415, 501:
		return 79
	case 408, 504:
		return 102
	case 413, 414, 416, 420, 421, 423, 505, 513:
		return 127
	}
	return 0
}

// when returns nanoseconds as a time, the zero Time for 0.
func when(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
