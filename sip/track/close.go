package track

// lapse does what is due for dialog n at at.
func (t *Tracker) lapse(n uint32, at int64) {
	d := t.dialogs.at(n)
	t.touch(n)
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
		d.cause, d.known = EndTimeout, MaxDuration
		if d.expires != 0 {
			d.cause, d.known, d.gone = EndSessionTimer, SessionTimer, d.refreshed
			d.endHold(d.gone)
		}
		t.close(n, at)
	default:
		t.close(n, at)
	}
}

// close tells that the call of dialog n is over, and keeps it for a while to know stragglers by: longer if its end
// was not seen, for then there may be some.
func (t *Tracker) close(n uint32, at int64) {
	d := t.dialogs.at(n)
	d.conclude()
	t.finish(d, at)
	t.unsave(n, d)
	d.phase = over
	t.move(n, overRow)
	t.interims.drop(n)
	t.lapses.set(n, at+t.straggle(d))
}

// straggle returns how long d is kept after it was told as over.
func (t *Tracker) straggle(d *dialog) int64 {
	switch d.known {
	case SessionTimer, MaxDuration:
		return max(patience, int64(t.limits.Talk))
	case RingTimeout:
		return max(patience, int64(t.limits.Ring))
	}
	return patience
}

// finish counts and tells d's end, as a correction if it has been told before.
func (t *Tracker) finish(d *dialog, at int64) {
	if d.told {
		t.counts.Corrected++
		t.tell(d, Correction, at)
		return
	}
	d.told = true
	t.counts.Ended[d.disposition()]++
	t.counts.Live--
	t.tell(d, Stop, at)
}

// tellEarly tells of a call that has to make room: as over if its end was seen, else as evicted. A BYE that waits for
// its 2xx is no call, and what was told and could have been corrected stays as it was told.
func (t *Tracker) tellEarly(n uint32, d *dialog) {
	switch {
	case !d.counted:
		t.counts.Orphans++
	case d.told:
	case d.endSeen():
		t.endOfFile(n, d)
	default:
		d.cause = EndEvicted
		d.conclude()
		t.counts.Evicted++
		t.counts.Live--
		t.tell(d, Stop, t.now)
	}
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
	if !d.endSeen() {
		d.cause, d.known = EndCapture, CaptureEnd
	}
	d.conclude()
	t.finish(d, t.now)
}

// endSeen reports whether d is over but for messages that may follow.
func (d *dialog) endSeen() bool {
	return d.gone != 0 || !d.answered() && (d.refusedAt != 0 || d.cancelled != 0)
}

// conclude settles how d ended, unless that is known.
func (d *dialog) conclude() {
	if d.cause != 0 {
		return
	}
	d.known = Observed
	switch {
	case d.disposition() == Answered && d.transfer != NoTransfer:
		d.cause = EndTransfer
	case d.disposition() == Answered:
		d.cause = EndNormal
	case d.refusedAt == 0 && d.cancelled != 0:
		d.cause, d.gone = EndCancel, d.cancelled
	case d.refusedAt == 0:
		d.cause, d.known = EndTimeout, RingTimeout
	case d.code == 487:
		d.cause, d.gone = EndCancel, d.refusedAt
	case d.code == 408:
		d.cause, d.gone = EndTimeout, d.refusedAt
	default:
		d.cause, d.gone = EndFailure, d.refusedAt
	}
}
