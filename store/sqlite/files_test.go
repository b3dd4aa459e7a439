package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sipsieve/configs"
	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/storetest"
)

func put(t testing.TB, s *Store, drafts ...storetest.Draft) {
	t.Helper()
	var xs []policy.Excerpt
	for _, d := range drafts {
		xs = append(xs, d.Excerpt(t))
	}
	if err := s.Put(t.Context(), xs); err != nil {
		t.Fatal(err)
	}
}

func rows(t testing.TB, s *Store, purpose string) int {
	t.Helper()
	counts, err := s.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return counts[purpose]
}

// files returns the names of the files under a store's directory, the lock aside.
func files(t *testing.T, s *Store) (names []string) {
	t.Helper()
	err := filepath.WalkDir(string(s.dir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "lock" && d.Name() != catalogueFile {
			name, _ := filepath.Rel(string(s.dir), path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestNobodyElseMayReadTheFiles(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"))
	err := filepath.WalkDir(string(s.dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		stat, err := d.Info()
		if err == nil && stat.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode = %v, want nothing for others", d.Name(), stat.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files(t, s)) < 2 {
		t.Errorf("files = %v, want a partition and its log", files(t, s))
	}
}

func TestOneProcessOwnsTheDirectory(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	if _, err := Open(Config{Dir: string(s.dir)}); !errors.Is(err, store.ErrOwned) {
		t.Errorf("error = %v, want ErrOwned", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	opened(t, Config{Dir: string(s.dir)})
}

func TestSweepLeavesNoByteOfADay(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	gone, stays := storetest.Call("gone"), storetest.Call("stays").On(1)
	gone.Text, stays.Text = "markedgone", "markedstays"
	put(t, s, gone, stays)
	if _, err := s.Sweep(t.Context(), storetest.Expires); err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, s) {
		content, err := os.ReadFile(filepath.Join(string(s.dir), name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("markedgone")) || strings.Contains(name, "2026-11-24") {
			t.Errorf("%s is still there, or holds what was swept", name)
		}
	}
}

func TestSweepFindsWhatACrashLeft(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a").On(1))
	orphan := filepath.Join(string(s.dir), "billing", "2026-11-20.db-wal")
	if err := os.WriteFile(orphan, []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	gone, err := s.Sweep(t.Context(), storetest.Expires)
	if gone != 0 || err != nil {
		t.Errorf("swept = %d, %v, want 0", gone, err)
	}
	if _, err := os.Stat(orphan); !errors.Is(err, os.ErrNotExist) {
		t.Error("the log without its partition is still there")
	}
}

func TestSweepForgetsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"), storetest.Call("b").On(1))
	if err := s.open.closeAll(); err != nil {
		t.Fatal(err)
	}
	path := s.dir.path(place{Purpose: "billing", Expires: storetest.Expires})
	if err := os.WriteFile(path, bytes.Repeat([]byte("damaged."), 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(t.Context(), storetest.Expires); err != nil {
		t.Error(err)
	}
	if n := rows(t, s, "billing"); n != 1 {
		t.Errorf("rows = %d, want the one of the other day", n)
	}
}

func TestAPartitionThatWasOnlyBegunIsEmpty(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"))
	begun := s.dir.path(place{Purpose: "billing", Expires: storetest.Expires}.Next(1))
	if err := os.WriteFile(begun, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, s, "billing"); n != 1 {
		t.Errorf("rows = %d, want 1", n)
	}
	put(t, s, storetest.Call("b"), storetest.Call("c").On(1))
	if n := rows(t, s, "billing"); n != 3 {
		t.Errorf("rows = %d, want 3", n)
	}
}

func TestExpiredExcerptsAreSuppressedAndCounted(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Today: func() policy.Date { return storetest.Expires }})
	put(t, s, storetest.Call("late"), storetest.Call("later").On(-9), storetest.Call("fresh").On(1))
	if n, gone := rows(t, s, "billing"), s.Suppressed()["billing"]; n != 1 || gone != 2 {
		t.Errorf("rows = %d, suppressed = %d, want 1, 2", n, gone)
	}
}

func TestExpiryFromReceiptJoinsOverAllDays(t *testing.T) {
	t.Parallel()
	text := bytes.Replace(configs.Policy, []byte("[purpose.billing]\n"), []byte("[purpose.billing]\nfrom = \"receipt\"\n"), 1)
	rules, err := policy.Parse("policy.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := rules.Purpose("billing"); !ok || !u.FromReceipt {
		t.Fatal("the policy does not count from receipt")
	}
	s := opening(t, Config{Policy: rules}, 2)
	for day := range 12 {
		put(t, s, storetest.Call(fmt.Sprint("day", day)).On(day))
	}
	var again []storetest.Draft
	for day := range 12 {
		d := storetest.Call(fmt.Sprint("day", day)).On(20)
		d.Revision = 2
		again = append(again, d)
	}
	put(t, s, again...)
	if n := rows(t, s, "billing"); n != 12 {
		t.Errorf("rows = %d, want 12", n)
	}
	for item, err := range s.Query(t.Context(), store.Query{Purpose: "billing"}) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(item.Body, []byte(`"expires":"2026-12-14"`)) {
			t.Errorf("body = %s, want what came last", item.Body)
		}
	}
	replay := storetest.Call("day3").On(40)
	put(t, s, replay) // revision 1 of what is known as 2
	if n := rows(t, s, "billing"); n != 12 {
		t.Errorf("rows after an older revision = %d, want 12", n)
	}
}

// TestARepeatedPutMendsACrashBetweenTwoFiles: SQLite commits one file after the other.
func TestARepeatedPutMendsACrashBetweenTwoFiles(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	old, fresh := storetest.Call("a"), storetest.Call("a").On(1)
	fresh.Revision = 2
	put(t, s, fresh)
	// Put the old row beside it, as if the crash had come before it was taken out.
	p := place{Purpose: "billing", Expires: storetest.Expires}
	w := writer{open: &s.open, done: map[place]entry{}}
	c := store.Change{Write: map[place][]store.Row{p: {{Excerpt: old.Excerpt(t)}}}}
	if err := errors.Join(w.apply(t.Context(), c), s.catalogue.put(w.done, nil)); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, s, "billing"); n != 2 {
		t.Fatalf("rows after the crash = %d, want 2", n)
	}
	put(t, s, fresh)
	if n := rows(t, s, "billing"); n != 1 {
		t.Errorf("rows = %d, want 1", n)
	}
}

func TestOpenFilesAreBounded(t *testing.T) {
	t.Parallel()
	s := opening(t, Config{}, 3)
	for day := range 40 {
		put(t, s, storetest.Call(fmt.Sprint(day)).On(2*day))
		if n := len(s.open.by); n > 3 || n != len(s.open.order) {
			t.Fatalf("open = %d, in order = %d, want 3 at most", n, len(s.open.order))
		}
	}
	if n := rows(t, s, "billing"); n != 40 {
		t.Errorf("rows = %d, want 40", n)
	}
}

func TestKeysOfTheEnvelopeAreColumns(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	d := storetest.Call("a")
	put(t, s, d)
	db, err := sql.Open("sqlite", dataSource(s.dir.path(place{Purpose: "billing", Expires: storetest.Expires}), true))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var id, expires, site, class string
	err = db.QueryRow(`SELECT id, expires, site, class FROM excerpt`).Scan(&id, &expires, &site, &class)
	if err != nil {
		t.Fatal(err)
	}
	if id != "a" || expires != "2026-11-24" || site != "dfw1" || class != "cpni" {
		t.Errorf("row = %s %s %s %s, want what the body says", id, expires, site, class)
	}
}

func TestWritesAreSynchronousAndErasing(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "secure_delete": "1"} {
		var got string
		if err := s.open.by[place{Purpose: "billing", Expires: storetest.Expires}].db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s = %s, want %s", pragma, got, want)
		}
	}
}

// TestAJoinOverTwoDaysIsSynchronousInBoth looks at the transaction's other file: a pragma is of one file only.
func TestAJoinOverTwoDaysIsSynchronousInBoth(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"), storetest.Call("b").On(1))
	p := place{Purpose: "billing", Expires: storetest.Expires}
	conn, err := s.open.by[p].db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := (&writer{open: &s.open}).attach(t.Context(), conn, []place{p.Next(1)}); err != nil {
		t.Fatal(err)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "secure_delete": "1"} {
		var got string
		if err := conn.QueryRowContext(t.Context(), "PRAGMA beside0."+pragma).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s = %s, want %s", pragma, got, want)
		}
	}
}

func TestErrorsNameNoContent(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"))
	path := s.dir.path(place{Purpose: "billing", Expires: storetest.Expires})
	if err := s.open.closeAll(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("+15551234567"), 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.open.partition(t.Context(), place{Purpose: "billing", Expires: storetest.Expires})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("error = %v, want ErrUnavailable", err)
	}
	if strings.Contains(err.Error(), "555") || strings.Contains(err.Error(), "secretid") {
		t.Errorf("the error quotes: %v", err)
	}
}
