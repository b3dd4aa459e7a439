package checkpoint

import (
	"crypto/rand"
	enc "encoding/binary"
	"hash/crc32"

	"sipsieve/store/vault"
)

// A log's file is a line that names its version, two feet, and blocks. A block is a header and entries that are sealed
// for it; that of block 0 is followed by the hash of the policy. The header begins with a mark, so that a reader finds
// the next block behind a damaged one, and has all that is needed to open the block without the one before it:
//
//	mark    4 bytes
//	number  16 bytes  of the file, random
//	n       8 bytes   of the block, one more than that of the block before it
//	before  8 bytes   entries of the file before this block
//	entries 4 bytes   of this block
//	size    4 bytes   of what is sealed
//	sum     4 bytes   CRC-32C of the header before it and of what is sealed
//
// A foot is how much there has to be: one of the two, in turn, is written over after each write that is on the disk, so
// that a file that was cut is found, wherever.
//
//	size    8 bytes  of the file
//	entries 8 bytes  of the file
//	calls   8 bytes  that can be restored
//	sum     4 bytes  CRC-32C of the foot before it
const (
	firstLine  = "sipsieve journal 2\n"
	headerSize = 48
	sumAt      = headerSize - 4
	footSize   = 28
	blocksAt   = len(firstLine) + 2*footSize
	blockFull  = 16 << 10 // a block that has as many bytes of entries takes no more
	blockLimit = 1 << 20  // more than any block has, sealed
)

var (
	blockMark  = [4]byte{0xc5, 'S', 'v', 0x9b}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// A header is what stands before the sealed part of a block.
type header struct {
	number  [16]byte
	n       uint64
	before  uint64
	entries uint32
	size    uint32
}

// append appends h without its sum, which is what the block is sealed for.
func (h *header) append(b []byte) []byte {
	b = append(append(b, blockMark[:]...), h.number[:]...)
	b = enc.BigEndian.AppendUint64(b, h.n)
	b = enc.BigEndian.AppendUint64(b, h.before)
	b = enc.BigEndian.AppendUint32(b, h.entries)
	return enc.BigEndian.AppendUint32(b, h.size)
}

// readHeader reads the header at the beginning of b, which has headerSize bytes. It reports false if that is none.
func readHeader(b []byte) (h header, ok bool) {
	if [4]byte(b) != blockMark {
		return h, false
	}
	copy(h.number[:], b[4:])
	h.n, h.before = enc.BigEndian.Uint64(b[20:]), enc.BigEndian.Uint64(b[28:])
	h.entries, h.size = enc.BigEndian.Uint32(b[36:]), enc.BigEndian.Uint32(b[40:])
	return h, h.size <= blockLimit && h.size > vault.Overhead
}

// sum returns the sum of a header without its sum, and of what is sealed.
func sum(header, sealed []byte) uint32 {
	return crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, sealed)
}

// A foot says how much a file has to have.
type foot struct{ size, entries, calls uint64 }

// bytes returns f as it stands in the file.
func (f foot) bytes() []byte {
	b := enc.BigEndian.AppendUint64(nil, f.size)
	b = enc.BigEndian.AppendUint64(b, f.entries)
	b = enc.BigEndian.AppendUint64(b, f.calls)
	return enc.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readFoot reads the foot at the beginning of b, which has footSize bytes. It reports false if that is damaged.
func readFoot(b []byte) (f foot, ok bool) {
	f = foot{enc.BigEndian.Uint64(b), enc.BigEndian.Uint64(b[8:]), enc.BigEndian.Uint64(b[16:])}
	return f, enc.BigEndian.Uint32(b[24:]) == crc32.Checksum(b[:24], castagnoli)
}

// A blockWriter seals entries into blocks.
type blockWriter struct {
	sealer *vault.Sealer
	next   header // of the block that is being filled
	plain  []byte
	sealed []byte // what is still to be written to the file
}

// newBlockWriter begins a file: its line, its feet and its first block.
func newBlockWriter(s *vault.Sealer, policy string) *blockWriter {
	w := &blockWriter{sealer: s, plain: []byte(policy)}
	_, _ = rand.Read(w.next.number[:])
	w.sealed = append([]byte(firstLine), make([]byte, 2*footSize)...)
	w.seal()
	return w
}

// add adds e and returns the number of its block.
func (w *blockWriter) add(e *Entry) uint64 {
	if len(w.plain) >= blockFull {
		w.seal()
	}
	w.plain = e.append(w.plain)
	w.next.entries++
	return w.next.n
}

// seal ends a block, if there is anything in it.
func (w *blockWriter) seal() {
	if len(w.plain) == 0 {
		return
	}
	w.next.size = uint32(len(w.plain) + vault.Overhead)
	begin := len(w.sealed)
	w.sealed = w.next.append(w.sealed)
	w.sealed = append(w.sealed, 0, 0, 0, 0)
	w.sealed = w.sealer.Seal(w.sealed, w.plain, w.next.append(nil))
	block := w.sealed[begin:]
	enc.BigEndian.PutUint32(block[sumAt:], sum(block[:sumAt], block[headerSize:]))
	w.plain = w.plain[:0]
	w.next.n, w.next.before, w.next.entries = w.next.n+1, w.next.before+uint64(w.next.entries), 0
}

// entries returns how many entries were added.
func (w *blockWriter) entries() uint64 { return w.next.before + uint64(w.next.entries) }

// back undoes what was added since the block that would have been the next was next: it was not written.
func (w *blockWriter) back(next header) {
	w.next, w.plain, w.sealed = next, w.plain[:0], w.sealed[:0]
}
