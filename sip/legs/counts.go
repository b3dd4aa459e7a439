package legs

import (
	"sync/atomic"

	"sipsieve/sip/event"
)

// Counts is what Legs have counted.
type Counts struct {
	Remembered uint64                     // now
	Joined     [event.Correlations]uint64 // joins of two groups of legs, by Correlation
	Ambiguous  uint64                     // evidence that fits several calls: no join
	Shared     uint64                     // link keys that were not added: too many legs have one, or a leg has too many
	Full       uint64                     // joins that were refused because the group would be too large
	Forgotten  uint64                     // legs that were evicted
}

// counters are Counts that are read while Legs work.
type counters struct {
	remembered, ambiguous, shared, full, forgotten atomic.Uint64
	joined                                         [event.Correlations]atomic.Uint64
}

// read returns what has been counted.
func (c *counters) read() (n Counts) {
	n.Remembered, n.Ambiguous, n.Shared = c.remembered.Load(), c.ambiguous.Load(), c.shared.Load()
	n.Full, n.Forgotten = c.full.Load(), c.forgotten.Load()
	for i := range n.Joined {
		n.Joined[i] = c.joined[i].Load()
	}
	return n
}
