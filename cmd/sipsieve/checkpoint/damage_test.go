package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sipsieve/sip/event"
	"sipsieve/sip/track"
	"sipsieve/store/vault"
)

// written returns the file of a log of n calls in batches of some, each of which changes calls of the batch before it,
// and what every block of it has.
func written(t testing.TB, n int) (file []byte, blocks map[uint64][]Entry) {
	t.Helper()
	file, _, blocks = writtenWithMark(t, n)
	return file, blocks
}

// writtenWithMark is written that returns the mark as well.
func writtenWithMark(t testing.TB, n int) (file, mark []byte, blocks map[uint64][]Entry) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "calls.journal")
	l, _ := openedLog(t, path)
	for first := 0; first < n; first += 20 {
		var entries []Entry
		for i := range 20 {
			entries = append(entries, frozenOf(first+i), stateOf(first+i, 1))
			if first > 0 {
				entries = append(entries, stateOf(first+i-20, 2))
			}
		}
		if err := l.append(entries); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage, blocks, err := blocksOf(file)
	if err != nil || damage.Places != 0 || damage.feet.calls != uint64(n) {
		t.Fatalf("damage = %+v, %v, want none", damage, err)
	}
	if mark, err = os.ReadFile(path + markSuffix); err != nil {
		t.Fatal(err)
	}
	return file, mark, blocks
}

// blocksOf returns what is read of a file, by block.
func blocksOf(file []byte) (Damage, map[uint64][]Entry, error) {
	blocks := map[uint64][]Entry{}
	d, err := Read(bytes.NewReader(file), vault.Demo().Sealer("journal"), func(string) {}, func(n uint64, e *Entry) error {
		blocks[n] = append(blocks[n], Entry{Kind: e.Kind, Name: e.Name, Body: bytes.Clone(e.Body)})
		return nil
	})
	return d, blocks, err
}

// callsOf returns the calls that blocks have.
func callsOf(blocks map[uint64][]Entry) savedCalls {
	all := savedCalls{}
	for n := range uint64(len(blocks) + 1000) {
		for _, e := range blocks[n] {
			all.take(&e)
		}
	}
	maps.DeleteFunc(all, func(_ event.Key, c savedCall) bool { return c.state == nil || c.frozen == nil })
	return all
}

// TestADamagedBlockCostsItsEntriesAndNoOthers flips one bit anywhere, or cuts the file anywhere, 100 times: it is
// found, logged and counted exactly, and every call of which the parts are intact is restored.
func TestADamagedBlockCostsItsEntriesAndNoOthers(t *testing.T) {
	const calls = 200
	file, mark, blocks := writtenWithMark(t, calls)
	if len(blocks) < 10 {
		t.Fatalf("blocks = %d: the test shows nothing", len(blocks))
	}
	ends := []int{blocksAt} // of the blocks, by number plus 1
	for end := blocksAt; end < len(file); ends = append(ends, end) {
		h, _ := readHeader(file[end:])
		end += headerSize + int(h.size)
	}
	r := rand.New(rand.NewPCG(10, 10))
	for round := range 100 {
		damaged, n := bytes.Clone(file), r.IntN(len(file))
		what := fmt.Sprintf("a bit of byte %d", n)
		switch {
		case round%10 == 1: // between two blocks
			n = ends[r.IntN(len(ends)-1)]
			fallthrough
		case round%2 == 1:
			damaged, what = damaged[:n], fmt.Sprintf("cut to %d of %d bytes", n, len(file))
		default:
			damaged[n] ^= 1 << r.IntN(8)
		}
		intact := map[uint64][]Entry{}
		for n := uint64(1); n < uint64(len(ends)-1); n++ {
			if begin, end := ends[n], ends[n+1]; end <= len(damaged) && bytes.Equal(damaged[begin:end], file[begin:end]) {
				intact[n] = blocks[n]
			}
		}
		path := filepath.Join(t.TempDir(), "calls.journal")
		if err := errors.Join(os.WriteFile(path, damaged, 0o600), os.WriteFile(path+markSuffix, mark, 0o600)); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		c := configOf(path)
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		l, kept := opened(t, c)
		want := callsOf(intact)
		sameCalls(t, kept, want)
		total, left := 0, 0
		for n := range blocks {
			total += len(blocks[n])
			left += len(intact[n])
		}
		got := Reported(l)
		if got.Broken != 1 || got.LostEntries != uint64(total-left) || got.Lost != uint64(calls-len(want)) || got.SetAside != 0 || !strings.Contains(log.String(), "damaged") {
			t.Errorf("%s: %+v, log %q, want %d entries and %d calls lost", what, *got, log.String(), total-left,
				calls-len(want))
		}
		if round%10 > 0 {
			continue
		}
		if got := Reported(mustOpen(t, configOf(path))); got.Broken != 0 || got.Calls != uint64(len(want)) {
			t.Errorf("%s: after it was written anew: %+v", what, *got)
		}
	}
}

// mustOpen opens a log.
func mustOpen(t testing.TB, c Config) *Log {
	t.Helper()
	l := Open(c)
	if err := l.Trouble(); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestALogUnderAnotherKeyIsSetAside opens one with another key twice, and one of a later version: the files are there
// afterwards, byte for byte, and with the right key and name their calls are restored.
func TestALogUnderAnotherKeyIsSetAside(t *testing.T) {
	file, _ := written(t, 20)
	other, err := vault.New(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for word, c := range map[string]struct {
		file   []byte
		sealer *vault.Sealer
	}{
		"other-key":     {file, other.Sealer("journal")},
		"other-version": {bytes.Replace(file, []byte("journal 2"), []byte("journal 9"), 1), vault.Demo().Sealer("journal")},
	} {
		path := filepath.Join(t.TempDir(), "calls.journal")
		for n := range 2 {
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			config := configOf(path)
			config.Sealer = c.sealer
			if got := Reported(mustOpen(t, config)); got.SetAside != 1 || got.Refused != 1 || got.Calls != 0 || got.Broken != 0 {
				t.Errorf("%s: %+v, want that it is set aside", word, *got)
			}
			aside := fmt.Sprintf("%s.%s-%d", path, word, n+1)
			if b, err := os.ReadFile(aside); err != nil || !bytes.Equal(b, c.file) {
				t.Errorf("%s: %v, want the file as it was", aside, err)
			}
			if word != "other-key" {
				continue
			}
			if err := os.Rename(aside, path); err != nil {
				t.Fatal(err)
			}
			if got := Reported(mustOpen(t, configOf(path))); got.Calls != 20 {
				t.Errorf("with its key: %+v, want 20 calls", *got)
			}
			if err := os.WriteFile(aside, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestALogIsNotReplacedWhenItCannotBeSetAside has a folder that cannot be written.
func TestALogIsNotReplacedWhenItCannotBeSetAside(t *testing.T) {
	file, _ := written(t, 20)
	dir := t.TempDir()
	path := filepath.Join(dir, strings.Repeat("a", 250)) // no longer name is possible
	if err := os.WriteFile(path, bytes.Replace(file, []byte("journal 2"), []byte("journal 9"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Open(configOf(path)).Trouble(); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v, want that the name is too long", err)
	}
	if b, err := os.ReadFile(path); err != nil || len(b) != len(file) {
		t.Errorf("the file has %d bytes, %v, want %d", len(b), err, len(file))
	}
}

// TestALogOfTheVersionBeforeIsTakenUp opens files that the build before wrote: one of three calls that were up, and one of
// a folder that was read in part. Their states are taken up by a Tracker, and the files are of this version afterwards.
func TestALogOfTheVersionBeforeIsTakenUp(t *testing.T) {
	for _, c := range []struct {
		name         string
		cuts         bool
		calls, files int
	}{{"calls-1.journal", false, 3, 0}, {"folder-1.checkpoint", true, 8, 7}} {
		old, err := os.ReadFile(filepath.Join("testdata", c.name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(path, old, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			config := configOf(path)
			config.Cuts = c.cuts
			l := mustOpen(t, config)
			tr := track.New(track.DefaultLimits())
			tr.Save(event.NewKeyer(vault.Demo().TrackRoot()))
			calls := 0
			err := l.Calls(func(one Restorable) {
				if err := tr.Restore(one.Saved, one.Facts); err != nil {
					t.Error(err)
				}
				calls++
			})
			files, cut, filesErr := l.Files()
			if err := errors.Join(err, filesErr); err != nil {
				t.Fatal(err)
			}
			if calls != c.calls || len(files) != c.files || (cut != nil) != c.cuts || Reported(l).Broken != 0 {
				t.Errorf("%s: calls = %d, files = %d, want %d, %d; %+v", c.name, calls, len(files), c.calls, c.files, *Reported(l))
			}
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(b, []byte(firstLine)) {
			t.Errorf("%s: %v, or not of this version", c.name, err)
		}
	}
}

// TestADamagedLogOfTheVersionBeforeCostsItsBlock flips one bit of each byte in turn.
func TestADamagedLogOfTheVersionBeforeCostsItsBlock(t *testing.T) {
	old, err := os.ReadFile(filepath.Join("testdata", "folder-1.checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	_, whole, err := blocksOf(old)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(oldLine) + 16; n < len(old); n += 29 {
		damaged := bytes.Clone(old)
		damaged[n] ^= 4
		d, blocks, err := blocksOf(damaged)
		if err != nil && !errors.Is(err, errKey) || err == nil && d.Places == 0 {
			t.Fatalf("byte %d: %+v, %v, want damage", n, d, err)
		}
		for number, entries := range blocks {
			if len(entries) != len(whole[number]) {
				t.Errorf("byte %d: block %d has %d entries, want %d", n, number, len(entries), len(whole[number]))
			}
		}
	}
}

// FuzzADamagedLogGivesNothingElse damages a log anywhere: what is read is what was written.
func FuzzADamagedLogGivesNothingElse(f *testing.F) {
	file, whole := written(f, 40)
	f.Add(uint16(100), byte(1), uint16(0))
	f.Add(uint16(3), byte(255), uint16(7))
	f.Add(uint16(len(file)-1), byte(0), uint16(200))
	f.Fuzz(func(t *testing.T, place uint16, change byte, cut uint16) {
		damaged := bytes.Clone(file)
		damaged[int(place)%len(damaged)] ^= change
		damaged = damaged[:len(damaged)-int(cut)%len(damaged)]
		d, blocks, err := blocksOf(damaged)
		if err != nil {
			return
		}
		if same := bytes.Equal(damaged, file); same != (d.Places == 0) {
			t.Errorf("damage = %+v, and the file is the same: %v", d, same)
		}
		for n, entries := range blocks {
			for i, e := range entries {
				if want := whole[n][i]; e.Kind != want.Kind || e.Name != want.Name || !bytes.Equal(e.Body, want.Body) {
					t.Errorf("entry %d of block %d is another one", i, n)
				}
			}
		}
	})
}
