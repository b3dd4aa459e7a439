package pipeline

import (
	"time"

	"sipsieve/capture"
	"sipsieve/sip/calls"
)

// A Resumable Source was read in part before a restart, and continues from there. It gives again the packets that a
// Domain needs for the open calls, and reports its position, so that this and the open calls of that instant are saved
// together.
type Resumable interface {
	capture.Source
	// Again reports whether the last packet of Next was read before the restart. A bare packet follows the last of those.
	Again() bool
	// Cut returns the position of the Source; false in the middle of a frame and while Again is true.
	Cut() (position any, ok bool)
}

// A Cut is an instant from which a Domain continues after a restart: the position of its Source and the open calls.
type Cut struct {
	Position any  // what the Source's Cut returned; nil of the last one, when every call has ended
	Idle     bool // no packet is at hand

	whole bool
	clock time.Time
}

// Whole reports whether the cut has every open call, not only those that changed: the first cut after a start has.
func (c *Cut) Whole() bool { return c.whole }

// Clock returns the Domain's clock at the cut.
func (c *Cut) Clock() time.Time { return c.clock }

// cutting is the state of a reader with a Resumable Source.
type cutting struct {
	source Resumable // nil for another Source
	again  bool      // packets were read before the restart
	made   uint64    // cuts
	last   time.Time // when the last cut was made, by the wall clock
}

// cuts are the cuts of a Merger that are not complete, or whose events it still holds.
type cuts struct{ waiting []waitingCut }

// A waitingCut is a Cut and the checkpoints that the shards have sent for it.
type waitingCut struct {
	cut   *Cut
	saved []calls.Saved
	left  int // shards that have not sent theirs yet
}

// add adds the checkpoints of a shard.
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
