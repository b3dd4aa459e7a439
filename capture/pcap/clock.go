package pcap

import (
	"math/bits"
	"time"
)

// lastSecond is the end of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// A clock says what the time stamps of a pcapng interface mean.
type clock struct {
	units  uint64 // in a second; 0 for a resolution that is not believed
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

// at returns the time of a stamp, cut to the nanosecond, and whether it is believed.
func (c clock) at(stamp uint64) (time.Time, bool) {
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

// most is the highest number of lost frames that is believed.
const most = 1 << 40

// losses are the frames that a file says were lost at one interface.
type losses struct {
	packets uint64    // by what stands with the packets
	known   uint64    // the larger of both
	untold  uint64    // of known, what no frame has told of
	since   time.Time // when those were not lost yet; zero for the frame before
	last    time.Time // the last frame
	clean   time.Time // the last frame when the statistics were looked at, or the first
}

// before takes note of n frames lost before the next, and returns how many of them are news.
func (l *losses) before(n uint64) uint64 {
	l.packets += min(n, most)
	return l.learn(l.packets, time.Time{})
}

// inAll takes note of n frames lost since the interface was opened, and returns how many of them are news.
func (l *losses) inAll(n uint64) uint64 {
	news := l.learn(min(n, most), l.clean)
	l.clean = l.last
	return news
}

func (l *losses) learn(n uint64, since time.Time) uint64 {
	if n <= l.known {
		return 0
	}
	news := n - l.known
	if l.untold == 0 {
		l.since = since
	}
	l.known, l.untold = n, l.untold+news
	return news
}

// tell takes note of a frame of that time and returns what was lost before it and no frame has told of, and the time
// since when: zero for the frame before.
func (l *losses) tell(frame time.Time) (n uint64, since time.Time) {
	n, since = l.untold, l.since
	l.untold, l.since = 0, time.Time{}
	if l.last = frame; l.clean.IsZero() {
		l.clean = frame
	}
	return n, since
}
