package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"sipsieve/sip/event"
	"sipsieve/store/vault"
)

// savedCalls are the calls of a log by their names.
type savedCalls map[event.Key]savedCall

// take notes an entry.
func (k savedCalls) take(e *Entry) {
	if e.Kind == GoneEntry {
		delete(k, e.Name)
		return
	}
	c := k[e.Name]
	c.keep(e)
	k[e.Name] = c
}

// configOf returns the settings of a log under the demonstration keys.
func configOf(path string) Config {
	return Config{Path: path, Policy: "0123456789abcdef", Sealer: vault.Demo().Sealer("journal"),
		Log: slog.New(slog.DiscardHandler)}
}

// openedLog opens the log at path, and returns what it holds.
func openedLog(t testing.TB, path string) (*Log, savedCalls) {
	t.Helper()
	return opened(t, configOf(path))
}

func opened(t testing.TB, c Config) (*Log, savedCalls) {
	t.Helper()
	l := mustOpen(t, c)
	kept := savedCalls{}
	_, err := l.read(func(block uint64, e *Entry) error {
		if e.Kind != FileEntry && l.out.index.counts(block, e) {
			kept.take(e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, kept
}

// stateOf and frozenOf are entries of the n-th call, each telling of its version.
func stateOf(n, version int) Entry {
	return Entry{Kind: StateEntry, Name: event.Key{byte(n), byte(n >> 8), byte(n >> 16), 1},
		Body: fmt.Appendf(nil, "state %d %d", n, version)}
}

func frozenOf(n int) Entry {
	e := stateOf(n, 0)
	return Entry{Kind: FrozenEntry, Name: e.Name, Body: bytes.Repeat([]byte{byte(n)}, 500)}
}

func goneOf(n int) Entry { return Entry{Kind: GoneEntry, Name: stateOf(n, 0).Name} }

// sameCalls compares what is kept with what was said last.
func sameCalls(t *testing.T, got, want savedCalls) {
	t.Helper()
	if !maps.EqualFunc(got, want, func(a, b savedCall) bool {
		return bytes.Equal(a.state, b.state) && bytes.Equal(a.frozen, b.frozen)
	}) {
		t.Errorf("kept = %d calls, want %d, or otherwise", len(got), len(want))
	}
}

// TestTheJournalHoldsTheNewestWordOnEachCallAndStaysSmall changes 300 calls for a thousand seconds.
func TestTheJournalHoldsTheNewestWordOnEachCallAndStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	j, _ := openedLog(t, path)
	want := savedCalls{}
	largest, rewrites := int64(0), 0
	for version := range 1000 {
		var batch []Entry
		for i := range 30 {
			n := (version*7 + i*11) % 300
			switch e := stateOf(n, version); {
			case (version+i)%13 == 0:
				batch = append(batch, goneOf(n))
			case want[e.Name].state == nil:
				batch = append(batch, frozenOf(n), e)
			default:
				batch = append(batch, e)
			}
			want.take(&batch[len(batch)-1])
			if k := len(batch) - 2; k >= 0 && batch[k].Kind == FrozenEntry {
				want.take(&batch[k])
			}
		}
		if err := j.append(batch); err != nil {
			t.Fatal(err)
		}
		if j.needsCompaction() {
			if err := j.compact(); err != nil {
				t.Fatal(err)
			}
			rewrites++
		}
		largest = max(largest, j.out.size)
	}
	held := int64(0)
	for _, p := range j.out.index.of {
		held += int64(p.stateSize) + int64(p.frozenSize)
	}
	if j.out.index.held != held || len(j.out.index.of) != len(want) || rewrites == 0 || largest > 2*300*600+2*compactAfter {
		t.Errorf("held = %d, want %d; %d calls, want %d; %d rewrites; largest = %d", j.out.index.held, held, len(j.out.index.of), len(want),
			rewrites, largest)
	}
	_ = j.out.f.Close()
	j, kept := openedLog(t, path)
	sameCalls(t, kept, want)
	_ = j.out.f.Close()
	_, kept = openedLog(t, path) // as the last start wrote it
	sameCalls(t, kept, want)
}

// TestWhatIsOverGoesFromTheDisk looks at a journal that nothing is written to any more but that was not rewritten for
// long.
func TestWhatIsOverGoesFromTheDisk(t *testing.T) {
	j, _ := openedLog(t, filepath.Join(t.TempDir(), "calls.journal"))
	for n := range 20 {
		if err := j.append([]Entry{frozenOf(n), stateOf(n, 1), goneOf(n)}); err != nil {
			t.Fatal(err)
		}
	}
	if j.needsCompaction() {
		t.Error("it is rewritten for little")
	}
	if j.compacted = j.compacted.Add(-compactEvery - time.Minute); !j.needsCompaction() {
		t.Error("it is never rewritten")
	}
	if err := j.compact(); err != nil || j.out.size > 200 {
		t.Errorf("size = %d, %v, want a head alone", j.out.size, err)
	}
}

// TestAFullDiskCostsNothingOnceThereIsRoom makes two writes fail; one call ends between them that no file knows.
func TestAFullDiskCostsNothingOnceThereIsRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	j, _ := openedLog(t, path)
	if err := j.append([]Entry{frozenOf(1), stateOf(1, 1)}); err != nil {
		t.Fatal(err)
	}
	whole := j.out.f
	j.out.f, _ = os.Open(path) // cannot be written
	for _, batch := range [][]Entry{{stateOf(1, 2), frozenOf(2), stateOf(2, 1), frozenOf(4), stateOf(4, 1)},
		{stateOf(2, 2), goneOf(4)}} {
		if err := j.append(batch); err == nil {
			t.Fatal("it was written: the test shows nothing")
		}
	}
	if n := len(j.unwritten); n != 3 {
		t.Errorf("unwritten = %d entries, want the 3 that count", n)
	}
	_ = j.out.f.Close()
	j.out.f = whole
	if err := j.append([]Entry{frozenOf(3), stateOf(3, 1)}); err != nil {
		t.Fatal(err)
	}
	_, kept := openedLog(t, path)
	want := savedCalls{}
	for _, e := range []Entry{frozenOf(1), stateOf(1, 2), frozenOf(2), stateOf(2, 2), frozenOf(3), stateOf(3, 1)} {
		want.take(&e)
	}
	sameCalls(t, kept, want)
}

// TestADiskThatCannotBeWrittenIsNamedOnceAndWhenItIsOver follows what Run notes after each write.
func TestADiskThatCannotBeWrittenIsNamedOnceAndWhenItIsOver(t *testing.T) {
	var log bytes.Buffer
	c := configOf(filepath.Join(t.TempDir(), "calls.journal"))
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	l := mustOpen(t, c)
	full := &os.PathError{Op: "write", Path: c.Path, Err: syscall.ENOSPC}
	for range 3 {
		if l.noteTrouble(full); !errors.Is(l.Trouble(), syscall.ENOSPC) {
			t.Errorf("trouble = %v, want %v", l.Trouble(), full)
		}
	}
	if l.noteTrouble(nil); l.Trouble() != nil || l.count.failed.Load() != 3 {
		t.Errorf("trouble = %v, failed = %d, want none, 3", l.Trouble(), l.count.failed.Load())
	}
	text := log.String()
	if strings.Count(text, c.Path) != 1 || strings.Count(text, "\n") != 2 || !strings.Contains(text, "written again") {
		t.Errorf("log = %q, want the file once, and that it is written again", text)
	}
}

// TestACallWithoutWhatWasFrozenIsRefused: it would be followed on and never told.
func TestACallWithoutWhatWasFrozenIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	j, _ := openedLog(t, path)
	if err := j.append([]Entry{stateOf(1, 1), frozenOf(2), stateOf(2, 1)}); err != nil {
		t.Fatal(err)
	}
	j, kept := openedLog(t, path)
	if _, ok := kept[stateOf(2, 1).Name]; len(kept) != 1 || !ok || j.count.refused.Load() != 1 {
		t.Errorf("kept = %d, refused = %d, want the second call, 1", len(kept), j.count.refused.Load())
	}
}

// TestTheNewestWordsOnACallAreKept has a call that changes, one that ends, and one that begins again.
func TestTheNewestWordsOnACallAreKept(t *testing.T) {
	a, b, c := event.Key{1}, event.Key{2}, event.Key{3}
	got := NewestOf([]Entry{
		{Kind: StateEntry, Name: a, Body: []byte("old")}, {Kind: FrozenEntry, Name: a, Body: []byte("first")},
		{Kind: StateEntry, Name: b}, {Kind: FrozenEntry, Name: b},
		{Kind: GoneEntry, Name: b}, {Kind: GoneEntry, Name: c},
		{Kind: StateEntry, Name: a, Body: []byte("new")}, {Kind: StateEntry, Name: c, Body: []byte("again")},
	})
	want := []Entry{
		{Kind: FrozenEntry, Name: a, Body: []byte("first")}, {Kind: GoneEntry, Name: b}, {Kind: GoneEntry, Name: c},
		{Kind: StateEntry, Name: a, Body: []byte("new")},
		{Kind: StateEntry, Name: c, Body: []byte("again")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("entries = %v, want %v", got, want)
	}
}

// TestAnErrorOfTheDiskLeavesTheLogAsItIs has the disk refuse to read a log: that is no damage, and nothing is dropped.
func TestAnErrorOfTheDiskLeavesTheLogAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.Symlink(path, path); err != nil { // reading it is ELOOP
		t.Fatal(err)
	}
	if err := Open(configOf(path)).Trouble(); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("err = %v, want %v", err, syscall.ELOOP)
	}
	if st, err := os.Lstat(path); err != nil || st.Mode().Type() != os.ModeSymlink {
		t.Errorf("the log was replaced: %v, %v", st, err)
	}
	w := newBlockWriter(vault.Demo().Sealer("journal"), "policy")
	one := stateOf(1, 1)
	w.add(&one)
	w.seal()
	for n := range len(w.sealed) {
		r := io.MultiReader(bytes.NewReader(w.sealed[:n]), iotest.ErrReader(syscall.EIO))
		_, err := Read(r, vault.Demo().Sealer("journal"), func(string) {}, func(uint64, *Entry) error { return nil })
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("after %d bytes: err = %v, want %v", n, err, syscall.EIO)
		}
	}
}
