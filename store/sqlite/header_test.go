package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sipsieve/store"
	"sipsieve/store/disk"
	"sipsieve/store/policy"
	"sipsieve/store/storetest"
)

// flipped returns a copy of a store with one bit of a file changed.
func flipped(t *testing.T, source, name string, offset int64, bit int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "billing", name), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	one := make([]byte, 1)
	if _, err := f.ReadAt(one, offset); err != nil {
		t.Fatal(err)
	}
	one[0] ^= 1 << bit
	if _, err := f.WriteAt(one, offset); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestABitOfAHeaderIsFoundOrCostsNothing changes a bit of each byte of the header of a database, of its log and of the
// log's first frame: whatever SQLite makes of it.
func TestABitOfAHeaderIsFoundOrCostsNothing(t *testing.T) {
	t.Parallel()
	drafts := daysOf(60)
	bodies := map[string]policy.Date{}
	for _, d := range drafts {
		x := d.Excerpt(t)
		bodies[string(x.Body())] = x.Expires
	}
	day := storetest.Expires.String()
	idle, busy := killed(t, drafts, true), killed(t, drafts, false)
	step := int64(29)
	if os.Getenv("SIPSIEVE_FULL") != "" {
		step = 1
	}
	random := rand.New(rand.NewPCG(8, 8))
	for _, c := range []struct {
		name, source string
		bytes        int64
		found        bool
	}{{day + ".db", idle, schemaHeader + 12, true}, {day + ".db", busy, schemaHeader + 12, false},
		{day + ".db-wal", busy, logHeader + frameHeader + 8, false}} {
		offsets := []int64{18, 60, 63} // of a database: who may write, and the version of the tables
		for offset := int64(0); offset < c.bytes; offset += step {
			offsets = append(offsets, offset)
		}
		for _, offset := range offsets {
			bit := random.IntN(8)
			dir := flipped(t, c.source, c.name, offset, bit)
			damagedStore(t, fmt.Sprintf("%s, settled %t: byte %d, bit %d", c.name, c.found, offset, bit), dir, drafts, bodies, c.found)
		}
	}
}

// TestAFaultOfTheProgramSetsNothingAside has a statement and a row refused by a file that is well.
func TestAFaultOfTheProgramSetsNothingAside(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"), storetest.Call("b").On(1))
	p := place{Purpose: "billing", Expires: storetest.Expires}
	row := store.Row{Excerpt: storetest.Call("a").Excerpt(t)} // there already
	for name, c := range map[string]store.Change{
		"of one file":  {Write: map[place][]store.Row{p: {row}}},
		"of two files": {Write: map[place][]store.Row{p: {row}, p.Next(1): {{Excerpt: storetest.Call("c").On(1).Excerpt(t)}}}},
	} {
		err := s.mending(t.Context(), func(w *writer) error { return w.apply(t.Context(), c) })
		if err == nil || !errors.Is(err, store.ErrUnavailable) || isDamage(err) {
			t.Errorf("a key twice in a change %s: %v, want an error that is no damage", name, err)
		}
	}
	one, err := s.open.partition(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = one.db.ExecContext(t.Context(), "SELECT nothing FROM excerpt")
	if err := s.open.damagedBy(t.Context(), p, wrap("look up", err)); err == nil || errors.As(err, new(damageError)) {
		t.Errorf("a wrong statement: %v, want an error that is no damage", err)
	}
	if aside, _ := filepath.Glob(filepath.Join(string(s.dir), "billing", "*.damaged-*")); len(aside) > 0 || len(s.Missing()) > 0 {
		t.Errorf("set aside: %v, missing %v", aside, s.Missing())
	}
	if n := rows(t, s, "billing"); n != 2 {
		t.Errorf("rows = %d, want 2", n)
	}
}

// TestAPartitionThatIsDamagedAgainAndAgainIsLeft has a partition look damaged whatever takes its place.
func TestAPartitionThatIsDamagedAgainAndAgainIsLeft(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"), storetest.Call("b").On(1))
	p := place{Purpose: "billing", Expires: storetest.Expires}
	for range 2 {
		err := s.mending(t.Context(), func(*writer) error { return damageError{p} })
		if !errors.As(err, new(againError)) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error = %v, want that it is left as it is", err)
		}
	}
	if aside, _ := filepath.Glob(filepath.Join(string(s.dir), "billing", "*.damaged-?")); len(aside) != mendLimit {
		t.Errorf("set aside: %v, want %d files", aside, mendLimit)
	}
	put(t, s, storetest.Call("c").On(1)) // another day
	if got := bodies(t, s); len(got) != 3 {
		t.Errorf("%d records, want 3: of the last file, and of the other day", len(got))
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.mending(t.Context(), func(w *writer) error { return nil }); err != nil || len(s.mended) > 0 {
		t.Errorf("after a check: %v, %v, want a new beginning", err, s.mended)
	}
}

// TestOneDayThatCannotBeWrittenKeepsNoOtherFromBeing has a day that is no file, at a Put and at the start.
func TestOneDayThatCannotBeWrittenKeepsNoOtherFromBeing(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a").On(1))
	bad := s.dir.path(place{Purpose: "billing", Expires: storetest.Expires})
	s.mended[place{Purpose: "billing", Expires: storetest.Expires}] = mendLimit
	if err := os.WriteFile(bad, []byte("no database, and again and again no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Put(t.Context(), []policy.Excerpt{storetest.Call("b").Excerpt(t), storetest.Call("c").On(1).Excerpt(t)})
	var faults store.Faults
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Purpose != "billing" || faults[0].Cause != store.CauseDamaged {
		t.Errorf("error = %v, want a fault of billing", err)
	}
	if got := bodies(t, s); len(got) != 2 {
		t.Errorf("%d records, want those of the other day", len(got))
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	put(t, s, storetest.Call("b"), storetest.Call("c").On(1))
	if got := bodies(t, s); len(got) != 3 {
		t.Errorf("%d records once it was set aside, want 3", len(got))
	}
}

// TestARenamedCatalogueIsTheOneThatIsWritten: its directory cannot be synced after the file was renamed.
func TestARenamedCatalogueIsTheOneThatIsWritten(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"), storetest.Call("b").On(1))
	failure := errors.New("no sync")
	s.catalogue.syncDir = func(string) error { return failure }
	if _, err := s.Sweep(t.Context(), storetest.Expires); err == nil {
		t.Error("swept without an error, want one: the directory was not synced")
	}
	if err := s.Put(t.Context(), []policy.Excerpt{storetest.Call("c").On(2).Excerpt(t)}); err == nil {
		t.Error("put without an error, want one: a crash of the host would bring the old catalogue back")
	}
	s.catalogue.syncDir = disk.SyncDir
	put(t, s, storetest.Call("c").On(2))
	c, err := readCatalogue(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.of(""), s.catalogue.of(""); !slices.Equal(got, want) || len(got) != 2 {
		t.Errorf("on disk %v, in memory %v, want the same two", got, want)
	}
}
