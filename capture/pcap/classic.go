package pcap

import (
	"bufio"
	"encoding/binary"
	"time"

	"sipsieve/capture/decode"
)

// An order is the byte order of numbers: true for big-endian.
type order bool

const (
	little order = false
	big    order = true
)

func (o order) u16(b []byte) uint16 {
	if o == big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (o order) u32(b []byte) uint32 {
	if o == big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (o order) u64(b []byte) uint64 {
	if o == big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

const (
	classicHead = 24 // bytes before the first frame
	recordHead  = 16 // bytes before each frame
)

// classic reads pcap: draft-ietf-opsawg-pcap. Files that were put behind each other are read as one.
type classic struct {
	b     *bufio.Reader
	order order
	units int64 // nanoseconds in a unit of the fraction
	face  face
	skip  int // bytes of the last frame still in b
}

// classicMagic returns the byte order by the first four bytes, and how many nanoseconds a unit of time has.
func classicMagic(b []byte) (o order, units int64, ok bool) {
	switch little.u32(b) {
	case 0xa1b2c3d4:
		return little, 1000, true
	case 0xd4c3b2a1:
		return big, 1000, true
	case 0xa1b23c4d:
		return little, 1, true
	case 0x4d3cb2a1:
		return big, 1, true
	}
	return little, 0, false
}

func newClassic(b *bufio.Reader) (*classic, error) {
	c := &classic{b: b, face: face{point: "file"}}
	return c, c.begin()
}

// begin reads the head of a file.
func (c *classic) begin() error {
	head, err := c.b.Peek(classicHead)
	if err != nil {
		return inside(err)
	}
	c.order, c.units, _ = classicMagic(head)
	if c.order.u16(head[4:]) != 2 {
		return errVersion
	}
	c.face.link = decode.LinkType(c.order.u32(head[20:])) // above it stands the length of a check sequence
	_, _ = c.b.Discard(classicHead)
	return nil
}

// beginsFile reports whether what looks like the head of a frame is that of another file: read as a frame it would have
// no bytes, neither in the file nor on the wire.
func beginsFile(head []byte) bool {
	_, _, ok := classicMagic(head)
	return ok && little.u64(head[8:]) == 0
}

// next implements frames.
func (c *classic) next(r *record) error {
	if _, err := c.b.Discard(c.skip); err != nil {
		return inside(err)
	}
	c.skip = 0
	for {
		head, err := c.b.Peek(recordHead)
		switch {
		case err != nil && len(head) > 0:
			return inside(err)
		case err != nil:
			return err
		case !beginsFile(head):
			return c.frame(head, r)
		}
		if err := c.begin(); err != nil {
			return err
		}
	}
}

// unread implements frames.
func (c *classic) unread() int { return c.skip }

// frame sets r to the frame behind head.
func (c *classic) frame(head []byte, r *record) error {
	sec, frac := int64(c.order.u32(head)), int64(c.order.u32(head[4:]))*c.units
	size, length := int(c.order.u32(head[8:])), int(c.order.u32(head[12:]))
	if size > maxFrame {
		return errLength
	}
	whole, err := c.b.Peek(recordHead + size)
	if err != nil {
		return inside(err)
	}
	c.skip = len(whole)
	r.face, r.undated = &c.face, frac >= int64(time.Second)
	r.Time, r.Link, r.Point = time.Unix(sec, frac).UTC(), c.face.link, c.face.point
	r.Data, r.Length = whole[recordHead:], max(length, size)
	return nil
}
