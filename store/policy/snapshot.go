package policy

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"

	"sipsieve/sip/event"
	"sipsieve/store/cpni"
)

// A snapshot on disk is a byte of flags, the policy's hash, the checksum of the columns, the id, for a call whose
// INVITE was not seen the id that it has if nothing but its BYE is, and for an answered call its dialog and its blind;
// then the values, each behind its length in two bytes. A length of 0 is null.
const (
	flagApplied   byte = 1 << iota // a number was withheld
	flagEmergency                  // the purpose keeps emergency calls only, and this is one
	flagLone                       // there are two ids
	flagDialog                     // there is a dialog behind them
	flagBlind                      // there is a blind of the dialog behind it

	hashSize     = 16 // of a policy, as text
	idSize       = 26
	snapshotHead = 1 + hashSize + 4 + idSize
	mostSnapshot = 4 << 10 // bytes of one purpose; a value for which there is no room is null
)

// A snapshot is what one purpose keeps of a call over a restart. The zero snapshot is that of a call that was not
// restored, or of which nothing was kept.
type snapshot struct {
	id, lone, dialog   string
	applied, emergency bool
	blind              blind
	values             []byte // nil if they are of another policy or register: those may have allowed more
}

// readSnapshot reads what a snapshotWriter wrote for a purpose of the policy with that hash and those columns.
func readSnapshot(b []byte, hash string, columns uint32) (s snapshot) {
	if len(b) < snapshotHead {
		return s
	}
	flags := b[0]
	n := idSize*bits.OnesCount8(flags&(flagLone|flagDialog)) + blindSize*bits.OnesCount8(flags&flagBlind)
	if len(b) < snapshotHead+n {
		return s
	}
	wrote, sum := string(b[1:1+hashSize]), binary.BigEndian.Uint32(b[1+hashSize:])
	s.id, b = string(b[snapshotHead-idSize:snapshotHead]), b[snapshotHead:]
	if flags&flagLone != 0 {
		s.lone, b = string(b[:idSize]), b[idSize:]
	}
	if flags&flagDialog != 0 {
		s.dialog, b = string(b[:idSize]), b[idSize:]
	}
	if flags&flagBlind != 0 {
		s.blind, b = readBlind(b), b[blindSize:]
	}
	s.emergency = flags&flagEmergency != 0
	if wrote == hash && sum == columns {
		s.values, s.applied = b, flags&flagApplied != 0
	}
	return s
}

// idOf returns the id of r, "" if the snapshot has none.
func (s *snapshot) idOf(r *cpni.Record) string {
	if s.lone != "" && r.Lone() {
		return s.lone
	}
	return s.id
}

// append writes the next values, those of f.
func (s *snapshot) append(b []byte, f *step) []byte {
	for i := range f.columns {
		b = append(b, f.columns[i].key...)
		v := s.next()
		if len(v) == 0 {
			v = []byte("null")
		}
		b = append(b, v...)
	}
	return b
}

func (s *snapshot) next() (v []byte) {
	if len(s.values) < 2 {
		return nil
	}
	n := 2 + int(binary.BigEndian.Uint16(s.values))
	if n > len(s.values) {
		return nil
	}
	v, s.values = s.values[2:n], s.values[n:]
	return v
}

// A snapshotWriter appends the snapshot of r for u to b, of which it is what stands behind from.
type snapshotWriter struct {
	u    *Purpose
	r    *cpni.Record
	b    []byte
	from int
}

func (w *snapshotWriter) flag(f byte) { w.b[w.from] |= f }

// write appends the snapshot of a call that was not restored: its texts are there.
func (w *snapshotWriter) write() {
	w.b = append(append(w.b, 0), w.u.hash...)
	w.b = binary.BigEndian.AppendUint32(w.b, w.u.columns)
	w.b = append(w.b, w.u.ids.record(w.r)...)
	if w.u.When == "emergency" {
		w.flag(flagEmergency)
	}
	if w.r.Missing()&event.NoInvite != 0 {
		w.flag(flagLone)
		w.b = append(w.b, w.u.ids.lone(w.r)...)
	}
	w.dialog()
	w.fields()
}

// again appends the snapshot that a restored call has, and its dialog if it was answered since.
func (w *snapshotWriter) again() {
	old := w.r.Snapshot(w.u.Name)
	if len(old) < snapshotHead || old[0]&flagDialog != 0 {
		w.b = append(w.b, old...)
		return
	}
	ids := snapshotHead
	if old[0]&flagLone != 0 {
		ids = min(ids+idSize, len(old))
	}
	w.b = append(w.b, old[:ids]...)
	w.dialog()
	w.b = append(w.b, old[ids:]...)
}

// dialog appends the dialog of r and its blind, as far as they are known.
func (w *snapshotWriter) dialog() {
	dialog := w.u.ids.dialog(w.r)
	if dialog == "" {
		return
	}
	w.flag(flagDialog)
	w.b = append(w.b, dialog...)
	if w.u.halves == (halves{}) {
		return
	}
	if b := w.u.ids.blind(w.r); b.known {
		w.flag(flagBlind)
		w.b = b.append(w.b)
	}
}

// fields appends the values, and sets the flag for call_flags if a number was withheld before it.
func (w *snapshotWriter) fields() {
	withheldYet := false
	g := &w.u.programs[cpni.CallKind]
	w.u.writer.begin(w.r)
	for i := range g.fields {
		f := &g.fields[i]
		if f.remembered {
			if withheldYet && f.flags {
				w.flag(flagApplied)
			}
			continue
		}
		v, withheld := g.see(w.r, f)
		for j := range f.columns {
			c := &f.columns[j]
			if withheld && !c.hides {
				withheldYet = true
				w.b = append(w.b, 0, 0)
				continue
			}
			w.value(c, v)
		}
	}
	w.u.writer.end()
}

// value appends one value behind its length, null if there is no room for it.
func (w *snapshotWriter) value(c *column, v *cpni.Value) {
	from := len(w.b) + 2
	w.b = w.u.writer.append(append(w.b, 0, 0), c, v)
	if len(w.b)-w.from > mostSnapshot || string(w.b[from:]) == "null" {
		w.b = w.b[:from]
		return
	}
	binary.BigEndian.PutUint16(w.b[from-2:], uint16(len(w.b)-from))
}

// columnSum tells apart what two versions of the register put into a snapshot under one policy: other columns, or
// columns whose values are held to something else. What an earlier version saved as text of a message does not leave
// later.
func columnSum(rules []rule) (sum uint32) {
	for i := range rules {
		if !rules[i].inSnapshot() {
			continue
		}
		e := rules[i].field.Entry()
		for _, text := range slices.Concat(rules[i].keys, []string{e.Value, e.Pattern, e.List}, e.Words) {
			sum = crc32.Update(sum, crc32.IEEETable, append([]byte(text), 0))
		}
	}
	return sum
}
