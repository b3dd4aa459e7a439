package checkpoint

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sipsieve/sip/event"
)

func cutOf(n int) Entry { return Entry{Kind: CutEntry, Body: fmt.Append(nil, n)} }

func fileOf(n, offset int) Entry {
	return Entry{Kind: FileEntry, Name: event.Key{byte(n), 0xff}, Body: fmt.Appendf(nil, "file %d at %d", n, offset)}
}

// A moment is what a log of cuts has to have after one of them.
type moment struct {
	size  int64
	cut   string
	files []string
	calls savedCalls
}

// moments writes cuts into a log at path, each with more entries than a block has room for now and then, and returns
// what it has to hold after each.
func moments(t *testing.T, path string, n int) (all []moment) {
	t.Helper()
	c := configOf(path)
	c.Cuts = true
	l := mustOpen(t, c)
	r := rand.New(rand.NewPCG(8, 3))
	calls, files := savedCalls{}, map[event.Key]string{}
	all = append(all, moment{l.out.size, "", nil, savedCalls{}})
	for i := range n {
		var entries []Entry
		for range 1 + r.IntN(200) {
			k := r.IntN(300)
			if entries = append(entries, frozenOf(k), stateOf(k, i)); r.IntN(3) == 0 {
				entries = append(entries, goneOf(k))
			}
		}
		f := fileOf(r.IntN(5), i)
		files[f.Name] = string(f.Body)
		entries = append(entries, f, cutOf(i))
		if err := l.append(entries); err != nil {
			t.Fatal(err)
		}
		for j := range entries[:len(entries)-2] {
			calls.take(&entries[j])
		}
		all = append(all, moment{l.out.size, fmt.Sprint(i), slices.Sorted(maps.Values(files)), maps.Clone(calls)})
	}
	return all
}

// TestACutIsThereWholeOrNotAtAll ends the file of a log at any byte, as a power loss can: it holds the files and calls
// of the last cut that is whole, also once it is compacted.
func TestACutIsThereWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "source.0.checkpoint")
	all := moments(t, path, 12)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		size := all[0].size + r.Int64N(int64(len(file))-all[0].size+1)
		if err := os.WriteFile(path, file[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		want := all[0]
		for _, m := range all {
			if m.size <= size {
				want = m
			}
		}
		c := configOf(path)
		c.Cuts = true
		for range 2 {
			l, calls := opened(t, c)
			bodies, cut, err := l.Files()
			var files []string
			for _, b := range bodies {
				files = append(files, string(b))
			}
			slices.Sort(files)
			if err != nil || string(cut) != want.cut || !slices.Equal(files, want.files) {
				t.Fatalf("%d bytes: cut = %s, files = %v, %v; want %s, %v", size, cut, files, err, want.cut, want.files)
			}
			sameCalls(t, calls, want.calls)
			_ = l.out.f.Close()
		}
	}
}

// TestAWholeBatchEndsWhatItSaysNothingOf writes one over calls that are over since, and one that is to be kept.
func TestAWholeBatchEndsWhatItSaysNothingOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "source.0.checkpoint")
	c := configOf(path)
	c.Cuts = true
	l, _ := opened(t, c)
	if err := l.append([]Entry{frozenOf(1), stateOf(1, 1), frozenOf(2), stateOf(2, 1), frozenOf(3), stateOf(3, 1),
		fileOf(1, 1), cutOf(1)}); err != nil {
		t.Fatal(err)
	}
	but := map[event.Key]bool{stateOf(2, 1).Name: true}
	b := batch{entries: []Entry{frozenOf(4), stateOf(4, 1), stateOf(1, 2), cutOf(2)}, whole: true, but: but}
	if err := l.append(l.completed(b)); err != nil {
		t.Fatal(err)
	}
	l, calls := opened(t, c)
	want := savedCalls{}
	for _, e := range []Entry{frozenOf(1), stateOf(1, 2), frozenOf(2), stateOf(2, 1), frozenOf(4), stateOf(4, 1)} {
		want.take(&e)
	}
	sameCalls(t, calls, want)
	if files, _, err := l.Files(); err != nil || len(files) != 1 || !bytes.Equal(files[0], fileOf(1, 1).Body) {
		t.Errorf("files = %d, %v, want the one", len(files), err)
	}
}

// TestCallsComeOnceInHoweverManyPasses, the first of the forks of each INVITE before the others.
func TestCallsComeOnceInHoweverManyPasses(t *testing.T) {
	l, _ := openedLog(t, filepath.Join(t.TempDir(), "calls.journal"))
	var entries []Entry
	for n := range 200 {
		e := stateOf(n, 1)
		if e.Body = make([]byte, 64); n%5 > 0 {
			e.Body[33] = 1 // the head of its INVITE's forks, as track writes it
		}
		entries = append(entries, frozenOf(n), e)
	}
	if err := l.append(entries); err != nil {
		t.Fatal(err)
	}
	for parts := range 9 {
		seen, forks := map[event.Key]bool{}, 0
		err := l.callsIn(parts+1, func(c Restorable) {
			if seen[c.Saved.Name] = true; !c.Saved.Head() {
				forks++
			} else if forks > 0 {
				t.Error("a head comes after a fork")
			}
		})
		if err != nil || len(seen) != 200 || forks != 40 {
			t.Errorf("%d passes: calls = %d, forks = %d, %v, want 200, 40", parts+1, len(seen), forks, err)
		}
	}
}
