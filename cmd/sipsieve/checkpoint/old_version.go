// This file has methods of blockReader because it reads the version before this one, which had no marks, feet or sums.

package checkpoint

import (
	enc "encoding/binary"
	"io"

	"sipsieve/store/vault"
)

// A file of version 1 is a line, a number of its own, and blocks: four bytes of length, then as much that is sealed for
// the file's number and the block's. It is read when a log is opened, which writes the file anew.
const (
	oldLine       = "sipsieve journal 1\n"
	oldLengthSize = 4
)

// beginOld reads what stands before the blocks of version 1.
func (b *blockReader) beginOld() error {
	b.line = true
	b.skip(len(oldLine))
	number, err := b.peek(len(b.last.number))
	copy(b.last.number[:], number)
	b.skip(len(number))
	return err
}

// oldBlock returns the next block of version 1 that is intact. Behind one whose length is damaged none is found.
func (b *blockReader) oldBlock() ([]byte, uint64, error) {
	for {
		length, err := b.peek(oldLengthSize)
		if err != nil {
			return nil, 0, err
		}
		if len(length) == 0 {
			return nil, 0, io.EOF
		}
		size := blockLimit + 1
		if len(length) == oldLengthSize {
			size = int(enc.BigEndian.Uint32(length))
		}
		whole, err := b.peek(min(oldLengthSize+size, blockLimit))
		if err != nil {
			return nil, 0, err
		}
		if size > blockLimit || size <= vault.Overhead || len(whole) < oldLengthSize+size {
			b.damage.Places++
			return nil, 0, io.EOF
		}
		n := b.last.n
		b.last.n++
		place := enc.BigEndian.AppendUint64(b.last.number[:len(b.last.number):len(b.last.number)], n)
		plain, err := b.sealer.Open(b.plain[:0], whole[oldLengthSize:], place)
		b.skip(len(whole))
		if err == nil {
			b.plain, b.opened = plain, true
			return plain, n, nil
		}
		b.foreign = true
		b.damage.Places++
	}
}
