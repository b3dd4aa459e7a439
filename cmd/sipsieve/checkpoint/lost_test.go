package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatIsLostIsExactUnlessAnEndIsDamaged damages a log of calls of which many end. What it says is lost is never less
// than what is, and exactly that if the damaged blocks have no end of a call and the mark is there.
func TestWhatIsLostIsExactUnlessAnEndIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	l := mustOpen(t, configOf(path))
	for first := 0; first < 300; first += 10 {
		var entries []Entry
		for n := first; n < first+10; n++ {
			entries = append(entries, frozenOf(n), stateOf(n, 1))
		}
		if first%50 == 40 {
			for n := range 30 {
				entries = append(entries, goneOf(first-n))
			}
		}
		if err := l.append(entries); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	mark, markErr := os.ReadFile(path + markSuffix)
	_, blocks, readErr := blocksOf(file)
	if err := errors.Join(err, markErr, readErr); err != nil {
		t.Fatal(err)
	}
	all, exact := callsOf(blocks), 0
	r := rand.New(rand.NewPCG(7, 7))
	for round := range 100 {
		damaged, n := bytes.Clone(file), r.IntN(len(file))
		if damaged[n] ^= 1 << r.IntN(8); round%3 == 0 {
			damaged = damaged[:n]
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+markSuffix, mark, 0o600); err != nil {
			t.Fatal(err)
		}
		if round%5 == 0 {
			if err := os.Remove(path + markSuffix); err != nil {
				t.Fatal(err)
			}
		}
		_, intact, err := blocksOf(damaged)
		if err != nil {
			t.Fatal(err)
		}
		lost, left, ends := uint64(0), callsOf(intact), false
		for name := range all {
			if _, ok := left[name]; !ok {
				lost++
			}
		}
		for n, entries := range blocks {
			for i := range entries {
				ends = ends || entries[i].Kind == GoneEntry && intact[n] == nil
			}
		}
		got := Reported(mustOpen(t, configOf(path)))
		sure := !ends && round%5 != 0
		if got.Broken != 1 || got.Lost < lost && len(damaged) >= blocksAt || sure && got.Lost != lost {
			t.Errorf("round %d: lost = %d, want %d, exactly: %v", round, got.Lost, lost, sure)
		}
		if sure && lost > 0 {
			exact++
		}
	}
	if exact < 10 {
		t.Errorf("exact = %d: the test shows nothing", exact)
	}
}

// TestALogThatIsGoneIsMissed deletes and empties a log whose mark says what it had, at the start and while it is in use.
func TestALogThatIsGoneIsMissed(t *testing.T) {
	for what, spoil := range map[string]func(path string) error{
		"deleted": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
	} {
		path := filepath.Join(t.TempDir(), "calls.journal")
		l := mustOpen(t, configOf(path))
		if err := l.append([]Entry{frozenOf(1), stateOf(1, 1), frozenOf(2), stateOf(2, 1)}); err != nil {
			t.Fatal(err)
		}
		_ = l.out.close()
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		c := configOf(path)
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		got := Reported(mustOpen(t, c))
		if got.Broken != 1 || got.Lost != 2 || got.LostEntries != 4 || !strings.Contains(log.String(), "lost=2") {
			t.Errorf("%s: %+v, log %q, want 2 calls of 4 entries lost", what, *got, log.String())
		}
		if got := Reported(mustOpen(t, configOf(path))); got.Broken != 0 || got.Lost != 0 {
			t.Errorf("%s: at the start after: %+v, want no damage", what, *got)
		}
	}
	if got := Reported(mustOpen(t, configOf(filepath.Join(t.TempDir(), "calls.journal")))); got.Broken != 0 {
		t.Errorf("a first start: %+v, want no damage", *got)
	}
}

// TestALogThatIsDeletedInUseIsWrittenAnew also replaces it by another file.
func TestALogThatIsDeletedInUseIsWrittenAnew(t *testing.T) {
	for what, spoil := range map[string]func(path string) error{
		"deleted":  os.Remove,
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
	} {
		path := filepath.Join(t.TempDir(), "calls.journal")
		l := mustOpen(t, configOf(path))
		l.take(batch{entries: []Entry{frozenOf(1), stateOf(1, 1)}})
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		l.take(batch{entries: []Entry{frozenOf(2), stateOf(2, 1)}})
		if got := Reported(l); l.Trouble() != nil || got.Broken != 1 || got.Lost != 0 {
			t.Errorf("%s: %v, %+v, want that it is counted and nothing lost", what, l.Trouble(), *got)
		}
		_, kept := openedLog(t, path)
		want := savedCalls{}
		for _, e := range []Entry{frozenOf(1), stateOf(1, 1), frozenOf(2), stateOf(2, 1)} {
			want.take(&e)
		}
		sameCalls(t, kept, want)
	}
}

// TestALogThatCannotBeOpenedIsWaitedFor has a folder in its place, as a disk that fails: what comes meanwhile is kept, and
// written when the disk is well. The calls that were there before are counted as lost then.
func TestALogThatCannotBeOpenedIsWaitedFor(t *testing.T) {
	file, mark, _ := writtenWithMark(t, 20)
	path := filepath.Join(t.TempDir(), "calls.journal")
	if err := errors.Join(os.Mkdir(path, 0o700), os.WriteFile(path+markSuffix, mark, 0o600)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := configOf(path)
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	l := Open(c)
	if err := l.Trouble(); err == nil || !strings.Contains(log.String(), path) {
		t.Fatalf("trouble = %v, log %q, want one that names the file", err, log.String())
	}
	if err := l.Calls(func(Restorable) { t.Error("a call is restored") }); err != nil || l.Clock() != nil {
		t.Errorf("calls: %v, want none", err)
	}
	l.running = true
	l.take(batch{entries: []Entry{frozenOf(100), stateOf(100, 1)}})
	if got := Reported(l); got.Failed != 2 || l.Trouble() == nil {
		t.Errorf("%+v, want 2 failures", *got)
	}
	if err := errors.Join(os.Remove(path), os.WriteFile(path, file, 0o600)); err != nil {
		t.Fatal(err)
	}
	l.tried = l.tried.Add(-retryEvery)
	l.take(batch{entries: []Entry{frozenOf(101), stateOf(101, 1)}})
	if got := Reported(l); l.Trouble() != nil || got.Lost != 20 || got.Calls != 2 {
		t.Errorf("%v, %+v, want that 20 calls are lost and 2 kept", l.Trouble(), *got)
	}
	_, kept := openedLog(t, path)
	want := savedCalls{}
	for _, e := range []Entry{frozenOf(100), stateOf(100, 1), frozenOf(101), stateOf(101, 1)} {
		want.take(&e)
	}
	sameCalls(t, kept, want)
}

// TestALogOfADiskThatCannotBeWrittenIsRestored has a folder where the compacted file would be.
func TestALogOfADiskThatCannotBeWrittenIsRestored(t *testing.T) {
	file, _ := written(t, 20)
	path := filepath.Join(t.TempDir(), "calls.journal")
	if err := errors.Join(os.WriteFile(path, file, 0o600), os.MkdirAll(filepath.Join(path+".new", "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	l := Open(configOf(path))
	_, kept := 0, savedCalls{}
	_, err := l.read(func(block uint64, e *Entry) error {
		if l.out.index.counts(block, e) {
			kept.take(e)
		}
		return nil
	})
	if err != nil || l.Trouble() == nil || len(kept) != 20 {
		t.Errorf("%v, trouble %v, calls = %d, want the 20", err, l.Trouble(), len(kept))
	}
	l.take(batch{entries: []Entry{goneOf(1), frozenOf(100), stateOf(100, 1)}})
	if err := os.RemoveAll(path + ".new"); err != nil {
		t.Fatal(err)
	}
	l.tried = l.tried.Add(-retryEvery)
	l.take(batch{})
	if got := Reported(l); l.Trouble() != nil || got.Lost != 0 || got.Calls != 20 {
		t.Errorf("%v, %+v, want 20 calls and none lost", l.Trouble(), *got)
	}
	_, after := openedLog(t, path)
	delete(kept, goneOf(1).Name)
	for _, e := range []Entry{frozenOf(100), stateOf(100, 1)} {
		kept.take(&e)
	}
	sameCalls(t, after, maps.Clone(kept))
}

// TestEveryByteOfALogIsWatched flips one bit of each byte, and cuts the file at each.
func TestEveryByteOfALogIsWatched(t *testing.T) {
	w := newBlockWriter(configOf("").Sealer, "0123456789abcdef")
	for n := range 4 {
		e := stateOf(n, 1)
		w.add(&e)
		w.seal()
	}
	file := bytes.Clone(w.sealed)
	foot := foot{uint64(len(file)), 4, 0}.bytes()
	copy(file[len(firstLine):], foot)
	copy(file[len(firstLine)+footSize:], foot)
	_, whole, err := blocksOf(file)
	if err != nil {
		t.Fatal(err)
	}
	for n := range file {
		flipped := bytes.Clone(file)
		flipped[n] ^= 1 << (n % 8)
		for what, damaged := range map[string][]byte{"flipped": flipped, "cut": file[:n]} {
			d, blocks, err := blocksOf(damaged)
			if err != nil || d.Places == 0 {
				t.Errorf("byte %d %s: %+v, %v, want damage", n, what, d, err)
			}
			for number, entries := range blocks {
				if fmt.Sprint(entries) != fmt.Sprint(whole[number]) {
					t.Errorf("byte %d %s: block %d has %v", n, what, number, entries)
				}
			}
			if what == "flipped" && len(blocks) < len(whole)-1 {
				t.Errorf("byte %d: %d blocks are left of %d", n, len(blocks), len(whole))
			}
		}
	}
}
