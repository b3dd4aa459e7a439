package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sipsieve/store"
	"sipsieve/store/storetest"
)

// TestABackupIsAStore takes a backup while the store puts, opens it in the store's place, and puts everything again.
func TestABackupIsAStore(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	drafts := daysOf(300)
	put(t, s, drafts[:200]...)
	r, err := Read(string(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	dir := filepath.Join(t.TempDir(), "backup")
	go func() { done <- r.Backup(t.Context(), dir) }()
	for _, d := range drafts[200:] {
		put(t, s, d)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := r.Backup(t.Context(), dir); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second one into the same folder: %v, want a refusal", err)
	}
	copied := opened(t, Config{Dir: dir})
	if err := copied.Check(t.Context()); err != nil || len(copied.Missing()) > 0 {
		t.Fatalf("check: %v, %v", err, copied.Missing())
	}
	if n := rows(t, copied, "billing"); n < 200 || n > 300 {
		t.Errorf("rows = %d, want the 200 of before, at least", n)
	}
	put(t, copied, drafts...)
	if got, want := fmt.Sprint(bodies(t, copied)), fmt.Sprint(bodies(t, s)); got != want || rows(t, copied, "billing") != 300 {
		t.Errorf("rows = %d, want the same 300 as in the store", rows(t, copied, "billing"))
	}
}

// TestVerifyFindsWhatCheckMends verifies beside an open store, and after a file of it was damaged.
func TestVerifyFindsWhatCheckMends(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, daysOf(30)...)
	for range 2 {
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Read(string(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	verify := func() (damaged, missing int) {
		all, lines, err := r.Verify(t.Context())
		if err != nil || len(all) != 3 || lines != 0 {
			t.Fatalf("%d partitions, %d lines, %v, want 3", len(all), lines, err)
		}
		for _, v := range all {
			missing += v.Missing
			if v.Damaged {
				damaged++
			}
		}
		return damaged, missing
	}
	if damaged, missing := verify(); damaged != 0 || missing != 0 {
		t.Errorf("damaged = %d, missing = %d, want none", damaged, missing)
	}
	path := s.dir.path(place{Purpose: "billing", Expires: storetest.Expires})
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-5] ^= 4
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if damaged, _ := verify(); damaged != 1 {
		t.Errorf("damaged = %d, want 1", damaged)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if damaged, missing := verify(); damaged != 0 || missing > 1 {
		t.Errorf("after a check: damaged = %d, missing = %d, want none, and one row at most", damaged, missing)
	}
}

// TestAStoreOfBeforeManifestsIsBroughtToThisVersion opens files that the build before this version made (53fa06f), kept
// as statements: rows and what they were made of are the same, and everything put again changes nothing.
func TestAStoreOfBeforeManifestsIsBroughtToThisVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	scripts, err := filepath.Glob("testdata/before-manifests/*.sql")
	if err != nil || len(scripts) != 2 {
		t.Fatal(err, scripts)
	}
	for _, script := range scripts {
		makeFrom(t, script, dir)
	}
	r, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.Query(t.Context(), store.Query{Purpose: "billing"}) {
		if !errors.Is(err, ErrOlder) {
			t.Errorf("a reading before: %v, want ErrOlder", err)
		}
	}
	s := opened(t, Config{Dir: dir})
	if got := bodies(t, s); len(got) != 4 {
		t.Fatalf("bodies = %s, want 4", got)
	}
	before := fmt.Sprint(bodies(t, s))
	dialog := "d"
	whole, bye := storetest.Call("whole"), storetest.Call("bye")
	whole.Dialog, whole.Missing = &dialog, []string{"bye"}
	bye.Dialog, bye.Missing, bye.Sensor = &dialog, []string{"invite", "final_response", "ack"}, "s2"
	put(t, s, bye, storetest.Call("a"), storetest.Call("b"), whole, storetest.Call("c").On(1))
	if after := fmt.Sprint(bodies(t, s)); after != before {
		t.Errorf("bodies = %s, want %s", after, before)
	}
	if err := s.Check(t.Context()); err != nil || len(s.Missing()) > 0 {
		t.Errorf("check: %v, %v", err, s.Missing())
	}
}

// TestAStoreOfANewerVersionIsRefused: nothing of it is touched.
func TestAStoreOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"))
	p := place{Purpose: "billing", Expires: storetest.Expires}
	if _, err := s.open.by[p].db.Exec(fmt.Sprintf("PRAGMA user_version = %d", version+1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: string(s.dir)}); !errors.Is(err, ErrNewer) {
		t.Errorf("error = %v, want ErrNewer", err)
	}
	if aside, _ := filepath.Glob(filepath.Join(string(s.dir), "billing", "*.damaged-*")); len(aside) > 0 {
		t.Errorf("set aside: %v", aside)
	}
}
