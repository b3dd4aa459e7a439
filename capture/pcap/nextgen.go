package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/google/gopacket/pcapgo"

	"sipsieve/capture/decode"
)

// Block types of draft-ietf-opsawg-pcapng whose lengths are looked at.
const (
	blockSection   = 0x0a0d0d0a
	blockPacket    = 2 // obsolete, still written by some
	blockEnhanced  = 6
	maxBlock       = 1 << 20
	enhancedBefore = 32 // bytes of an Enhanced Packet Block that are not the frame
)

// nextGeneration reads pcapng.
type nextGeneration struct {
	blocks *blocks
	r      *pcapgo.NgReader
	points []string
}

func newNextGeneration(b *bufio.Reader) (*nextGeneration, error) {
	g := &nextGeneration{blocks: &blocks{b: b}}
	r, err := pcapgo.NewNgReader(g.blocks, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	if err != nil {
		return nil, g.why(err)
	}
	g.r = r
	return g, nil
}

func (g *nextGeneration) next(f *decode.Frame) error {
	data, ci, err := g.r.ZeroCopyReadPacketData()
	if err != nil {
		return g.why(err)
	}
	face, err := g.r.Interface(ci.InterfaceIndex)
	if err != nil {
		return errBlock
	}
	*f = decode.Frame{Time: ci.Timestamp.UTC(), Link: decode.LinkType(face.LinkType), Data: data,
		Length: max(ci.Length, len(data)), Point: g.point(ci.InterfaceIndex, face.Name)}
	return nil
}

var errBlock = errors.New("a block contradicts the ones before it")

// point returns the name of the interface, kept so that it is made once.
func (g *nextGeneration) point(i int, name string) string {
	for len(g.points) <= i && len(g.points) < 1024 {
		g.points = append(g.points, "file")
	}
	if i >= len(g.points) || name == "" {
		return "file"
	}
	if g.points[i] != name {
		g.points[i] = name
	}
	return g.points[i]
}

// why returns what ended the file: the library does not tell a cut file from a whole one, the blocks do.
func (g *nextGeneration) why(err error) error {
	switch {
	case g.blocks.err != nil:
		return g.blocks.err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return err
	}
	return errBlock
}

// blocks passes a file on, block by block, after a look at the lengths.
type blocks struct {
	b     *bufio.Reader
	order binary.ByteOrder
	left  int // bytes of this block not yet passed on
	err   error
}

// Read returns bytes of one block at most. Its first error stands.
func (k *blocks) Read(p []byte) (int, error) {
	if k.left == 0 && k.err == nil {
		k.err = k.look()
	}
	if k.err != nil {
		return 0, k.err
	}
	n, err := k.b.Read(p[:min(len(p), k.left)])
	k.left -= n
	if errors.Is(err, io.EOF) {
		k.err = io.ErrUnexpectedEOF
		return n, k.err
	}
	return n, err
}

// look reads the head of the next block.
func (k *blocks) look() error {
	head, err := k.b.Peek(12)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) > 0 {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if binary.LittleEndian.Uint32(head) == blockSection {
		switch binary.LittleEndian.Uint32(head[8:]) {
		case 0x1a2b3c4d:
			k.order = binary.LittleEndian
		case 0x4d3c2b1a:
			k.order = binary.BigEndian
		default:
			return errBlock
		}
	}
	size := int(k.order.Uint32(head[4:]))
	if size < 12 || size > maxBlock || size%4 != 0 {
		return ErrLength
	}
	k.left = size
	if kind := k.order.Uint32(head); kind == blockEnhanced || kind == blockPacket {
		return k.lookAtFrame(size)
	}
	return nil
}

// lookAtFrame refuses a block whose frame is longer than itself.
func (k *blocks) lookAtFrame(size int) error {
	head, err := k.b.Peek(24)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if n := k.order.Uint32(head[20:]); n > maxFrame || int(n) > size-enhancedBefore {
		return ErrLength
	}
	return nil
}
