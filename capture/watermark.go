package capture

import "time"

// IdleEvery is the longest that Next of a live Source waits. When nothing came in that time it returns a Packet that
// is Bare, so that its reader sees the Watermark move on a silent wire.
const IdleEvery = 50 * time.Millisecond

// A Watermarked Source says up to which packet time it has handed everything over. Live Sources are Watermarked.
type Watermarked interface {
	Source
	// Watermark returns t if no Packet with a Time before t follows from this Source. What follows all the same is late
	// and the reader's to count. T goes back only when the host's clock is set back. With ok false the Source is down,
	// absent or ended, and nobody waits for it: the clock of the others holds.
	// Only the goroutine that calls Next may call it, after Next has returned.
	Watermark() (t time.Time, ok bool)
}
