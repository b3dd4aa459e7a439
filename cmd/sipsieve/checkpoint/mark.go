package checkpoint

import (
	enc "encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
)

// markSuffix follows the name of a log in that of its mark.
const markSuffix = ".mark"

// markSize is the size of a mark in bytes: a number, a foot and ends, and a sum.
const markSize = 16 + 3*8 + 8 + 4

// A mark is how much a log has, in a file beside it: so a log is missed that was deleted or emptied.
type mark struct {
	number [16]byte // of the log's file
	foot
	ends    uint64 // GoneEntries of the log
	damaged bool   // what stands in the file is no mark
}

// readMark reads the mark at path; it is zero without one. The error is the disk's.
func readMark(path string) (m mark, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	if len(b) != markSize || enc.BigEndian.Uint32(b[markSize-4:]) != crc32.Checksum(b[:markSize-4], castagnoli) {
		return mark{damaged: true}, nil
	}
	copy(m.number[:], b)
	m.foot = foot{enc.BigEndian.Uint64(b[16:]), enc.BigEndian.Uint64(b[24:]), enc.BigEndian.Uint64(b[32:])}
	m.ends = enc.BigEndian.Uint64(b[40:])
	return m, nil
}

// bytes returns m as it stands in its file.
func (m *mark) bytes() []byte {
	b := append([]byte(nil), m.number[:]...)
	for _, n := range [...]uint64{m.size, m.entries, m.calls, m.ends} {
		b = enc.BigEndian.AppendUint64(b, n)
	}
	return enc.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// markPath returns where the mark of l is.
func (l *Log) markPath() string { return l.cfg.Path + markSuffix }

// writeMark writes how much l's file has.
func (l *Log) writeMark() error {
	f, err := os.OpenFile(l.markPath(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	o := l.out
	m := mark{number: o.w.next.number, foot: o.foot(), ends: o.ends}
	_, err = f.WriteAt(m.bytes(), 0)
	return errors.Join(err, f.Close())
}

// lost returns how many calls of a damaged file can be restored no more, at most: by m and the feet, by the ends of
// calls and the calls that can be restored. It is exact if no end is damaged, and m is of the last write.
func (d *Damage) lost(m *mark, ends, calls uint64) uint64 {
	had, resurrected := d.feet, d.Entries
	if m.number == d.number || d.number == [16]byte{} {
		if m.entries >= had.entries {
			had = m.foot
			d.Entries = max(d.Entries, m.entries-min(m.entries, d.read))
			resurrected = m.ends - min(m.ends, ends)
		}
	}
	if had == (foot{}) { // an entry is of one call
		return d.Entries
	}
	return min(had.calls, had.calls+resurrected-min(had.calls+resurrected, calls))
}
