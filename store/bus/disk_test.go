package bus

import (
	"encoding/json"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"sipsieve/store"
	"sipsieve/store/sqlite"
)

// mountSmall mounts a disk of 32 MiB at a new folder, which needs root.
func mountSmall(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=32m"); err != nil {
		t.Fatalf("a disk of 32 MiB needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// remountLarge gives the disk at dir 512 MiB.
func remountLarge(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("none", dir, "tmpfs", unix.MS_REMOUNT, "size=512m"); err != nil {
		t.Fatal(err)
	}
}

// openStore opens the SQLite store at dir until the test ends.
func openStore(t *testing.T, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// rowsOf returns the bodies of billing by id, and fails on an id that stands twice.
func rowsOf(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for item, err := range s.Query(t.Context(), store.Query{Purpose: "billing"}) {
		if err != nil {
			t.Fatal(err)
		}
		var x struct{ ID string }
		if err := json.Unmarshal(item.Body, &x); err != nil {
			t.Fatal(err)
		}
		if _, twice := rows[x.ID]; twice {
			t.Errorf("%s stands twice", x.ID)
		}
		rows[x.ID] = string(item.Body)
	}
	return rows
}
