package track

import "sipsieve/sip/event"

// onTimer does what is due for dialog n.
func (t *callTable) onTimer(n uint32, at int64) {
	d := t.dialogs.At(n)
	t.markDirty(n)
	switch d.phase {
	case terminated:
		t.endLinger(n)
	case unconfirmed:
		for i := range d.byes {
			if d.byes[i].status == 200 {
				d.byes[1-i].at = 0
				t.byeAlone(n, d, event.Caller+event.Party(i))
				return
			}
		}
		t.counts.Orphans++
		t.forget(n)
	case calling, awaitingRetry:
		if t.adoptDownstreamAnswer(n, d) || t.adoptUpdate(n, d) {
			return
		}
		t.close(n, at)
	case confirmed:
		d.inferred = true
		t.close(n, at)
	default:
		t.close(n, at)
	}
}

// adoptUpdate takes the call for answered by an accepted UPDATE, if nothing else says how it came out.
func (t *callTable) adoptUpdate(n uint32, d *dialog) bool {
	h := t.hops.At(d.path.first)
	p := place{n: n, tag: event.TagKey(d.callee)}
	p.fork, _ = t.hops.knownFork(h, p.tag)
	ended := t.hops.earlyEnd(&d.path)
	if f := t.hops.fork(h, p.fork); f != nil && ended == t.hops.earlyByes(f.ends).accepted() || h.forks == 0 {
		ended = nil // it was a BYE after the answer
	}
	if !d.provenByUpdate() || ended != nil {
		return false
	}
	t.answeredUnseen(p, d)
	return true
}

// endLinger forgets n and the other forks of its call, if all are over and nothing more is awaited of them.
func (t *callTable) endLinger(n uint32) {
	for x := t.dialogs.At(n).root; x != 0; x = t.dialogs.At(x).next {
		if d := t.dialogs.At(x); x != n && (d.phase != terminated || t.lapses.When(x) > t.Now) {
			t.lapses.Set(n, max(t.Now, t.lapses.When(x))+event.Timer64T1)
			return
		}
	}
	for x := t.dialogs.At(n).root; x != 0; {
		next := t.dialogs.At(x).next
		t.forget(x)
		x = next
	}
}

// close publishes that the call of dialog n is over, and keeps it for a while to know what comes late by.
func (t *callTable) close(n uint32, at int64) {
	d := t.dialogs.At(n)
	t.conclude(d)
	d.closed = at
	t.publishEnd(d, at)
	t.unsave(n, d)
	t.markDirty(n)
	d.phase = terminated
	t.move(n, overRow)
	t.interims.Stop(n)
	t.lapses.Set(n, max(at, t.Now)+t.linger(d))
}

// linger returns how long d is kept after it was published as over: longer if something may prove another end.
func (t *callTable) linger(d *dialog) int64 {
	switch {
	case d.inferred || d.answered() && d.ended.at == 0 && !d.alone:
		return max(event.Timer64T1, int64(t.limits.Talk))
	case d.undecided():
		return max(event.Timer64T1, d.first+int64(t.limits.Talk)-t.Now)
	}
	return event.Timer64T1
}

// publishEnd counts and publishes d's end, as a correction if it has been published before and says something else now.
func (t *callTable) publishEnd(d *dialog, at int64) {
	if d.told {
		c := t.call(d, event.Correction, at)
		if digest := c.Digest(); digest != d.published {
			d.published = digest
			t.counts.Corrected++
			if t.stages.Has(event.Correction) {
				t.emit(d, event.Correction, at, c)
			}
		}
		return
	}
	c := t.call(d, event.Stop, at)
	d.told, d.published = true, c.Digest()
	t.counts.Ended[d.disposition()]++
	t.counts.Live--
	t.emit(d, event.Stop, at, c)
}

// amend publishes d again, which is over, because something of it turned out otherwise.
func (t *callTable) amend(d *dialog) {
	if d.phase != terminated {
		return
	}
	t.conclude(d)
	t.publishEnd(d, t.Now)
}

// closeEvicted publishes a call that has to make room: as over if its end was seen, else as evicted. A BYE that waits
// for its 2xx is no call, and what was published and could have been corrected stays as it is.
func (t *callTable) closeEvicted(n uint32, d *dialog) {
	switch {
	case !d.counted:
		t.counts.Orphans++
	case d.told:
	case t.endSeen(d):
		t.endOfFile(n, d)
	default:
		t.conclude(d)
		d.cause, d.known, d.gone = event.EndEvicted, 0, 0
		t.counts.Evicted++
		t.counts.Live--
		t.tell(d, event.Stop, t.Now)
	}
}

// endOfFile publishes d as the end of a capture leaves it.
func (t *callTable) endOfFile(n uint32, d *dialog) {
	if d.phase == unconfirmed {
		t.counts.Orphans++
		return
	}
	if d.phase == calling && !t.adoptDownstreamAnswer(n, d) {
		t.adoptUpdate(n, d)
	}
	if d.phase == terminated {
		return // its answer closed it
	}
	t.adoptDownstreamRefusal(d)
	d.retryable = d.phase == awaitingRetry && (d.refusedAt == 0 || d.code < 400 || challenges(int(d.code)))
	seen := t.endSeen(d)
	t.conclude(d)
	if !seen && (d.answered() || !d.told) {
		d.cause, d.known, d.gone = event.EndCapture, event.CaptureEnd, 0
	}
	t.publishEnd(d, t.Now)
}

// endSeen reports whether d is over but for messages that may follow.
func (t *callTable) endSeen(d *dialog) bool {
	if d.answered() {
		return d.ended.at != 0 || d.unended.at != 0 || d.lost != 0
	}
	return d.refusedAt != 0 || d.cancelled != 0 || t.hops.earlyEnd(&d.path) != nil
}

// conclude settles how d ended.
func (t *callTable) conclude(d *dialog) {
	if d.answered() {
		d.concludeAnswered()
		return
	}
	t.adoptDownstreamRefusal(d)
	d.early = t.earlyEndOf(d)
	d.known = event.Observed
	switch {
	case d.early.at != 0:
		d.cause, d.gone = event.EndCancel, d.early.at
	case d.refusedAt == 0 && d.cancelled != 0:
		d.cause, d.gone = event.EndCancel, d.cancelled
	case d.refusedAt == 0:
		d.cause, d.known, d.gone = event.EndTimeout, event.RingTimeout, 0
	case d.code == 487:
		d.cause, d.gone = event.EndCancel, d.refusedAt
	case d.code == 408:
		d.cause, d.gone = event.EndTimeout, d.refusedAt
	default:
		d.cause, d.gone = event.EndFailure, d.refusedAt
	}
}

// earlyEndOf returns earlyEnd, the zero ending without one.
func (t *callTable) earlyEndOf(d *dialog) ending {
	if e := t.hops.earlyEnd(&d.path); e != nil {
		return *e
	}
	return ending{}
}
