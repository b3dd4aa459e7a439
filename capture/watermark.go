package capture

import "time"

// IdleEvery is the longest wait of Next of a live Source. If nothing came in that time, Next returns a Packet that is
// Bare, so that the Watermark is read again on a silent wire.
const IdleEvery = 50 * time.Millisecond

// A Watermarked Source reports up to which packet time it has returned everything. Live Sources are Watermarked.
type Watermarked interface {
	Source
	// Watermark returns a time t such that no Packet with an earlier Time follows. A Packet that follows all the same is
	// late, and its reader counts it. t goes back only when the clock of the host is set back. With ok false the Source is
	// down, absent or ended, and other Sources must not wait for it.
	// It is called by the goroutine that calls Next, after Next has returned.
	Watermark() (t time.Time, ok bool)
}
