// Package marks keeps what is known of streams outside of their own files, so that the next start finds what is missing
// in them.
package marks

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"sipsieve/store/disk"
)

// slotBytes is the size of one slot of a file, at most one sector of a disk or two.
const slotBytes = 1024

// A Mark is what is kept of one stream.
type Mark struct {
	Stream    string `json:"stream"`
	Writing   uint64 `json:"writing"`    // counts the writings, so that the later of two slots is known
	Created   int64  `json:"created"`    // of the stream, Unix nanoseconds
	High      uint64 `json:"high"`       // highest sequence that was acknowledged
	First     uint64 `json:"first"`      // first sequence that the stream had
	FirstMade int64  `json:"first_made"` // when that message was put, Unix nanoseconds; 0 without messages
	Seen      int64  `json:"seen"`       // when First was current, Unix nanoseconds
	Files     string `json:"files"`      // hash of the keepers' files at a clean stop; "" while the server runs
	Keepers   string `json:"keepers"`    // names of these keepers, with commas

	Confirmed map[string]uint64 `json:"confirmed_by"` // by keeper, the sequence up to which it has confirmed everything
}

// KeeperNames returns the names that Files is of.
func (m *Mark) KeeperNames() []string {
	return strings.FieldsFunc(m.Keepers, func(c rune) bool { return c == ',' })
}

// Least returns the sequence up to which each of these keepers has confirmed everything: 0 if one has confirmed nothing,
// as a keeper that is new has, and without keepers.
func (m *Mark) Least(keepers []string) uint64 { return Least(m.Confirmed, keepers) }

// Least returns the least of what is confirmed by these keepers; 0 for one that is not in confirmed, and without keepers.
func Least(confirmed map[string]uint64, keepers []string) (least uint64) {
	for i, name := range keepers {
		if n := confirmed[name]; i == 0 || n < least {
			least = n
		}
	}
	return least
}

// clone returns a copy that can be changed.
func (m *Mark) clone() *Mark {
	c := *m
	if c.Confirmed = maps.Clone(m.Confirmed); c.Confirmed == nil {
		c.Confirmed = map[string]uint64{}
	}
	return &c
}

// equal reports whether m and o are the same.
func (m *Mark) equal(o *Mark) bool {
	return m.Created == o.Created && m.High == o.High && m.First == o.First && m.FirstMade == o.FirstMade &&
		m.Seen == o.Seen && m.Files == o.Files && m.Keepers == o.Keepers && maps.Equal(m.Confirmed, o.Confirmed)
}

// A File has two slots for each stream, which are written in turn, each with a checksum. A mark is written with every
// acknowledged Put, which a kill of the process survives, and synced once a second and at a stop: a loss of power costs
// at most the marks of the last second, and then what is missing of that second's end is not noticed. It may be used by
// several goroutines.
type File struct {
	path string

	mu      sync.Mutex
	file    *os.File
	missed  map[string]bool // streams whose mark could not be written
	streams map[string]*Mark
	index   map[string]int64 // of a stream's first slot
	damaged int              // slots that could not be read
	dirty   bool             // written since the last sync
}

// Open opens or makes the file at path. One with damaged slots is replaced by one that has what could be read, so that
// the damage is found once.
func Open(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	m := &File{path: path, streams: map[string]*Mark{}, index: map[string]int64{}, missed: map[string]bool{}}
	for i := int64(0); i*slotBytes < int64(len(data)); i++ {
		m.read(i, data[i*slotBytes:min(int64(len(data)), (i+1)*slotBytes)])
	}
	if m.damaged > 0 {
		if err := m.replace(); err != nil {
			return nil, err
		}
	}
	m.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	return m, err
}

// replace writes all marks into a file in place of the one at the path: every stream has its mark in both of its slots. After
// an error the slots stay where they were, as in the file that is open.
func (m *File) replace() error {
	var file []byte
	index := map[string]int64{}
	for name, one := range m.streams {
		slot, err := encode(one)
		if err != nil { // it was read from a slot
			continue
		}
		index[name] = int64(len(file) / slotBytes)
		file = append(append(file, slot...), slot...)
	}
	if err := disk.ReplaceFile(m.path, file, 0o600); err != nil {
		return err
	}
	m.index = index
	return nil
}

// Damaged returns how many slots could not be read.
func (m *File) Damaged() int { return m.damaged }

// read takes in the slot with index i. One that was never written is empty.
func (m *File) read(i int64, slot []byte) {
	one, err := decode(slot)
	if errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		m.damaged++
		return
	}
	if have := m.streams[one.Stream]; have == nil || have.Writing < one.Writing {
		m.streams[one.Stream] = &one
	}
	m.index[one.Stream] = i &^ 1
}

// decode reads a slot: length, checksum, JSON. The error is io.EOF if the slot is empty.
func decode(slot []byte) (one Mark, err error) {
	if len(slot) < slotBytes {
		return one, io.ErrUnexpectedEOF
	}
	length := binary.LittleEndian.Uint32(slot)
	if length == 0 && binary.LittleEndian.Uint32(slot[4:]) == 0 {
		return one, io.EOF
	}
	if int64(length) > int64(len(slot)-8) {
		return one, io.ErrUnexpectedEOF
	}
	text := slot[8:][:length]
	if crc32.Checksum(text, castagnoli) != binary.LittleEndian.Uint32(slot[4:]) {
		return one, errors.New("marks: checksum")
	}
	return one, json.Unmarshal(text, &one)
}

// encode returns the slot of one.
func encode(one *Mark) ([]byte, error) {
	text, err := json.Marshal(one)
	if err != nil {
		return nil, err
	}
	if len(text) > slotBytes-8 {
		return nil, fmt.Errorf("marks: %d bytes", len(text))
	}
	slot := make([]byte, slotBytes)
	binary.LittleEndian.PutUint32(slot, uint32(len(text)))
	binary.LittleEndian.PutUint32(slot[4:], crc32.Checksum(text, castagnoli))
	copy(slot[8:], text)
	return slot, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Of returns a copy of the mark of a stream; false without one.
func (m *File) Of(stream string) (Mark, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if one := m.streams[stream]; one != nil {
		return *one.clone(), true
	}
	return Mark{}, false
}

// Acknowledged keeps that the stream has acknowledged everything up to a sequence.
func (m *File) Acknowledged(stream string, sequence uint64) error {
	return m.Change(stream, func(one *Mark) { one.High = max(one.High, sequence) })
}

// Change alters the mark of a stream and writes it, if it is another then.
func (m *File) Change(stream string, alter func(*Mark)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.streams[stream]
	one := &Mark{Stream: stream, Confirmed: map[string]uint64{}}
	if before != nil {
		one = before.clone()
	}
	alter(one)
	if before != nil && before.equal(one) {
		return nil
	}
	m.streams[stream] = one
	return m.write(one)
}

// write puts one into the slot of its stream that was not written last.
func (m *File) write(one *Mark) error {
	place, known := m.index[one.Stream]
	if !known {
		place = int64(2 * len(m.index))
		for _, taken := range m.index {
			place = max(place, taken+2)
		}
		m.index[one.Stream] = place
	}
	one.Writing++
	slot, err := encode(one)
	if err != nil {
		return err
	}
	m.dirty = true
	_, err = m.file.WriteAt(slot, (place+int64(one.Writing&1))*slotBytes)
	if delete(m.missed, one.Stream); err != nil {
		m.missed[one.Stream] = true
		one.Writing-- // the next attempt is of the same slot: the other one has the last mark that was written
	}
	return err
}

// Sync makes durable what was written, and writes before what could not be written then.
func (m *File) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirty {
		return nil
	}
	for _, name := range slices.Collect(maps.Keys(m.missed)) {
		if err := m.write(m.streams[name]); err != nil {
			return err
		}
	}
	err := m.file.Sync()
	m.dirty = err != nil
	return err
}

// Reopen writes all marks into a file in place of the one that is open, as after errors of its disk: what a failed sync was
// to write may never be written.
func (m *File) Reopen() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.replace(); err != nil {
		return err
	}
	file, err := os.OpenFile(m.path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	_ = m.file.Close() // nothing of it counts any more
	m.file, m.dirty = file, false
	clear(m.missed)
	return nil
}

// Settle writes every mark a second time, so that both slots have it, and makes them durable.
func (m *File) Settle() error {
	m.mu.Lock()
	var errs []error
	for _, one := range m.streams {
		errs = append(errs, m.write(one))
	}
	m.mu.Unlock()
	return errors.Join(append(errs, m.Sync())...)
}

// Close settles and closes the file.
func (m *File) Close() error { return errors.Join(m.Settle(), m.file.Close()) }
