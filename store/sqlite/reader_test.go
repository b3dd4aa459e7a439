package sqlite

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"sipsieve/store"
	"sipsieve/store/storetest"
)

// TestAReaderKeepsNoStoreFromOpening stops a query in the middle of a partition, and has a Store open, put, join and
// sweep meanwhile.
func TestAReaderKeepsNoStoreFromOpening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := opened(t, Config{Dir: dir})
	var drafts []storetest.Draft
	for n := range 100 {
		drafts = append(drafts, storetest.Call(fmt.Sprintf("call%03d", n)).On(n%2))
	}
	put(t, s, drafts...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	next, stop := iter.Pull2(r.Query(t.Context(), store.Query{Purpose: "billing"}))
	defer stop()
	if _, err, ok := next(); !ok || err != nil {
		t.Fatalf("first row: %v, %v", ok, err)
	}
	s = opened(t, Config{Dir: dir})
	better := storetest.Call("call050")
	better.Revision = 2
	put(t, s, better, storetest.Call("fresh"))
	if n := rows(t, s, "billing"); n != 101 {
		t.Errorf("rows = %d, want 101", n)
	}
	if _, err := s.Sweep(t.Context(), storetest.Expires); err != nil {
		t.Error(err)
	}
	read := 1
	for _, err, ok := next(); ok; _, err, ok = next() {
		if err != nil {
			t.Fatal(err)
		}
		read++
	}
	if read != 100 {
		t.Errorf("the reader has %d rows, want the 100 of when it began", read)
	}
}

// TestAReaderOfNothingMakesNothing reads where no store was ever.
func TestAReaderOfNothingMakesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	r, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for item, err := range r.Query(t.Context(), store.Query{Purpose: "billing"}) {
		t.Errorf("got %s, %v, want nothing", item.Body, err)
	}
	if found, _ := filepath.Glob(dir); found != nil {
		t.Error("the directory was made")
	}
}

// TestAReaderAnswersAfterACrashInTheFirstPut has the file of a partition, and a catalogue as it was before it was made.
func TestAReaderAnswersAfterACrashInTheFirstPut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := opened(t, Config{Dir: dir})
	before, err := os.ReadFile(s.catalogue.path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, storetest.Call("call"))
	if err := errors.Join(s.Close(), os.WriteFile(s.catalogue.path, before, 0o600)); err != nil {
		t.Fatal(err)
	}
	r, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for item, err := range r.Query(t.Context(), store.Query{Purpose: "billing"}) {
		t.Errorf("got %s, %v, want nothing: the Put has not returned", item.Body, err)
	}
	if n := rows(t, opened(t, Config{Dir: dir}), "billing"); n != 1 {
		t.Errorf("rows = %d, want what was committed", n)
	}
}
