package bus

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	folder "sipsieve/store/bus/version"
)

// unpacked unpacks an archive of testdata into a folder.
func unpacked(t *testing.T, name string) (dir string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.FileInfo().IsDir() {
			err = os.MkdirAll(path, 0o700)
		} else {
			var data []byte
			if data, err = io.ReadAll(archive); err == nil {
				err = os.WriteFile(path, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// spool-1.tar.gz is the folder of a spool of the first version: calls 0 to 19 of billing, of which the consumer store
// has confirmed 12, in streams that retain for a century.
func TestASpoolOfTheFirstVersionOpens(t *testing.T) {
	t.Parallel()
	c := config(unpacked(t, "spool-1.tar.gz"), 64<<20, "billing")
	c.Plan.Streams[0].Retain = 876000 * time.Hour
	c.Keepers = []string{"store"}
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if d, n := b.Damages(), messages(t, b); len(d) > 0 || n != 20 {
		t.Errorf("%d messages, damages %+v, want 20 and none", n, d)
	}
	into := newMemory()
	running(t, b.Consumer("billing", "store"), into)
	await(t, into, "the keeper", func() bool { return confirmed(t, b, "store") })
	for n := range 20 {
		want := 0
		if n >= 12 {
			want = 1
		}
		into.mu.Lock()
		if got := into.times[call(t, "billing", "s1", n).ID]; got != want {
			t.Errorf("call %d came %d times, want %d", n, got, want)
		}
		into.mu.Unlock()
	}
}

func TestASpoolOfALaterVersionIsRefused(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	version := filepath.Join(c.Dir, "version")
	if err := os.WriteFile(version, []byte("3\n3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Embedded(t.Context(), c)
	if !errors.Is(err, folder.ErrNewer) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error = %v, want one line, ErrNewer", err)
	}
	if err := os.WriteFile(version, []byte("2\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, lost := reopened(t, c, "refused before", false); lost > 0 || len(d) > 0 {
		t.Errorf("lost %d, damages %+v, want none", lost, d)
	}
}

// A spool whose marks are gone cannot say what is missing. It says that.
func TestMarksThatAreGoneAreSaid(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	if err := os.Truncate(filepath.Join(c.Dir, "marks"), 0); err != nil {
		t.Fatal(err)
	}
	if d, lost := reopened(t, c, "no marks", false); lost > 0 || len(d) == 0 {
		t.Errorf("lost %d, damages %+v, want none lost, and that the marks are gone", lost, d)
	}
}
