package hep

import "sipsieve/capture"

// mostFeeds bounds the streams of a capture whose packets are put together; the one silent for longest is evicted.
const mostFeeds = 64

// A feed is one stream of a capture that holds HEP.
type feed struct {
	number uint64
	used   uint64 // when it was used last, counted in segments
	buf    []byte // bytes not returned yet, and the packet that was returned last
	done   int    // bytes of buf that were returned
	before []byte // a packet that lacks its end, to be returned before buf
	ended  bool   // no bytes follow those in buf
}

// feeds are the streams of one capture that hold HEP.
type feeds struct {
	all     []feed
	used    uint64
	evicted int // that were in the middle of a packet
}

// begin takes the segment p, and is false if its stream is no feed. A stream is one if it was one before, if it is on
// the port of the feed (onPort), or if a segment of it begins with a packet.
func (fs *feeds) begin(p *capture.Packet, onPort bool) bool {
	f := fs.find(p.Stream)
	if f == nil && !onPort && !beginsPacket(p.Payload) {
		return false
	}
	if f == nil {
		f = fs.open(p.Stream)
	}
	fs.used++
	f.used = fs.used
	f.buf, f.done, f.before = f.buf[f.done:], 0, nil
	if p.Lost {
		f.before, f.buf = f.buf, nil
	}
	f.buf = append(f.buf, p.Payload...)
	f.ended = p.Ended || p.Cut
	return true
}

// find returns the feed of a stream, nil if there is none.
func (fs *feeds) find(number uint64) *feed {
	for i := range fs.all {
		if fs.all[i].number == number {
			return &fs.all[i]
		}
	}
	return nil
}

// open adds the feed of a stream, if need be in the place of the one silent for longest.
func (fs *feeds) open(number uint64) *feed {
	if len(fs.all) < mostFeeds {
		fs.all = append(fs.all, feed{number: number})
		return &fs.all[len(fs.all)-1]
	}
	oldest := &fs.all[0]
	for i := range fs.all {
		if fs.all[i].used < oldest.used {
			oldest = &fs.all[i]
		}
	}
	if oldest.done < len(oldest.buf) {
		fs.evicted++
	}
	*oldest = feed{number: number}
	return oldest
}

// next returns the next packet of f, valid until begin is called, nil if its end has not come. Bytes that begin no
// packet are skipped. Of a packet in which f ends, or lacks bytes, the part that came is returned.
func (f *feed) next() []byte {
	if b := f.before; len(b) >= header {
		f.before = nil
		return b
	}
	f.done += packetStart(f.buf[f.done:])
	rest := f.buf[f.done:]
	n := len(rest) + 1 // not known yet
	if len(rest) >= header {
		n = packetLength(rest)
	}
	switch {
	case n <= len(rest):
		f.done += n
		return rest[:n]
	case !f.ended:
		return nil
	}
	f.done = len(f.buf)
	if len(rest) < header {
		return nil
	}
	return rest
}

// more reports whether next would return a packet.
func (f *feed) more() bool {
	peeked := *f // next changes nothing that it shares
	return peeked.next() != nil
}

// packetStart returns the offset in b of the first packet, or of bytes that may begin one; len(b) without one.
func packetStart(b []byte) int {
	for i := range b {
		n := min(len(b)-i, len(magic))
		if string(b[i:i+n]) == magic[:n] && (len(b)-i < header || packetLength(b[i:]) >= header) {
			return i
		}
	}
	return len(b)
}

// beginsPacket reports whether b begins with the head of a packet of version 3.
func beginsPacket(b []byte) bool { return len(b) >= header && packetStart(b) == 0 }
