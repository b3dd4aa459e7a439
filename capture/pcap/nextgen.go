package pcap

import (
	"bufio"
	"bytes"
	"io"
	"sync/atomic"

	"sipsieve/capture/decode"
)

// Block types of draft-ietf-opsawg-pcapng that are read. All others are stepped over, whatever their size.
const (
	blockSection    = 0x0a0d0d0a // alike in both orders
	blockInterface  = 1
	blockPacket     = 2 // obsolete, still written by some
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
)

// Options that are read, each with the block it belongs to.
const (
	optionEnd       = 0
	optionName      = 2  // if_name
	optionDrops     = 4  // epb_dropcount
	optionNoRoom    = 5  // isb_ifdrop
	optionNoRoomOS  = 7  // isb_osdrop
	optionPrecision = 9  // if_tsresol
	optionOffset    = 14 // if_tsoffset
)

const (
	maxFaces = 1024 // interfaces in a section, and names of them in a file
	maxName  = 64   // bytes in a name
)

// nextGeneration reads pcapng.
type nextGeneration struct {
	b      *bufio.Reader
	order  order
	faces  []*face
	points map[string]string // each name once, however many sections have it
	lost   *atomic.Uint64
	size   uint32 // of the block that is being read, 0 between blocks
	body   int    // bytes of it still in b, without the size at its end
}

// newNextGeneration reads the head of the first section. What the file counts as lost is added to lost.
func newNextGeneration(b *bufio.Reader, lost *atomic.Uint64) (*nextGeneration, error) {
	g := &nextGeneration{b: b, lost: lost, points: map[string]string{}}
	if _, err := g.enter(); err != nil {
		return nil, inside(err)
	}
	return g, g.section()
}

// next implements frames.
func (g *nextGeneration) next(r *record) error {
	for {
		if err := g.leave(); err != nil {
			return err
		}
		kind, err := g.enter()
		if err != nil {
			return err
		}
		switch kind {
		case blockEnhanced, blockPacket, blockSimple:
			return g.packet(kind, r)
		case blockSection:
			err = g.section()
		case blockInterface:
			err = g.describe()
		case blockStatistics:
			err = g.statistics()
		}
		if err != nil {
			return err
		}
	}
}

// unread implements frames.
func (g *nextGeneration) unread() int {
	if g.size == 0 {
		return 0
	}
	return g.body + 4
}

// leave steps over the rest of a block, which must end with its size.
func (g *nextGeneration) leave() error {
	if g.size == 0 {
		return nil
	}
	if _, err := g.b.Discard(g.body); err != nil {
		return inside(err)
	}
	size, err := g.b.Peek(4)
	if err != nil {
		return inside(err)
	}
	if g.order.u32(size) != g.size {
		return errBlock
	}
	g.size = 0
	_, err = g.b.Discard(4)
	return err
}

// enter reads the head of a block.
func (g *nextGeneration) enter() (kind uint32, err error) {
	head, err := g.b.Peek(12)
	if err != nil {
		if len(head) > 0 {
			err = inside(err)
		}
		return 0, err
	}
	if little.u32(head) == blockSection {
		g.order = big.u32(head[8:]) == 0x1a2b3c4d
		if g.order.u32(head[8:]) != 0x1a2b3c4d {
			return 0, errBlock
		}
	}
	kind, g.size = g.order.u32(head), g.order.u32(head[4:])
	if g.size < 12 || g.size%4 != 0 {
		return 0, errLength
	}
	g.body = int(g.size) - 12
	_, err = g.b.Discard(8)
	return kind, err
}

// content returns the body of the block: n bytes at least, and as much of the rest as is read ahead. Behind those n,
// bytes that the file lacks are missing.
func (g *nextGeneration) content(n int) ([]byte, error) {
	if g.body < n {
		return nil, errBlock
	}
	b, err := g.b.Peek(min(g.body, room))
	if len(b) < n {
		return nil, inside(err)
	}
	return b, nil
}

// section reads the head of a section.
func (g *nextGeneration) section() error {
	b, err := g.content(16)
	if err != nil {
		return err
	}
	if g.order.u16(b[4:]) != 1 {
		return errVersion
	}
	g.faces = g.faces[:0]
	return nil
}

// describe reads an Interface Description Block.
func (g *nextGeneration) describe() error {
	b, err := g.content(8)
	if err != nil {
		return err
	}
	if len(b) < g.body {
		return inside(io.EOF)
	}
	f := &face{link: decode.LinkType(g.order.u16(b)), snap: g.order.u32(b[4:]), point: "file", clock: clock{units: 1e6}}
	list := options{order: g.order, b: b[8:]}
	for code, value := list.next(); code != optionEnd; code, value = list.next() {
		switch {
		case code == optionName:
			f.point = g.point(value)
		case code == optionPrecision && len(value) == 1:
			f.clock.units = resolution(value[0])
		case code == optionOffset && len(value) == 8:
			f.clock.offset = int64(g.order.u64(value))
		case code == optionPrecision || code == optionOffset:
			return errBlock
		}
	}
	if g.faces = append(g.faces, f); list.broken {
		return errBlock
	}
	if len(g.faces) > maxFaces || len(g.points) > maxFaces {
		return errInterfaces
	}
	return nil
}

// point returns the name of an interface, "file" for an invalid one: empty, too long, or not plain text.
func (g *nextGeneration) point(name []byte) string {
	odd := func(c rune) bool { return c < ' ' || c > '~' }
	name = bytes.TrimRight(name, "\x00")
	if len(name) == 0 || len(name) > maxName || bytes.ContainsFunc(name, odd) {
		return "file"
	}
	if known, ok := g.points[string(name)]; ok {
		return known
	}
	g.points[string(name)] = string(name)
	return g.points[string(name)]
}

// statistics reads the losses in an Interface Statistics Block.
func (g *nextGeneration) statistics() error {
	b, err := g.content(12)
	if err != nil {
		return err
	}
	f, err := g.face(g.order.u32(b))
	if err != nil {
		return err
	}
	var lost uint64
	list := options{order: g.order, b: b[12:]}
	for code, value := list.next(); code != optionEnd; code, value = list.next() {
		if (code == optionNoRoom || code == optionNoRoomOS) && len(value) == 8 {
			lost += g.order.u64(value)
		}
	}
	g.lost.Add(f.losses.inAll(lost))
	return nil
}

// face returns the interface of that number in this section.
func (g *nextGeneration) face(n uint32) (*face, error) {
	if uint64(n) >= uint64(len(g.faces)) {
		return nil, errBlock
	}
	return g.faces[n], nil
}

// packet reads a block with a frame.
func (g *nextGeneration) packet(kind uint32, r *record) error {
	fixed := 20
	if kind == blockSimple {
		fixed = 4
	}
	b, err := g.content(fixed)
	if err != nil {
		return err
	}
	size, err := g.head(kind, b, r)
	if err != nil {
		return err
	}
	if size > maxFrame || size > g.body-fixed {
		return errLength
	}
	if len(b) < fixed+size {
		return inside(io.EOF)
	}
	r.Data, r.Link, r.Point = b[fixed:fixed+size], r.face.link, r.face.point
	r.Length = max(r.Length, size)
	if padded := fixed + (size+3)&^3; kind == blockEnhanced && padded < len(b) {
		g.drops(b[padded:], r.face)
	}
	return nil
}

// head reads what stands before the frame, and returns how long the frame is.
func (g *nextGeneration) head(kind uint32, b []byte, r *record) (size int, err error) {
	if kind == blockSimple {
		r.face, err = g.face(0)
		if err != nil {
			return 0, err
		}
		r.Length, r.undated = int(g.order.u32(b)), true
		size = min(r.Length, g.body-4)
		if r.face.snap > 0 {
			size = min(size, int(r.face.snap))
		}
		return size, nil
	}
	number := g.order.u32(b)
	if kind == blockPacket {
		number = uint32(g.order.u16(b))
	}
	if r.face, err = g.face(number); err != nil {
		return 0, err
	}
	if drops := g.order.u16(b[2:]); kind == blockPacket && drops != 0xffff {
		g.lost.Add(r.face.losses.before(uint64(drops)))
	}
	stamp, valid := r.face.clock.time(uint64(g.order.u32(b[4:]))<<32 | uint64(g.order.u32(b[8:])))
	r.Time, r.undated, r.Length = stamp, !valid, int(g.order.u32(b[16:]))
	return int(g.order.u32(b[12:])), nil
}

// drops reads how many frames were lost just before this one.
func (g *nextGeneration) drops(b []byte, f *face) {
	list := options{order: g.order, b: b}
	for code, value := list.next(); code != optionEnd; code, value = list.next() {
		if code == optionDrops && len(value) == 8 {
			g.lost.Add(f.losses.before(g.order.u64(value)))
		}
	}
}

// options are the options of a block.
type options struct {
	order  order
	b      []byte
	broken bool // one is longer than its block
}

// next returns an option, optionEnd after the last.
func (o *options) next() (code uint16, value []byte) {
	if len(o.b) < 4 {
		return optionEnd, nil
	}
	code = o.order.u16(o.b)
	end := 4 + int(o.order.u16(o.b[2:]))
	if code == optionEnd || end > len(o.b) {
		o.broken = code != optionEnd
		return optionEnd, nil
	}
	value, o.b = o.b[4:end], o.b[min(len(o.b), (end+3)&^3):]
	return code, value
}
