package policy

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/broken.txt anew with the findings as they are")

// brokenDay is the day on which the policies of the corpus are read.
var brokenDay = time.Date(2026, time.November, 20, 0, 0, 0, 0, time.UTC)

// findings returns everything that a reviewer is told of a policy: what Parse refuses, else what Bind does, and Lint.
func findings(src string) (list []string) {
	p, err := Parse("p.toml", []byte(src))
	if err != nil {
		return strings.Split(err.Error(), "\n")
	}
	if err := p.Bind(demoKeys); err != nil {
		list = strings.Split(err.Error(), "\n")
	}
	for _, f := range p.Lint(brokenDay) {
		list = append(list, fmt.Sprintf("p.toml:%d: %s: %s: %s", f.Line, map[bool]string{true: "error", false: "warning"}[f.Problem], f.Key, f.Text))
	}
	return list
}

// TestBrokenPoliciesGiveExactlyTheirFindings reads testdata/broken.txt: each case says what it changes in base.toml, which
// has no finding, and everything that is then found. Lines with - are replaced by those with + behind them.
func TestBrokenPoliciesGiveExactlyTheirFindings(t *testing.T) {
	base := readFile(t, "testdata/base.toml")
	if found := findings(base); len(found) > 0 {
		t.Fatalf("base.toml: %v", found)
	}
	var out strings.Builder
	cases := strings.Split(readFile(t, "testdata/broken.txt"), "\n== ")
	if len(cases) < 61 {
		t.Errorf("%d cases, want 60 at least", len(cases)-1)
	}
	out.WriteString(cases[0])
	for _, text := range cases[1:] {
		name, rest, _ := strings.Cut(text, "\n")
		var changes, want []string
		for line := range strings.Lines(rest) {
			switch line = strings.TrimSuffix(line, "\n"); {
			case strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "+ "):
				changes = append(changes, line)
			case line != "":
				want = append(want, line)
			}
		}
		got := findings(changed(t, base, name, changes))
		if !*update && !slices.Equal(got, want) {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if len(got) == 0 {
			t.Errorf("%s: nothing is found", name)
		}
		fmt.Fprintf(&out, "\n== %s\n%s\n%s\n", name, strings.Join(changes, "\n"), strings.Join(got, "\n"))
	}
	if *update {
		if err := os.WriteFile("testdata/broken.txt", []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// changed returns base with the changes of a case.
func changed(t *testing.T, base, name string, changes []string) string {
	t.Helper()
	for i := 0; i < len(changes); {
		var before, after []string
		for ; i < len(changes) && changes[i][0] == '-'; i++ {
			before = append(before, changes[i][2:])
		}
		for ; i < len(changes) && changes[i][0] == '+'; i++ {
			after = append(after, changes[i][2:])
		}
		old := strings.Join(before, "\n")
		if len(before) == 0 || strings.Count("\n"+base+"\n", "\n"+old+"\n") != 1 {
			t.Fatalf("%s: not once in base.toml: %s", name, old)
		}
		made := strings.Join(after, "\n")
		base = strings.Trim(strings.Replace("\n"+base+"\n", "\n"+old+"\n", "\n"+made+"\n", 1), "\n") + "\n"
	}
	return base
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
