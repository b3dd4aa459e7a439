package main

import (
	"bufio"
	"crypto/rand"
	enc "encoding/binary"
	"errors"
	"fmt"
	"io"

	"sipsieve/sip/track"
	"sipsieve/store/vault"
)

// A journal's file is a line that names its version, a number of its own, and blocks: four bytes of length, then as
// much that is sealed for its place in this file. The first block holds the hash of the policy, the others entries.
const (
	journalLine = "sipsieve journal 1\n"
	blockFull   = 64 << 10 // a block that has as many bytes of entries takes no more
	blockLimit  = 1 << 20  // more than any block has, sealed
)

// Why a journal is not read, or not to its end.
var (
	errJournalVersion = errors.New("not a journal of this version")
	errJournalKey     = errors.New("sealed under another key")
	errJournalTorn    = errors.New("a block is not whole")
)

// An entryKind is what an entry says of a call.
type entryKind byte

const (
	clockEntry  entryKind = iota + 1 // of no call: the domain's clock
	stateEntry                       // where it stands
	frozenEntry                      // what purposes keep of its texts
	goneEntry                        // nothing of it is kept any more
)

// An entry is the newest word on one call. It takes the place of the earlier one of its kind.
type entry struct {
	kind entryKind
	name track.Key
	body []byte
}

// size is how many bytes of a block e takes.
func (e *entry) size() int64 { return int64(1 + len(e.name) + enc.MaxVarintLen16 + len(e.body)) }

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
	w.sealed = append([]byte(journalLine), w.place[:16]...)
	w.seal()
	return w
}

// add adds e and returns the number of its block.
func (w *blockWriter) add(e *entry) uint64 {
	if len(w.plain) >= blockFull {
		w.seal()
	}
	w.plain = append(append(w.plain, byte(e.kind)), e.name[:]...)
	w.plain = enc.AppendUvarint(w.plain, uint64(len(e.body)))
	w.plain = append(w.plain, e.body...)
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

// newBlockReader reads the beginning of a journal. The error is errJournalVersion, errJournalKey, or why it is not
// whole.
func newBlockReader(r io.Reader, s *vault.Sealer) (*blockReader, error) {
	b := &blockReader{r: bufio.NewReaderSize(r, 1<<18), sealer: s}
	line := make([]byte, len(journalLine))
	if _, err := io.ReadFull(b.r, line); err != nil || string(line) != journalLine {
		return nil, errJournalVersion
	}
	if _, err := io.ReadFull(b.r, b.place[:16]); err != nil {
		return nil, errJournalTorn
	}
	plain, err := b.next()
	switch {
	case errors.Is(err, vault.ErrSealed):
		return nil, errJournalKey
	case err != nil:
		return nil, errJournalTorn
	}
	b.policy = string(plain)
	return b, nil
}

// next returns the next block, valid until the next call. The error is io.EOF at the end, else it wraps errJournalTorn.
func (b *blockReader) next() ([]byte, error) {
	var length [4]byte
	if n, err := io.ReadFull(b.r, length[:]); n == 0 && err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		return nil, errJournalTorn
	}
	size := enc.BigEndian.Uint32(length[:])
	if size > blockLimit {
		return nil, errJournalTorn
	}
	if cap(b.sealed) < int(size) {
		b.sealed = make([]byte, size)
	}
	b.sealed = b.sealed[:size]
	if _, err := io.ReadFull(b.r, b.sealed); err != nil {
		return nil, errJournalTorn
	}
	enc.BigEndian.PutUint64(b.place[16:], b.n)
	plain, err := b.sealer.Open(b.plain[:0], b.sealed, b.place[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errJournalTorn, err)
	}
	b.plain = plain
	b.n++
	return plain, nil
}

// each calls take with every entry that follows, and the number of its block; a body is valid during the call. It
// returns nil at the end of the file, an error that wraps errJournalTorn before it, or take's.
func (b *blockReader) each(take func(block uint64, e *entry) error) error {
	for {
		plain, err := b.next()
		if err == io.EOF {
			return nil
		}
		for err == nil && len(plain) > 0 {
			var e entry
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
func (e *entry) read(b []byte) ([]byte, error) {
	head := 1 + len(e.name)
	if len(b) <= head {
		return nil, errJournalTorn
	}
	e.kind = entryKind(b[0])
	copy(e.name[:], b[1:])
	size, n := enc.Uvarint(b[head:])
	if n <= 0 || uint64(len(b)-head-n) < size {
		return nil, errJournalTorn
	}
	b = b[head+n:]
	e.body = b[:size]
	return b[size:], nil
}
