package main

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sipsieve/store/bus/blocks"
	"sipsieve/store/bus/marks"
)

// lawStream is the stream whose files a killLaw damages.
const lawStream = "CPNI_BILLING"

// A spoolState is what the files of a stream have while the daemon is down.
type spoolState struct {
	entries   map[uint64]entry // by sequence
	mark      marks.Mark
	created   int64  // the server's time of the stream
	aside     bool   // the files are those that are set aside, of which
	confirmed uint64 // everything up to this sequence is confirmed
	files     []string
}

// needed returns the lowest sequence that not all of these keepers have confirmed.
func (s *spoolState) needed(keepers []string) uint64 {
	if s.aside {
		return s.confirmed + 1
	}
	return max(s.mark.Least(keepers)+1, s.mark.First)
}

// counted returns how many of the records at these sequences a start must call lost: those before the last one that is
// there, and those that were acknowledged.
func (s *spoolState) counted(destroyed map[uint64]entry, keepers []string) (n uint64) {
	last := s.mark.High
	for seq := range s.entries {
		last = max(last, seq)
	}
	for seq := range destroyed {
		_, anew := s.entries[seq] // what was never acknowledged is put again
		if seq >= s.needed(keepers) && (seq <= last || s.aside) && !anew {
			n++
		}
	}
	return n
}

// spool reads the files of the stream, or those that are set aside for it to be made anew.
func (l *killLaw) spool(t *testing.T) *spoolState {
	t.Helper()
	folder := filepath.Join(l.dir, "state", "bus")
	s := &spoolState{entries: map[uint64]entry{}}
	file, err := os.ReadFile(filepath.Join(folder, "marks"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "marks")
	if err := os.WriteFile(copied, file, 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := marks.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	s.mark, _ = all.Of(lawStream)
	dir := filepath.Join(folder, "jetstream", "$G", "streams", lawStream)
	if s.created, err = blocks.Created(dir, lawStream); err != nil {
		t.Fatal(err)
	}
	if note, err := os.ReadFile(filepath.Join(folder, "aside", lawStream, "note")); err == nil {
		var n struct{ Confirmed uint64 }
		if err := json.Unmarshal(note, &n); err != nil {
			t.Fatal(err)
		}
		s.aside, s.confirmed, dir = true, n.Confirmed, filepath.Join(folder, "aside", lawStream)
	}
	var numbers []int
	if s.files, numbers, err = blocks.Files(filepath.Join(dir, "msgs")); err != nil {
		t.Fatal(err)
	}
	for i, file := range s.files {
		b, err := blocks.Open(file, lawStream, numbers[i])
		if err == nil {
			err = b.Each(func(m blocks.Message) error {
				if m.IsRecord {
					s.entries[m.Sequence] = entryOf(t, m.Body)
				}
				return nil
			})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// isMending reports whether files of a stream are set aside.
func (l *killLaw) isMending() bool {
	entries, err := fs.ReadDir(os.DirFS(filepath.Join(l.dir, "state", "bus")), "aside")
	return err == nil && len(entries) > 0
}

// A wreck is a damage that no start has taken note of.
type wreck struct {
	destroyed map[uint64]entry
	created   int64 // of the stream
	aside     bool  // its files were set aside
	started   bool  // a start has begun since
	lost      uint64
}

// damage flips a bit of the stream's files, or cuts one off.
func (l *killLaw) damage(t *testing.T) {
	t.Helper()
	before := l.spool(t)
	if len(before.files) == 0 {
		return
	}
	path := before.files[l.IntN(len(before.files))]
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return
	}
	where := len(data)/2 + l.IntN(len(data)-len(data)/2)
	cut := l.IntN(3) == 0
	if cut {
		data = data[:where]
	} else {
		data[where] ^= 1 << l.IntN(8)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	after := l.spool(t)
	destroyed := maps.Clone(before.entries)
	maps.DeleteFunc(destroyed, func(seq uint64, _ entry) bool { _, there := after.entries[seq]; return there })
	for _, e := range destroyed {
		l.destroyed[e.ID] = e
	}
	if l.wreck == nil {
		l.wreck = &wreck{destroyed: map[uint64]entry{}, created: before.created, aside: before.aside}
	}
	maps.Copy(l.wreck.destroyed, destroyed)
	l.note("damage (cut %v, aside %v) of %v", cut, before.aside, slices.Sorted(maps.Keys(destroyed)))
}

// expect works out what a start that comes now must call lost.
func (l *killLaw) expect(t *testing.T) {
	t.Helper()
	if w := l.wreck; w != nil {
		w.lost, w.started = l.spool(t).counted(w.destroyed, l.keepers()), true
	}
}

// settle adds what is lost once a start has taken note of it: it was up, has set the files aside, or made the stream anew.
func (l *killLaw) settle(t *testing.T, up bool) {
	t.Helper()
	w := l.wreck
	if w == nil {
		return
	}
	now := l.spool(t)
	if up || now.aside != w.aside || now.created != w.created {
		l.announced += w.lost
		l.wreck = nil
		l.note("%d lost, needed %d", w.lost, now.needed(l.keepers()))
	}
}
