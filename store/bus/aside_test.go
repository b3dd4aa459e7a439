package bus

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// flip damages the record of one message of a file of the stream of billing.
func flip(t *testing.T, path string, n int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	id := []byte(call(t, "billing", "s1", n).ID)
	i := bytes.LastIndex(data, id)
	if i < 0 {
		t.Fatalf("call %d is not in %s", n, path)
	}
	data[i] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// fileOf returns the file of a folder of messages that has call n.
func fileOf(t *testing.T, messages string, n int) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(messages, "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(call(t, "billing", "s1", n).ID)) {
			return path
		}
	}
	t.Fatalf("no file has call %d", n)
	return ""
}

const billingMessages = "jetstream/$G/streams/CPNI_BILLING/msgs"

// TestAStartThatEndsWhileItMendsCostsNothing ends a start in each of the steps of making a damaged stream anew; in the
// last cases files are damaged again then.
func TestAStartThatEndsWhileItMendsCostsNothing(t *testing.T) {
	t.Parallel()
	whole := spoolOf(t)
	for name, one := range map[string]struct {
		lost int
		ends func(t *testing.T, c Config)
	}{
		"before the files set aside have their name": {1, func(t *testing.T, c Config) {
			aside := filepath.Join(c.Dir, "aside", "CPNI_BILLING")
			if err := os.Rename(aside, aside+".new"); err != nil {
				t.Fatal(err)
			}
		}},
		"while the files that were put again are removed": {1, func(t *testing.T, c Config) {
			b, err := Embedded(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			old := filepath.Join(c.Dir, "aside", "CPNI_BILLING.old", "msgs")
			if err := os.MkdirAll(old, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		"and the note is damaged": {1, func(t *testing.T, c Config) {
			if err := os.WriteFile(filepath.Join(c.Dir, "aside", "CPNI_BILLING", "note"), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		"and another message is damaged": {2, func(t *testing.T, c Config) {
			flip(t, fileOf(t, filepath.Join(c.Dir, "aside", "CPNI_BILLING", "msgs"), 120), 120)
		}},
		"and the last messages are cut off": {1 + spooled - 140, func(t *testing.T, c Config) {
			path := fileOf(t, filepath.Join(c.Dir, "aside", "CPNI_BILLING", "msgs"), 140)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			i := bytes.Index(data, []byte(call(t, "billing", "s1", 140).ID))
			if err := os.Truncate(path, int64(i)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		c := copied(t, whole)
		flip(t, fileOf(t, filepath.Join(c.Dir, billingMessages), 100), 100)
		s, err := newSpool(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.prepare(time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := s.marks.Close(); err != nil {
			t.Fatal(err)
		}
		one.ends(t, c)
		if _, lost := reopened(t, c, name, false); lost != one.lost {
			t.Errorf("%s: %d messages lost, want %d", name, lost, one.lost)
		}
		if left, _ := os.ReadDir(filepath.Join(c.Dir, "aside")); len(left) > 0 {
			t.Errorf("%s: %v stays", name, left)
		}
	}
}

// TestLinksOfARenewalThatEndedEarlyHideNothing leaves behind links to the files of a stream that went on afterwards, and is
// damaged then.
func TestLinksOfARenewalThatEndedEarlyHideNothing(t *testing.T) {
	t.Parallel()
	c := copied(t, spoolOf(t))
	s, err := newSpool(c)
	if err != nil {
		t.Fatal(err)
	}
	messages, aside := filepath.Join(c.Dir, billingMessages), filepath.Join(c.Dir, "aside", "CPNI_BILLING")
	if err := s.aside("CPNI_BILLING").Link(asideNote{}); err != nil {
		t.Fatal(err)
	}
	if err := s.marks.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, aside+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(fileOf(t, filepath.Join(aside+".new", "msgs"), 149)); err != nil { // it was made later
		t.Fatal(err)
	}
	flip(t, fileOf(t, messages, 100), 100)
	if _, lost := reopened(t, c, "links", false); lost != 1 {
		t.Errorf("%d messages lost, want 1", lost)
	}
}
