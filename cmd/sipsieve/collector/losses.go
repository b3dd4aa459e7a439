package collector

import (
	"log/slog"
	"time"

	"sipsieve/store"
	"sipsieve/store/cpni"
)

// A loss is excerpts of a purpose that were made and are not put.
type loss struct {
	count  uint64
	reason string // a word of a closed set
}

// An Announcement is a loss of before the start. It is announced unchanged until its record is durable, so that the
// record has one id however often a start repeats it.
type Announcement struct {
	Purpose string
	Loss    cpni.Loss
	Done    func() error // called when the record is durable, by the Collector's goroutine; nil for nothing
}

// done notes that a is durable, or that there is no record to be made; nothing for nil.
func (a *Announcement) done(log *slog.Logger) {
	if a == nil || a.Done == nil {
		return
	}
	if err := a.Done(); err != nil {
		log.Error("a loss that was announced is announced again at the next start", "purpose", a.Purpose, "err", err)
	}
}

// losses are what is still to be announced to one purpose.
type losses struct {
	purpose string
	each    func(purpose string, one cpni.Loss) // is called with each loss, once; nil for nobody

	pending *cpni.Loss
	earlier []*Announcement // of before the start, which are never joined
	next    time.Time       // when the next one is announced: there may be room again
	backoff store.Backoff

	sent  *Announcement // made of the excerpt at place, which is not settled
	place uint64
}

// newLosses returns losses whose first announcement comes lossWait after the last loss, and each that is lost itself
// after twice the time, lossWaitMost at most.
func newLosses(purpose string, each func(string, cpni.Loss)) losses {
	return losses{purpose: purpose, each: each, backoff: store.Backoff{First: lossWait, Last: lossWaitMost}}
}

// note adds what was lost at a time. Of several reasons the first is announced.
func (l *losses) note(one loss, seen time.Time) {
	if one.count > 0 {
		l.lose(cpni.Loss{From: seen, To: seen, Count: one.count, Reason: one.reason}, seen)
	}
}

// lose adds a loss that was found now.
func (l *losses) lose(one cpni.Loss, seen time.Time) {
	if l.each != nil {
		l.each(l.purpose, one)
	}
	l.add(one, seen)
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

// again takes back an announcement that was not put.
func (l *losses) again(one *Announcement, seen time.Time) {
	if one.Done == nil {
		l.add(one.Loss, seen)
		return
	}
	l.earlier, l.next = append([]*Announcement{one}, l.earlier...), seen.Add(l.backoff.Next())
}

// due removes and returns what is to be announced now, nil for nothing. One announcement is under way at a time.
func (l *losses) due(now time.Time) (one *Announcement) {
	switch {
	case l.sent != nil || now.Before(l.next):
	case len(l.earlier) > 0:
		one, l.earlier = l.earlier[0], l.earlier[1:]
	case l.pending != nil:
		one, l.pending = &Announcement{Loss: *l.pending}, nil
	}
	return one
}

// announced notes that the excerpt at place announces one.
func (l *losses) announced(one *Announcement, place uint64) { l.sent, l.place = one, place }

// settled notes that everything before head is put, but for these places that were refused. It reports whether an
// announcement was among those, which is made again, and returns one that was put.
func (l *losses) settled(head uint64, refused []uint64, now time.Time) (lost bool, put *Announcement) {
	if l.sent == nil {
		return false, nil
	}
	for _, place := range refused {
		if place == l.place {
			one := l.sent
			l.sent = nil
			l.again(one, now)
			return true, nil
		}
	}
	if head > l.place {
		put, l.sent = l.sent, nil
		l.backoff.Reset()
	}
	return false, put
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
