package collector

import (
	"time"

	"sipsieve/store"
	"sipsieve/store/cpni"
)

// A loss is excerpts of a purpose that were made and are not put.
type loss struct {
	count  uint64
	reason string // a word of a closed set
}

// losses are what is still to be announced to one purpose.
type losses struct {
	pending *cpni.Loss
	next    time.Time // when it is announced: there may be room again
	backoff store.Backoff

	sent  *cpni.Loss // announced by the excerpt at place, which is not settled
	place uint64
}

// newLosses returns losses whose first announcement comes lossWait after the last loss, and each that is lost itself
// after twice the time, lossWaitMost at most.
func newLosses() losses {
	return losses{backoff: store.Backoff{First: lossWait, Last: lossWaitMost}}
}

// note adds what was lost at a time. Of several reasons the first is announced.
func (l *losses) note(one loss, seen time.Time) {
	if one.count > 0 {
		l.add(cpni.Loss{From: seen, To: seen, Count: one.count, Reason: one.reason}, seen)
	}
}

// add joins a loss with what is pending.
func (l *losses) add(one cpni.Loss, seen time.Time) {
	if have := l.pending; have != nil {
		one = cpni.Loss{From: earlier(have.From, one.From), To: later(have.To, one.To), Count: have.Count + one.Count,
			Reason: have.Reason}
	} else {
		l.next = seen.Add(l.backoff.Next())
	}
	l.pending = &one
}

// due removes and returns what is to be announced now, nil for nothing. One announcement is under way at a time.
func (l *losses) due(now time.Time) (one *cpni.Loss) {
	if l.sent != nil || l.pending == nil || now.Before(l.next) {
		return nil
	}
	one, l.pending = l.pending, nil
	return one
}

// announced notes that the excerpt at place announces one.
func (l *losses) announced(one *cpni.Loss, place uint64) { l.sent, l.place = one, place }

// settled notes that everything before head is put, but for the places from refused on, 0 for none. It reports whether
// an announcement was among those: it is made again.
func (l *losses) settled(head uint64, refused []uint64, now time.Time) (lost bool) {
	if l.sent == nil {
		return false
	}
	for _, place := range refused {
		if place == l.place {
			one := l.sent
			l.sent = nil
			l.add(*one, now)
			return true
		}
	}
	if head > l.place {
		l.sent = nil
		l.backoff.Reset()
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
