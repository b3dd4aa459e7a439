// This file has methods of Domain and shard because what a restart restores stands beside what is saved for it.

package pipeline

import (
	"errors"
	"time"

	"sipsieve/sip/calls"
	"sipsieve/sip/facts"
)

// saveEvery is how often a shard sends what has changed of its open calls.
const saveEvery = time.Second

// RestoreClock gives every shard the clock that a Domain before d had saved. It is called before Run.
func (d *Domain) RestoreClock(state []byte) (err error) {
	for _, s := range d.shards {
		err = errors.Join(err, s.track.Restore(calls.Saved{State: state}, facts.Facts{}))
	}
	return err
}

// Restore gives a call that was open to the shard of its key. It is called before Run.
func (d *Domain) Restore(c calls.Saved, facts facts.Facts) error {
	return d.shards[int(c.Shard()[0])%len(d.shards)].track.Restore(c, facts)
}

// Resume lets the clock of a live Domain whose calls were restored run before its first packet.
func (d *Domain) Resume() {
	for _, s := range d.shards {
		counts := s.track.Counts()
		s.counts.Store(&counts)
		s.follow(time.Now())
	}
}

// changed returns what is to be kept of s's open calls, once a second and at the end.
func (s *shard) changed(clock time.Time) []calls.Saved {
	if !s.saves {
		return nil
	}
	if now := time.Now().Truncate(saveEvery); now.After(s.savedAt) || clock.Equal(EndOfTime) {
		s.savedAt = now
		return s.track.Changed(nil)
	}
	return nil
}
