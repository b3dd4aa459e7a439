package pcap

import (
	"math/bits"
	"time"
)

// lastSecond is the end of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// A clock converts the time stamps of a pcapng interface.
type clock struct {
	units  uint64 // in a second; 0 for an invalid resolution
	offset int64  // seconds added, if_tsoffset
}

// resolution returns the units in a second by if_tsresol: a negative power of 10, or of 2 with the highest bit set.
func resolution(b byte) (units uint64) {
	switch exponent := int(b & 0x7f); {
	case b&0x80 != 0 && exponent < 64:
		return 1 << exponent
	case b&0x80 == 0 && exponent < 20:
		units = 1
		for range exponent {
			units *= 10
		}
	}
	return units
}

// time returns the time of a stamp, cut to the nanosecond, and whether it is valid.
func (c clock) time(stamp uint64) (time.Time, bool) {
	if c.units == 0 || stamp/c.units > lastSecond {
		return time.Time{}, false
	}
	sec := int64(stamp/c.units) + min(max(c.offset, -lastSecond-1), lastSecond+1)
	if sec < 0 || sec > lastSecond {
		return time.Time{}, false
	}
	hi, lo := bits.Mul64(stamp%c.units, uint64(time.Second))
	nanos, _ := bits.Div64(hi, lo, c.units)
	return time.Unix(sec, int64(nanos)).UTC(), true
}

// mostLost bounds a number of lost frames that a file claims.
const mostLost = 1 << 40

// losses are the frames that were lost at one interface, by the counters in the file.
type losses struct {
	packets    uint64    // counted with the packets
	total      uint64    // the larger of that and of the interface's statistics
	unreported uint64    // of total, those that no frame has carried
	since      time.Time // when those were not lost yet; zero for the frame before
	last       time.Time // of the last frame
	clean      time.Time // of the last frame before the last statistics, or of the first frame
}

// before counts n frames lost before the next one, and returns how many of them were not counted yet.
func (l *losses) before(n uint64) uint64 {
	l.packets += min(n, mostLost)
	return l.raise(l.packets, time.Time{})
}

// inAll counts n frames lost since the interface was opened, and returns how many of them were not counted yet.
func (l *losses) inAll(n uint64) uint64 {
	added := l.raise(min(n, mostLost), l.clean)
	l.clean = l.last
	return added
}

// raise sets the total to n if that is more, and returns the difference.
func (l *losses) raise(n uint64, since time.Time) uint64 {
	if n <= l.total {
		return 0
	}
	added := n - l.total
	if l.unreported == 0 {
		l.since = since
	}
	l.total, l.unreported = n, l.unreported+added
	return added
}

// report returns the losses that no frame has carried yet, for the frame of that time to carry them, and since when:
// zero for the frame before.
func (l *losses) report(frame time.Time) (n uint64, since time.Time) {
	n, since = l.unreported, l.since
	l.unreported, l.since = 0, time.Time{}
	if l.last = frame; l.clean.IsZero() {
		l.clean = frame
	}
	return n, since
}
