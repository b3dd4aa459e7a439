package marks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestADamagedSlotCostsNoOtherMark damages one slot and kills the start that found it before it wrote anything.
func TestADamagedSlotCostsNoOtherMark(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "marks")
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, stream := range []string{"A", "B", "C"} {
		err := m.Change(stream, func(one *Mark) {
			one.High, one.Confirmed["store"], one.Confirmed["hub"] = uint64(10+i), 5, uint64(i)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[20] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		if m, err = Open(path); err != nil { // and killed: not closed
			t.Fatal(err)
		}
		if m.Damaged() != want {
			t.Errorf("damaged = %d, want %d", m.Damaged(), want)
		}
		for i, stream := range []string{"A", "B", "C"} {
			one, ok := m.Of(stream)
			if !ok || one.High != uint64(10+i) || one.Least([]string{"store", "hub"}) != uint64(min(i, 5)) {
				t.Errorf("%s: %+v, want what was entered", stream, one)
			}
		}
	}
	one, _ := m.Of("C")
	for _, c := range []struct {
		keepers []string
		want    uint64
	}{{nil, 0}, {[]string{"store"}, 5}, {[]string{"store", "hub"}, 2}, {[]string{"store", "new"}, 0}} {
		if got := one.Least(c.keepers); got != c.want {
			t.Errorf("least of %v = %d, want %d", c.keepers, got, c.want)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAMarkThatCannotBeWrittenIsWrittenLater has a disk that is read-only for a while: the mark is written by the next Sync,
// or into a new file.
func TestAMarkThatCannotBeWrittenIsWrittenLater(t *testing.T) {
	t.Parallel()
	for name, mend := range map[string]func(*File) error{"sync": (*File).Sync, "reopen": (*File).Reopen} {
		path := filepath.Join(t.TempDir(), "marks")
		m, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Acknowledged("A", 1); err != nil {
			t.Fatal(err)
		}
		sound := m.file
		if m.file, err = os.Open(path); err != nil {
			t.Fatal(err)
		}
		if err := m.Acknowledged("A", 2); err == nil {
			t.Fatalf("%s: no error of a file that cannot be written", name)
		}
		if err := m.Sync(); err == nil {
			t.Errorf("%s: Sync without an error: the mark is not written", name)
		}
		if one, _ := m.Of("A"); one.Writing != 1 {
			t.Errorf("%s: writing %d: an attempt that fails goes to the slot of the last mark", name, one.Writing)
		}
		if err := m.file.Close(); err != nil {
			t.Fatal(err)
		}
		m.file = sound
		if err := mend(m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again, err := Open(path) // as after a kill
		if err != nil {
			t.Fatal(err)
		}
		if one, _ := again.Of("A"); one.High != 2 {
			t.Errorf("%s: high = %d, want 2", name, one.High)
		}
		if err := errors.Join(again.Close(), m.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestMarksThatCouldNotBeReplacedStay writes marks after their file could not be replaced.
func TestMarksThatCouldNotBeReplacedStay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "marks")
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const streams = 20
	name := func(i uint64) string { return fmt.Sprintf("S%d", i) }
	for i := range uint64(streams) {
		if err := m.Acknowledged(name(i), 1+i); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Acknowledged(name(0), 50); err != nil { // its next slot is the one in which the others have their mark
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil { // where the file would be written
		t.Fatal(err)
	}
	if err := m.Reopen(); err == nil {
		t.Fatal("the file was replaced")
	}
	if err := m.Acknowledged(name(0), 100); err != nil { // and then a kill of the process
		t.Fatal(err)
	}
	read, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(streams) {
		want := 1 + i
		if i == 0 {
			want = 100
		}
		if one, ok := read.Of(name(i)); !ok || one.High != want {
			t.Errorf("%s: %d, %v, want %d", name(i), one.High, ok, want)
		}
	}
	if err := errors.Join(read.Close(), m.Close()); err != nil {
		t.Error(err)
	}
}
