package bus

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats.go"
)

// The layout of a file of messages of nats-server 2.15 (filestore.go, writeMsgRecordLocked), in little endian: length of
// the record (4 bytes, the top bit set if it has headers), sequence (8), time (8, Unix nanoseconds), length of the subject
// (2), subject, with headers their length (4) and they, body, and a hash (8) of sequence, time, subject, headers and body.
const (
	fixedBytes  = 22
	hashBytes   = 8
	headersBit  = 1 << 31
	erasedBit   = 1 << 63 // of a sequence: the message was overwritten
	deletedBit  = 1 << 62 // of a sequence: no message, a note that one was deleted
	recordLimit = 32 << 20
)

// A stored message is what a file has of one.
type storedMessage struct {
	sequence              uint64
	made                  int64 // Unix nanoseconds
	subject               string
	headers, body         []byte
	mislabelled, isRecord bool // the length of its headers was wrong; a message, no note of a deletion
}

// A blockReader finds the intact messages of one file.
type blockReader struct {
	hash highwayhash.Digest64
	data []byte
	bad  []span // bytes that are no message, up to where each has come
}

// blockFiles returns the files of a stream's messages in their order, and their numbers.
func blockFiles(messages string) (files []string, numbers []int, err error) {
	entries, err := os.ReadDir(messages)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".blk")
		if n, err := strconv.Atoi(digits); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		files = append(files, filepath.Join(messages, strconv.Itoa(n)+".blk"))
	}
	return files, numbers, nil
}

// openBlock reads the file with that number of a stream.
func openBlock(path, stream string, number int) (*blockReader, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, number))
	hash, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, err
	}
	return &blockReader{hash: *hash, data: data}, nil
}

// A span is bytes of a file that are no message.
type span struct{ begin, end int }

// each calls yield with every intact message, notes of deletions included, until it returns an error. Bytes between
// them are damaged, and passed over.
func (b *blockReader) each(yield func(storedMessage) error) error {
	begin := -1 // of the damaged bytes that are being passed over
	for i := 0; i < len(b.data); {
		m, length, ok := b.message(i)
		if !ok {
			if begin < 0 {
				begin = i
			}
			i++
			continue
		}
		if begin >= 0 {
			b.bad, begin = append(b.bad, span{begin, i}), -1
		}
		if err := yield(m); err != nil {
			return err
		}
		i += length
	}
	if begin >= 0 {
		b.bad = append(b.bad, span{begin, len(b.data)})
	}
	return nil
}

// torn reports whether the file ends with bytes that are no message.
func (b *blockReader) torn() bool { return len(b.bad) > 0 && b.bad[len(b.bad)-1].end == len(b.data) }

// message returns the message that begins at i, and its length; false if none does.
func (b *blockReader) message(i int) (m storedMessage, length int, ok bool) {
	rest := b.data[i:]
	if len(rest) < fixedBytes+hashBytes {
		return m, 0, false
	}
	size := binary.LittleEndian.Uint32(rest)
	hasHeaders := size&headersBit != 0
	size &^= headersBit
	subject := int(binary.LittleEndian.Uint16(rest[20:]))
	least := fixedBytes + subject + hashBytes
	if hasHeaders {
		least += 4
	}
	if size > recordLimit || int(size) > len(rest) || int(size) < least {
		return m, 0, false
	}
	length = int(size)
	text := rest[fixedBytes : length-hashBytes]
	payload := text[subject:]
	if hasHeaders {
		payload = payload[4:]
	}
	b.hash.Reset()
	_, _ = b.hash.Write(rest[4:20])
	_, _ = b.hash.Write(text[:subject])
	_, _ = b.hash.Write(payload)
	var sum [highwayhash.Size64]byte
	if !bytes.Equal(b.hash.Sum(sum[:0]), rest[length-hashBytes:length]) {
		return m, 0, false
	}
	sequence := binary.LittleEndian.Uint64(rest[4:])
	m = storedMessage{sequence: sequence, made: int64(binary.LittleEndian.Uint64(rest[12:])), body: payload,
		subject: string(text[:subject]), isRecord: sequence != 0 && sequence&(erasedBit|deletedBit) == 0}
	if hasHeaders {
		m.split(payload, int(binary.LittleEndian.Uint32(text[subject:])))
	}
	return m, length, true
}

// split divides payload into headers and body. The hash does not cover their lengths, but headers end with the first
// empty line.
func (m *storedMessage) split(payload []byte, headers int) {
	end := bytes.Index(payload, []byte("\r\n\r\n"))
	if end < 0 {
		m.mislabelled = true
		return
	}
	end += 4
	m.headers, m.body, m.mislabelled = payload[:end], payload[end:], headers != end
}

// putAt returns when m was put first, in Unix nanoseconds: when a stream is made anew its messages are put again.
func (m *storedMessage) putAt() int64 {
	if i := bytes.Index(m.headers, []byte(headerPut+": ")); i >= 0 {
		text, _, _ := bytes.Cut(m.headers[i+len(headerPut)+2:], []byte("\r\n"))
		if t, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
			return t.UnixNano()
		}
	}
	return m.made
}

// putAgainAt returns when a message with these headers was put first, if it was put again.
func putAgainAt(h nats.Header) (put int64, again bool) {
	t, err := time.Parse(time.RFC3339Nano, h.Get(headerPut))
	return t.UnixNano(), err == nil
}
