package bus

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"sync"
)

// slotBytes is the size of one slot of a marks file, at most one sector of a disk or two.
const slotBytes = 1024

// A mark is what is remembered of one stream outside of it, to find at the next start what is missing in it.
type mark struct {
	Stream    string `json:"stream"`
	Writing   uint64 `json:"writing"`    // counts the writings, so that the later of two slots is known
	Created   int64  `json:"created"`    // of the stream, Unix nanoseconds
	High      uint64 `json:"high"`       // highest sequence that was acknowledged
	First     uint64 `json:"first"`      // first sequence that the stream had
	FirstMade int64  `json:"first_made"` // when that message was put, Unix nanoseconds; 0 without messages
	Confirmed uint64 `json:"confirmed"`  // sequence up to which every keeper has confirmed
	Seen      int64  `json:"seen"`       // when First was current, Unix nanoseconds
	Files     string `json:"files"`      // hash of the keepers' files at a clean stop; "" while the server runs
	Keepers   string `json:"keepers"`    // names of these keepers, with commas
}

// keepers returns the names that Files is of.
func (m *mark) keepers() []string {
	return strings.FieldsFunc(m.Keepers, func(c rune) bool { return c == ',' })
}

// marks is a file with two slots for each stream, which are written in turn, each with a checksum. A mark is written with
// every acknowledged Put, which a kill of the process survives, and synced once a second and at a stop: a loss of power
// costs at most the marks of the last second, and then what is missing of that second's end is not noticed.
type marks struct {
	mu      sync.Mutex
	file    *os.File
	streams map[string]*mark
	index   map[string]int64 // of a stream's first slot
	damaged int              // slots that could not be read
	dirty   bool             // written since the last sync
}

// openMarks opens or makes the file at path.
func openMarks(path string) (*marks, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	m := &marks{file: f, streams: map[string]*mark{}, index: map[string]int64{}}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	for i := int64(0); i*slotBytes < int64(len(data)); i++ {
		m.read(i, data[i*slotBytes:min(int64(len(data)), (i+1)*slotBytes)])
	}
	if m.damaged > 0 { // what could be read is written again, so that the damage is found once
		m.index = map[string]int64{}
		err = f.Truncate(0)
	}
	return m, err
}

// read takes in the slot with index i. One that was never written is empty.
func (m *marks) read(i int64, slot []byte) {
	one, err := decodeMark(slot)
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

// decodeMark reads a slot: length, checksum, JSON. The error is io.EOF if the slot is empty.
func decodeMark(slot []byte) (one mark, err error) {
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
		return one, errors.New("bus: marks: checksum")
	}
	return one, json.Unmarshal(text, &one)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// of returns the mark of a stream; false without one.
func (m *marks) of(stream string) (mark, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if one := m.streams[stream]; one != nil {
		return *one, true
	}
	return mark{}, false
}

// acknowledged keeps that the stream has acknowledged everything up to a sequence.
func (m *marks) acknowledged(stream string, sequence uint64) error {
	return m.change(stream, func(one *mark) { one.High = max(one.High, sequence) })
}

// change alters the mark of a stream and writes it, if it is another then.
func (m *marks) change(stream string, alter func(*mark)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.streams[stream]
	if one == nil {
		one = &mark{Stream: stream}
	}
	before := *one
	alter(one)
	if before == *one && m.streams[stream] != nil {
		return nil
	}
	m.streams[stream] = one
	return m.write(one)
}

// write puts one into the slot of its stream that was not written last.
func (m *marks) write(one *mark) error {
	at, known := m.index[one.Stream]
	if !known {
		at = int64(2 * len(m.index))
		for _, taken := range m.index {
			at = max(at, taken+2)
		}
		m.index[one.Stream] = at
	}
	one.Writing++
	text, err := json.Marshal(one)
	if err != nil || len(text) > slotBytes-8 {
		return errors.Join(err, fmt.Errorf("bus: marks: %d bytes", len(text)))
	}
	slot := make([]byte, slotBytes)
	binary.LittleEndian.PutUint32(slot, uint32(len(text)))
	binary.LittleEndian.PutUint32(slot[4:], crc32.Checksum(text, castagnoli))
	copy(slot[8:], text)
	m.dirty = true
	_, err = m.file.WriteAt(slot, (at+int64(one.Writing&1))*slotBytes)
	return err
}

// sync makes durable what was written.
func (m *marks) sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirty {
		return nil
	}
	m.dirty = false
	return m.file.Sync()
}

// settle writes every mark a second time, so that both slots have it, and makes them durable.
func (m *marks) settle() error {
	m.mu.Lock()
	var errs []error
	for _, one := range m.streams {
		errs = append(errs, m.write(one))
	}
	m.mu.Unlock()
	return errors.Join(append(errs, m.sync())...)
}

// close settles and closes the file.
func (m *marks) close() error { return errors.Join(m.settle(), m.file.Close()) }
