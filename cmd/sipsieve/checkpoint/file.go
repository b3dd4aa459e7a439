package checkpoint

import (
	"bufio"
	"crypto/rand"
	enc "encoding/binary"
	"errors"
	"fmt"
	"io"

	"sipsieve/sip/event"
	"sipsieve/store/vault"
)

// A log's file is a line that names its version, a number of its own, and blocks: four bytes of length, then as much
// that is sealed for its place in this file. The first block holds the hash of the policy, the others entries.
const (
	firstLine  = "sipsieve journal 1\n"
	blockFull  = 64 << 10 // a block that has as many bytes of entries takes no more
	blockLimit = 1 << 20  // more than any block has, sealed
)

// Why a log is not read, or not to its end.
var (
	errVersion = errors.New("not a checkpoint log of this version")
	errKey     = errors.New("sealed under another key")
	errTorn    = errors.New("a block is not whole")
)

// An EntryKind is what an entry says.
type EntryKind byte

const (
	ClockEntry  EntryKind = iota + 1 // of no call: the domain's clock
	StateEntry                       // where it stands
	FrozenEntry                      // what purposes keep of its texts
	GoneEntry                        // nothing of it is kept any more, call or file
	FileEntry                        // of a file: how far it has been read
	CutEntry                         // of none: what stands before it, since the last, is of one instant
)

// An Entry is the newest word on one call or file. It takes the place of the earlier one of its kind.
type Entry struct {
	Kind EntryKind
	Name event.Key
	Body []byte
	size int // bytes, of one whose Body was left out
}

// bytes is how many bytes of a block e takes.
func (e *Entry) bytes() int {
	if e.size > 0 {
		return e.size
	}
	return 1 + len(e.Name) + enc.MaxVarintLen16 + len(e.Body)
}

// A blockWriter seals entries into blocks.
type blockWriter struct {
	sealer *vault.Sealer
	place  [24]byte // the file's number, then the block's
	n      uint64   // the block that is being filled
	plain  []byte
	sealed []byte // what is still to be written to the file
}

// newBlockWriter begins a file: its line, its number and its first block.
func newBlockWriter(s *vault.Sealer, policy string) *blockWriter {
	w := &blockWriter{sealer: s, plain: []byte(policy)}
	_, _ = rand.Read(w.place[:16])
	w.sealed = append([]byte(firstLine), w.place[:16]...)
	w.seal()
	return w
}

// add adds e and returns the number of its block.
func (w *blockWriter) add(e *Entry) uint64 {
	if len(w.plain) >= blockFull {
		w.seal()
	}
	w.plain = append(append(w.plain, byte(e.Kind)), e.Name[:]...)
	w.plain = enc.AppendUvarint(w.plain, uint64(len(e.Body)))
	w.plain = append(w.plain, e.Body...)
	return w.n
}

// seal ends a block, if there is anything in it.
func (w *blockWriter) seal() {
	if len(w.plain) == 0 {
		return
	}
	enc.BigEndian.PutUint64(w.place[16:], w.n)
	w.sealed = enc.BigEndian.AppendUint32(w.sealed, uint32(len(w.plain)+vault.Overhead))
	w.sealed = w.sealer.Seal(w.sealed, w.plain, w.place[:])
	w.plain = w.plain[:0]
	w.n++
}

// A blockReader opens the blocks of a file one after the other.
type blockReader struct {
	r      *bufio.Reader
	sealer *vault.Sealer
	place  [24]byte
	n      uint64 // blocks that were opened
	policy string // the hash in the first block
	sealed []byte
	plain  []byte
}

// ends reports whether err says that a file ends, there or in the middle of what was to be read.
func ends(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// torn returns errTorn for a file that ends too early. It returns an error of the disk as it is: what could not be read
// is still there.
func torn(err error) error {
	if ends(err) {
		return errTorn
	}
	return err
}

// newBlockReader reads the beginning of a log. The error is errVersion, errKey, errTorn, or the disk's.
func newBlockReader(r io.Reader, s *vault.Sealer) (*blockReader, error) {
	b := &blockReader{r: bufio.NewReaderSize(r, 1<<18), sealer: s}
	line := make([]byte, len(firstLine))
	if _, err := io.ReadFull(b.r, line); err != nil && !ends(err) {
		return nil, err
	} else if string(line) != firstLine {
		return nil, errVersion
	}
	if _, err := io.ReadFull(b.r, b.place[:16]); err != nil {
		return nil, torn(err)
	}
	plain, err := b.next()
	switch {
	case errors.Is(err, vault.ErrSealed):
		return nil, errKey
	case err != nil:
		return nil, torn(err)
	}
	b.policy = string(plain)
	return b, nil
}

// next returns the next block, valid until the next call. The error is io.EOF at the end, else it wraps errTorn or is
// the disk's.
func (b *blockReader) next() ([]byte, error) {
	var length [4]byte
	if n, err := io.ReadFull(b.r, length[:]); n == 0 && err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		return nil, torn(err)
	}
	size := enc.BigEndian.Uint32(length[:])
	if size > blockLimit {
		return nil, errTorn
	}
	if cap(b.sealed) < int(size) {
		b.sealed = make([]byte, size)
	}
	b.sealed = b.sealed[:size]
	if _, err := io.ReadFull(b.r, b.sealed); err != nil {
		return nil, torn(err)
	}
	enc.BigEndian.PutUint64(b.place[16:], b.n)
	plain, err := b.sealer.Open(b.plain[:0], b.sealed, b.place[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTorn, err)
	}
	b.plain = plain
	b.n++
	return plain, nil
}

// Read calls policy with the hash in the first block of a log's file, then take with every entry and the number of its
// block, the oldest first; a body is valid during the call. It returns why the file cannot be read to its end, or take's
// error.
func Read(r io.Reader, s *vault.Sealer, policy func(hash string), take func(block uint64, e *Entry) error) error {
	b, err := newBlockReader(r, s)
	if err != nil {
		return err
	}
	policy(b.policy)
	return b.each(take)
}

// each calls take with every entry that follows, and the number of its block; a body is valid during the call. It
// returns nil at the end of the file, an error that wraps errTorn before it, the disk's, or take's.
func (b *blockReader) each(take func(block uint64, e *Entry) error) error {
	for {
		plain, err := b.next()
		if err == io.EOF {
			return nil
		}
		for err == nil && len(plain) > 0 {
			var e Entry
			if plain, err = e.read(plain); err == nil {
				err = take(b.n-1, &e)
			}
		}
		if err != nil {
			return err
		}
	}
}

// read reads e from the beginning of b and returns what follows.
func (e *Entry) read(b []byte) ([]byte, error) {
	head := 1 + len(e.Name)
	if len(b) <= head {
		return nil, errTorn
	}
	e.Kind = EntryKind(b[0])
	copy(e.Name[:], b[1:])
	size, n := enc.Uvarint(b[head:])
	if n <= 0 || uint64(len(b)-head-n) < size {
		return nil, errTorn
	}
	b = b[head+n:]
	e.Body = b[:size]
	return b[size:], nil
}
