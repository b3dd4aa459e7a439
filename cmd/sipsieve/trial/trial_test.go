package trial

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// read returns the test whose archive is text.
func read(t *testing.T, text string) *Test {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.txtar")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	one, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

const flow = "-- capture.flow --\n00:00.000 alice -> bob INVITE\n"

// TestExcerptsAreComparedOneByOne has excerpts that a purpose publishes, those that are expected, and the differences.
func TestExcerptsAreComparedOneByOne(t *testing.T) {
	first, second := `{"id":"a","stage":"stop","x":1}`, `{"id":"b","stage":"stop","x":2}`
	for _, c := range []struct {
		name, want string
		have, diff []string
	}{
		{"equal", first + "\n# a comment\n\n" + second, []string{first, second}, nil},
		{"by id, in any order", second + "\n" + first, []string{first, second}, nil},
		{"in order without an id", `{"x":1}` + "\n" + `{"x":2}`, []string{first, second}, nil},
		{"any value", `{"id":"*","x":"*"}`, []string{first}, nil},
		{"another value", `{"x":2}`, []string{first}, []string{":4: billing: x: want 2, have 1"}},
		{"a key more", `{"id":"a"}`, []string{first}, []string{":4: billing: x: not expected, have 1"}},
		{"a key less", `{"x":1,"y":"*"}`, []string{first}, []string{`:4: billing: y: want "*", it is not published`}},
		{"an excerpt more", first, []string{first, second},
			[]string{`: billing: published and not expected: stage "stop", id "b"`}},
		{"an excerpt less", first + "\n" + second, []string{second}, []string{`:4: billing: not published: stage "stop", id "a"`}},
		{"nothing expected", "", []string{first}, []string{`: billing: published and not expected: stage "stop", id "a"`}},
	} {
		one := read(t, flow+"-- billing.jsonl --\n"+c.want+"\n")
		var bodies [][]byte
		for _, h := range c.have {
			bodies = append(bodies, []byte(h))
		}
		got, err := one.Compare("billing", bodies)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], one.path)
		}
		if !slices.Equal(got, c.diff) {
			t.Errorf("%s: differences = %q, want %q", c.name, got, c.diff)
		}
	}
}

// TestAnErrorHasItsLineInTheFile has an excerpt that is no JSON, and a ladder with a mistake, behind other files.
func TestAnErrorHasItsLineInTheFile(t *testing.T) {
	one := read(t, "a comment\n"+flow+"-- billing.jsonl --\n{}\n{} x\n")
	_, err := one.Compare("billing", nil)
	if want := one.path + ":6: billing.jsonl: want one JSON object a line"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error = %v, want %s", err, want)
	}
	one = read(t, "a comment\n-- billing.jsonl --\n{}\n"+flow+"00:01.000 alice <- bob 99\n")
	_, err = one.Capture()
	if want := one.path + ":6: capture.flow: want a status"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error = %v, want %s", err, want)
	}
}

// TestWhatIsWrittenIsReadAgain sets the excerpts of two purposes, one of which published before and does no more.
func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	one := read(t, "a comment\n"+flow+"-- fraud.jsonl --\n{}\n")
	body := `{"id":"a","policy":"0123","x":1}`
	one.Expect("billing", [][]byte{[]byte(body)})
	one.Expect("fraud", nil)
	if err := one.Write(); err != nil {
		t.Fatal(err)
	}
	again, err := Read(one.path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(again.Purposes()); got != "[fraud billing]" {
		t.Errorf("purposes = %s", got)
	}
	other := strings.Replace(body, "0123", "4567", 1) // of a policy that was edited
	if diff, err := again.Compare("billing", [][]byte{[]byte(other)}); err != nil || len(diff) > 0 {
		t.Errorf("differences = %q, %v, want none", diff, err)
	}
	if diff, err := again.Compare("fraud", [][]byte{[]byte(body)}); err != nil || len(diff) != 1 {
		t.Errorf("differences of fraud = %q, %v, want one", diff, err)
	}
}
