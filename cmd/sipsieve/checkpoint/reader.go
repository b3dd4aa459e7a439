package checkpoint

import (
	"bufio"
	"bytes"
	enc "encoding/binary"
	"errors"
	"io"
	"math/bits"

	"sipsieve/store/vault"
)

// Why nothing of a file is read.
var (
	errVersion = errors.New("not a checkpoint log of this version")
	errKey     = errors.New("sealed under another key")
)

// Damage is what is wrong with a file, of which everything intact was read. Zero is nothing.
type Damage struct {
	Places  int    // stretches of the file, feet and a line included, and an end that is missing
	Entries uint64 // that are lost, as far as is known

	number [16]byte // of the file; zero if no block is intact
	feet   foot     // how much the file had; zero if both are damaged
	read   uint64   // entries
}

// A blockReader opens the blocks of a file one after the other, and goes on behind damaged ones.
type blockReader struct {
	r      *bufio.Reader
	sealer *vault.Sealer
	next   func() ([]byte, uint64, error) // the next intact block and its number; io.EOF at the end
	take   func(block uint64, e *Entry) error
	policy func(hash string)

	line     bool // the first line is intact
	passed   uint64
	skipping bool // in the middle of what is damaged
	opened   bool
	foreign  bool // a block is intact and not sealed under this key
	last     header
	feet     foot // what there has to be
	entries  uint64
	damage   Damage
	plain    []byte
}

// Read calls policy with the hash in the first block of a log's file, then take with every entry and the number of its
// block, the oldest first; a body is valid during the call. What is damaged is left out, and returned. The error says why
// nothing could be read, else it is the disk's, or take's.
func Read(r io.Reader, s *vault.Sealer, policy func(hash string), take func(block uint64, e *Entry) error) (Damage, error) {
	b := &blockReader{r: bufio.NewReaderSize(r, blockLimit+headerSize), sealer: s, take: take, policy: policy}
	if err := b.begin(); err != nil {
		return b.damage, err
	}
	for {
		plain, n, err := b.next()
		if err == io.EOF {
			return b.damage, b.end()
		}
		if err == nil {
			err = b.each(plain, n)
		}
		if err != nil {
			return b.damage, err
		}
	}
}

// begin reads what stands before the blocks. The line of a file that was cut, or in which one bit is wrong, is taken for
// that of this version: only this version's blocks can be opened as such.
func (b *blockReader) begin() error {
	line, err := b.peek(len(firstLine))
	switch {
	case err != nil:
		return err
	case string(line) == firstLine:
		b.line = true
	case string(line) == oldLine:
		b.next = b.oldBlock
		return b.beginOld()
	case bytes.HasPrefix([]byte(firstLine), line): // cut
		b.line = true
	case wrongBits(line, []byte(firstLine)) > 1:
		return errVersion
	default:
		b.damage.Places++
	}
	b.next = b.block
	b.skip(len(line))
	for range 2 {
		one, err := b.peek(footSize)
		if err != nil {
			return err
		}
		if len(one) == footSize {
			b.takeFoot(readFoot(one))
		}
		b.skip(len(one))
	}
	return nil
}

// takeFoot notes how much there has to be, by the newer of both feet; ok reports whether this one is intact.
func (b *blockReader) takeFoot(f foot, ok bool) {
	switch {
	case !ok:
		b.damage.Places++
	case f.size > b.feet.size:
		b.feet = f
	}
}

// wrongBits returns in how many bits a differs from the beginning of b.
func wrongBits(a, b []byte) (n int) {
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// peek returns the next n bytes, fewer at the end of the file. The error is the disk's.
func (b *blockReader) peek(n int) ([]byte, error) {
	got, err := b.r.Peek(n)
	if err == io.EOF {
		err = nil
	}
	return got, err
}

// skip passes n bytes that were peeked.
func (b *blockReader) skip(n int) {
	_, _ = b.r.Discard(n)
	b.passed += uint64(n)
}

// block returns the next block that is intact.
func (b *blockReader) block() ([]byte, uint64, error) {
	for {
		head, err := b.peek(headerSize)
		if err != nil {
			return nil, 0, err
		}
		if len(head) == 0 {
			return nil, 0, io.EOF
		}
		plain, ok, err := b.open(head)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			return plain, b.last.n, nil
		}
	}
}

// open opens the block that begins with head. If that is none it passes over what is damaged, to what may be the next.
func (b *blockReader) open(head []byte) (plain []byte, ok bool, err error) {
	var h header
	if len(head) == headerSize {
		h, ok = readHeader(head)
	}
	if !ok {
		return nil, false, b.search()
	}
	size := headerSize + int(h.size)
	whole, err := b.peek(size)
	if err != nil {
		return nil, false, err
	}
	if len(whole) < size || enc.BigEndian.Uint32(whole[sumAt:]) != sum(whole[:sumAt], whole[headerSize:]) {
		return nil, false, b.search()
	}
	plain, sealErr := b.sealer.Open(b.plain[:0], whole[headerSize:], whole[:sumAt])
	after := !b.opened || h.number == b.last.number && h.n > b.last.n
	b.skip(size)
	b.skipping = false
	switch {
	case sealErr != nil:
		b.foreign = true
		return nil, false, nil
	case !after: // a copy of another place
		b.damage.Places++
		return nil, false, nil
	}
	b.plain, b.last, b.opened = plain, h, true
	return plain, true, nil
}

// search passes over what is damaged, up to the next mark of a block.
func (b *blockReader) search() error {
	if !b.skipping {
		b.skipping = true
		b.damage.Places++
	}
	b.skip(1)
	for {
		some, err := b.peek(4 << 10)
		if err != nil {
			return err
		}
		if i := bytes.Index(some, blockMark[:]); i >= 0 {
			b.skip(i)
			return nil
		}
		if len(some) < 4<<10 {
			b.skip(len(some))
			return nil
		}
		b.skip(len(some) - len(blockMark) + 1)
	}
}

// each calls take with every entry of a block, policy with the hash in block 0.
func (b *blockReader) each(plain []byte, n uint64) error {
	if n == 0 {
		b.policy(string(plain))
		return nil
	}
	for len(plain) > 0 {
		var e Entry
		rest, ok := e.read(plain)
		if !ok {
			b.damage.Places++ // sealed so: a fault of who wrote it
			return nil
		}
		if err := b.take(n, &e); err != nil {
			return err
		}
		b.entries++
		plain = rest
	}
	return nil
}

// end sums up what is missing. The error says that nothing could be read for another reason than damage.
func (b *blockReader) end() error {
	switch {
	case !b.opened && b.foreign:
		return errKey
	case !b.opened && !b.line:
		return errVersion
	}
	if (b.passed < b.feet.size || !b.opened) && !b.skipping { // else the end that is missing was begun, and counted
		b.damage.Places++
	}
	if want := max(b.feet.entries, b.last.before+uint64(b.last.entries)); want > b.entries {
		b.damage.Entries = want - b.entries
	}
	b.damage.number, b.damage.feet, b.damage.read = b.last.number, b.feet, b.entries
	return nil
}
