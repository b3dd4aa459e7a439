// Package blocks reads the files in which nats-server 2.15 keeps the messages of a stream, without the server: what is
// intact, also behind damaged bytes, where the server stops.
package blocks

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
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

// A Message is what a file has of one, or a note that one was deleted. Its bytes are those of the file.
type Message struct {
	Sequence      uint64
	Made          int64 // Unix nanoseconds, by the server
	Subject       string
	Headers, Body []byte
	Mislabelled   bool // the length of its headers was wrong
	IsRecord      bool // no note of a deletion
}

// A Reader finds the intact messages of one file.
type Reader struct {
	hash highwayhash.Digest64
	data []byte
	bad  []span // bytes that are no message, up to where Each has come
}

// Files returns the files of a stream's messages in their order, and their numbers.
func Files(messages string) (files []string, numbers []int, err error) {
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

// Oldest returns when the oldest message was put that is in a file of a stream, whose folder is dir, also if the server has
// removed it; 0 if there is none. Unix nanoseconds.
func Oldest(dir, stream string) (oldest int64, err error) {
	files, numbers, err := Files(filepath.Join(dir, "msgs"))
	if err != nil {
		return 0, err
	}
	found := errors.New("found")
	for i, file := range files {
		b, err := Open(file, stream, numbers[i])
		if err != nil {
			return 0, err
		}
		err = b.Each(func(m Message) error {
			if m.IsRecord {
				oldest = m.PutAt()
				return found
			}
			return nil
		})
		if errors.Is(err, found) {
			return oldest, nil
		}
	}
	return 0, nil
}

// Open reads the file with that number of a stream.
func Open(path, stream string, number int) (*Reader, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return newReader(stream, number, data)
}

// newReader returns a Reader of the content of a file.
func newReader(stream string, number int, data []byte) (*Reader, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, number))
	hash, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, err
	}
	return &Reader{hash: *hash, data: data}, nil
}

// A span is bytes of a file that are no message.
type span struct{ begin, end int }

// Each calls yield with every intact message, notes of deletions included, until it returns an error. Bytes between
// them are damaged, and passed over.
func (b *Reader) Each(yield func(Message) error) error {
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

// Bad returns how many places are damaged, up to where Each has come.
func (b *Reader) Bad() int { return len(b.bad) }

// Torn reports whether the file ends with bytes that are no message.
func (b *Reader) Torn() bool { return len(b.bad) > 0 && b.bad[len(b.bad)-1].end == len(b.data) }

// message returns the message that begins at i, and its length; false if none does.
func (b *Reader) message(i int) (m Message, length int, ok bool) {
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
	m = Message{Sequence: sequence, Made: int64(binary.LittleEndian.Uint64(rest[12:])), Body: payload,
		Subject: string(text[:subject]), IsRecord: sequence != 0 && sequence&(erasedBit|deletedBit) == 0}
	if hasHeaders {
		m.split(payload, int(binary.LittleEndian.Uint32(text[subject:])))
	}
	return m, length, true
}

// split divides payload into headers and body. The hash does not cover their lengths, but headers end with the first
// empty line.
func (m *Message) split(payload []byte, headers int) {
	end := bytes.Index(payload, []byte("\r\n\r\n"))
	if end < 0 {
		m.Mislabelled = true
		return
	}
	end += 4
	m.Headers, m.Body, m.Mislabelled = payload[:end], payload[end:], headers != end
}

// PutAgain is the header of a message that was put again: when it was put first, RFC 3339.
const PutAgain = "Sieve-Put"

// PutAt returns when m was put first, in Unix nanoseconds: when a stream is made anew its messages are put again.
func (m *Message) PutAt() int64 {
	if i := bytes.Index(m.Headers, []byte(PutAgain+": ")); i >= 0 {
		text, _, _ := bytes.Cut(m.Headers[i+len(PutAgain)+2:], []byte("\r\n"))
		if t, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
			return t.UnixNano()
		}
	}
	return m.Made
}

// Created returns when the server made a stream, by its description, in Unix nanoseconds; 0 if that is damaged or
// missing.
func Created(dir, stream string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, "meta.inf"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	sum, err := os.ReadFile(filepath.Join(dir, "meta.sum"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	key := sha256.Sum256([]byte(stream))
	hash, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return 0, err
	}
	_, _ = hash.Write(text)
	have, err := hex.DecodeString(string(sum))
	var is struct{ Created time.Time }
	if err != nil || !bytes.Equal(have, hash.Sum(nil)) || json.Unmarshal(text, &is) != nil {
		return 0, nil
	}
	return is.Created.UnixNano(), nil
}
