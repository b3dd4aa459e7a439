// This file has methods of reader, shard and Merger because a cut passes from the reader through the shards to the
// Merger: its way is read here.

package pipeline

import (
	"time"

	"sipsieve/capture"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
)

// A Resumable Source was read in part before a restart, and goes on from where it was. It gives again what a Domain
// needs to know the open calls, and says how far it has been given since, so that this and the open calls of that
// instant can be saved together.
type Resumable interface {
	capture.Source
	// Again reports whether what Next returned last was given before the restart. A bare Packet follows the last such.
	Again() bool
	// Cut returns how far the Source has been given; false in the middle of a frame and while Again is true.
	Cut() (position any, ok bool)
}

// A Cut is an instant of a Domain that goes on after a restart: how far its Source had been given, and the open calls.
type Cut struct {
	Position any  // what the Source's Cut returned; nil of the last one, when every call has ended
	Idle     bool // nothing is at hand that could follow

	whole bool
	clock time.Time
}

// Whole reports whether the cut has every open call, not only those that changed: so has the first after a start.
func (c *Cut) Whole() bool { return c.whole }

// Clock returns the Domain's clock at the cut.
func (c *Cut) Clock() time.Time { return c.clock }

// cutting is what a reader knows of its Resumable Source.
type cutting struct {
	source Resumable // nil for a Source that is none
	again  bool      // what it gives was given before the restart
	made   uint64
	last   time.Time // when, by the wall clock
}

// followResumable notes the end of what the Source gives again: then the shards take up the calls that began before.
func (r *reader) followResumable() {
	if r.cuts.source == nil || !r.cuts.again || r.cuts.source.Again() {
		return
	}
	r.flush()
	counts := r.sip.Counts()
	r.base.Store(&counts)
	r.cuts.again = false
	for i := range r.shards {
		r.filling[i].caughtUp = true
	}
	r.flush()
}

// cut hands every shard what was gathered, and marks an instant, if it is time for one. Idle says that nothing more is
// at hand, last that nothing follows.
func (r *reader) cut(idle, last bool) {
	if r.cuts.source == nil || r.cuts.again || !idle && !last && time.Since(r.cuts.last) < saveEvery {
		return
	}
	position, ok := r.cuts.source.Cut()
	if !ok {
		return
	}
	r.cuts.last = time.Now()
	r.cuts.made++
	c := &Cut{Position: position, Idle: idle, whole: r.cuts.made == 1, clock: r.clock}
	for i := range r.shards {
		r.filling[i].cut = c
	}
	r.flush()
}

// catchUp takes up the calls that began before what was given again, and begins to count.
func (s *shard) catchUp() {
	if s.resume != nil {
		s.resume(s.number, s.track)
	}
	base := ShardCounts{Track: s.track.Counts(), Others: s.others.Counts()}
	base.Track.Opened -= base.Track.Live // those that go on are this run's
	base.Track.Live = 0
	s.base.Store(&base)
	s.again = false
}

// begin notes whether the sources are one that is Resumable.
func (s *shard) begin(sources []capture.Source) {
	if len(sources) == 1 {
		r, ok := sources[0].(Resumable)
		s.cuts, s.again = ok, ok && r.Again()
	}
	switch {
	case s.again:
	case s.cuts && s.resume != nil:
		s.catchUp()
	default:
		s.base.Store(new(ShardCounts))
	}
}

// last returns the cut behind everything: the end of calls that the end of the Source brought is part of it. There is
// none if a cut of the Source's end does not stand before it.
func (s *shard) last() *Cut {
	if !s.atCut {
		return nil
	}
	return &s.domain.endCut
}

// cutSaved returns what of s's open calls is to be saved with c.
func (s *shard) cutSaved(c *Cut) []calls.Saved {
	if c == nil || !s.saves {
		return nil
	}
	return s.track.Changed(nil)
}

// cuts are those of a Merger that are not complete, or whose events it still holds.
type cuts struct{ waiting []waitingCut }

// A waitingCut is a Cut and what the shards have said for it.
type waitingCut struct {
	cut   *Cut
	saved []calls.Saved
	left  int // shards that have not said anything yet
}

// add notes what a shard said.
func (c *cuts) add(f *Flow, shards int) {
	for i := range c.waiting {
		if w := &c.waiting[i]; w.cut == f.Cut {
			w.saved = append(w.saved, f.Saved...)
			w.left--
			return
		}
	}
	c.waiting = append(c.waiting, waitingCut{f.Cut, f.Saved, shards - 1})
}

// next returns the first cut if it is complete.
func (c *cuts) next() *waitingCut {
	if len(c.waiting) == 0 || c.waiting[0].left > 0 {
		return nil
	}
	return &c.waiting[0]
}

// passCuts passes on the cuts before until, whose events have been released. Those of an idle cut are released now:
// what would have to stand before them is not at hand.
func (m *Merger) passCuts(until time.Time, emit func(*event.Event)) {
	for w := m.cuts.next(); w != nil; w = m.cuts.next() {
		if w.cut.Idle {
			m.releaseEvents(w.cut.clock.Add(1), emit)
		} else if !w.cut.clock.Before(until) && !until.Equal(EndOfTime) {
			return
		}
		for i := range w.saved {
			if s := &w.saved[i]; s.Event != nil {
				m.domain.legs.Complete(s.Event)
			}
		}
		if m.Cut != nil {
			m.Cut(w.cut, w.saved)
		}
		m.cuts.waiting = m.cuts.waiting[1:]
	}
}
