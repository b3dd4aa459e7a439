package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sipsieve/store"
	"sipsieve/store/storetest"
)

// firstTable is that of the first version, without columns of the configuration.
const firstTable = `CREATE TABLE excerpt (id TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, sensor TEXT NOT NULL,
	stage TEXT NOT NULL, revision INTEGER NOT NULL, status TEXT NOT NULL, completeness INTEGER NOT NULL, body TEXT NOT NULL,
	"schema" ANY GENERATED ALWAYS AS (body ->> '$.schema') VIRTUAL) STRICT`

// firstVersion returns the directory of a store as the first version left it, with one row.
func firstVersion(t *testing.T, d storetest.Draft) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "billing", "2026-11-24.db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	x := d.Excerpt(t)
	for statement, args := range map[string][]any{
		"PRAGMA journal_mode = WAL": nil,
		firstTable + `; INSERT INTO excerpt VALUES (?, ?, ?, ?, ?, ?, ?, ?)`: {x.ID, x.Kind, x.Sensor, x.Stage, x.Revision,
			x.Status, x.Completeness, string(x.Body())},
	} {
		if _, err := db.Exec(statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// bodies returns what a store has of billing.
func bodies(t *testing.T, s *Store) (all []string) {
	t.Helper()
	for item, err := range s.Query(t.Context(), store.Query{Purpose: "billing"}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(item.Body))
	}
	return all
}

// TestAFileOfTheFirstVersionIsReadAndJoined: its rows are read as they are, replaced and swept like others, and new
// ones beside them are joined by their dialog.
func TestAFileOfTheFirstVersionIsReadAndJoined(t *testing.T) {
	t.Parallel()
	old := storetest.Call("old")
	s := opened(t, Config{Dir: firstVersion(t, old)})
	if got := bodies(t, s); len(got) != 1 || got[0] != string(old.Excerpt(t).Body()) {
		t.Fatalf("bodies = %s, want the old one", got)
	}
	dialog := "d"
	whole, bye, better := storetest.Call("whole"), storetest.Call("bye"), storetest.Call("old")
	whole.Dialog, whole.Missing = &dialog, []string{"bye"}
	bye.Dialog, bye.Missing, bye.Sensor = &dialog, []string{"invite", "final_response", "ack"}, "s2"
	better.Revision = 2
	put(t, s, bye)
	put(t, s, whole, better)
	if got := bodies(t, s); len(got) != 2 || got[0] != string(better.Excerpt(t).Body()) {
		t.Errorf("bodies = %s, want the new revision of the old row, and one of the dialog", got)
	}
	if gone, err := s.Sweep(t.Context(), storetest.Expires); gone != 2 || err != nil {
		t.Errorf("swept = %d, %v, want 2", gone, err)
	}
}

// makeFrom makes the partition that a script of statements is named after.
func makeFrom(t *testing.T, script, dir string) {
	t.Helper()
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "billing", strings.TrimSuffix(filepath.Base(script), ".sql")+".db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA journal_mode = WAL;" + string(text)); err != nil {
		t.Fatal(err)
	}
}
