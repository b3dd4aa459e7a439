package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A sight is what Chromium shows of a page of HTML.
type sight struct {
	Text, Lang, Title string
	Active            []string // elements that run, ask for something or lead elsewhere
	Colours           []string // of text and ground, all that there are
	Tables            []struct {
		Caption string
		Rows    int
		Bare    []string // cells that are empty or have no header
	}
	Overflows      bool              // wider than the window
	Asked, Said    []string          // requests beside that for the page; dialogs, errors and lines of the console
	Faults, Passes []string          // rules of axe
	Paper          map[string]string // by its size: how many sheets the page is when it is printed without scripts
}

// ofBrowser returns the folder of what .ci/run installs for Node.js, and Chromium's path.
func ofBrowser(t *testing.T) (modules, chromium string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err == nil {
		modules = filepath.Join(cache, "sipsieve-ci", "node_modules")
		_, err = os.Stat(filepath.Join(modules, "puppeteer-core"))
	}
	if err == nil {
		_, err = exec.LookPath("pdfinfo")
	}
	if err == nil {
		chromium, err = exec.LookPath("chromium")
	}
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip(err)
	}
	return modules, chromium
}

// look opens pages in Chromium and prints them.
func look(t *testing.T, pages ...[]byte) (seen []sight) {
	t.Helper()
	modules, chromium := ofBrowser(t)
	dir := t.TempDir()
	args := []string{"testdata/browser/look.js"}
	for i, page := range pages {
		args = append(args, filepath.Join(dir, fmt.Sprint(i, ".html")))
		if err := os.WriteFile(args[i+1], page, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("node", args...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "CHROMIUM="+chromium)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &seen)
	}
	if err != nil || len(seen) != len(pages) {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for i := range seen {
		seen[i].Paper = map[string]string{}
		for _, size := range []string{"A4", "Letter"} {
			seen[i].Paper[size] = sheetsOf(t, args[i+1]+"."+size+".pdf")
		}
	}
	return seen
}

// sheetsOf returns how many pages a file of PDF has.
func sheetsOf(t *testing.T, file string) (count string) {
	t.Helper()
	out, err := exec.Command("pdfinfo", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if n, is := strings.CutPrefix(line, "Pages:"); is {
			count = strings.TrimSpace(n)
		}
	}
	return count
}

// unfit returns what is wrong with a page that a policy is approved by: it needs something else than itself, or a reader
// who does not see it, or sees it without colours, misses something.
func (s *sight) unfit() (complaints []string) {
	say := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	for what, list := range map[string][]string{"asks for": s.Asked, "says": s.Said, "has": s.Active, "axe": s.Faults} {
		for _, one := range list {
			say("%s %s", what, one)
		}
	}
	if s.Lang != "en" || s.Title == "" || s.Overflows {
		say("lang %q, title %q, overflows %t", s.Lang, s.Title, s.Overflows)
	}
	for _, pair := range s.Colours {
		if text, ground, _ := strings.Cut(pair, " on "); text != "rgb(0, 0, 0)" || ground != "rgb(255, 255, 255)" && ground != "rgba(0, 0, 0, 0)" {
			say("colour %s", pair)
		}
	}
	for _, table := range s.Tables {
		if table.Caption == "" || len(table.Bare) > 0 || table.Rows < 2 {
			say("table %q of %d rows: no header or no text: %q", table.Caption, table.Rows, table.Bare)
		}
	}
	return complaints
}

// pageOf returns what a verb writes.
func pageOf(t *testing.T, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), args, &stdout, &stderr); code != exitFine {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	return stdout.Bytes()
}

// markup is text of a policy that would do something as HTML.
const markup = `</p></td> </title><script> alert(1) </script> <img src=http://192.0.2.1/x onerror=alert(2)> <style> *{color:red}</style> ` +
	`<a href=http://192.0.2.1/>here</a>&lt;b&gt;`

// unfitPage has one fault of each kind.
const unfitPage = `<html><head><style>td{color:#bbb}</style></head><body><img src="http://127.0.0.1:9/x"><script>console.log("loud")` +
	`</script><table><tr><th>Field</th><th>billing</th></tr><tr><th>caller_number</th><td></td></tr></table>` +
	`<p style="width:9000px">wide</p></body></html>`

// TestAPageForApprovalNeedsNothingElse opens the pages of the shipped policy, and of one whose texts are HTML, in
// Chromium: they ask for nothing, run nothing, are read without colours and by a screen reader, and those of the shipped
// policy are two sheets of paper, the map of fields one. A page that has each of the faults is the control.
func TestAPageForApprovalNeedsNothingElse(t *testing.T) {
	t.Parallel()
	hostile := filepath.Join(t.TempDir(), "hostile.toml")
	quoted := "'''" + markup + "'''"
	text := strings.NewReplacer(`"w"`, quoted, `"r"`, quoted, `"b"`, quoted, `"tests"`, quoted, `"a test"`, quoted).Replace(
		policyOf(func(field string, forms []string) []string { return forms[:min(len(field)%2, len(forms))] }))
	if err := os.WriteFile(hostile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := look(t, pageOf(t, "policy", "explain", "--format", "html"), pageOf(t, "policy", "map"),
		pageOf(t, "policy", "explain", "--format", "html", hostile), []byte(unfitPage))
	for i, want := range []struct {
		sheets string // "" if it does not matter
		tables int
		text   string
	}{{"2", 2, "Signature: ___"}, {"1", 1, "coarse: truncate:minute"}, {"", 2, markup}} {
		s := seen[i]
		for _, complaint := range s.unfit() {
			t.Errorf("%s: %s", s.Title, complaint)
		}
		if len(s.Tables) != want.tables || !strings.Contains(s.Text, want.text) || len(s.Passes) < 10 {
			t.Errorf("%s: %d tables, %d rules of axe hold, want %d, 10 and the text %q in\n%s", s.Title, len(s.Tables), len(s.Passes),
				want.tables, want.text, s.Text)
		}
		if want.sheets != "" && (s.Paper["A4"] != want.sheets || s.Paper["Letter"] != want.sheets) {
			t.Errorf("%s: sheets = %v, want %s of either", s.Title, s.Paper, want.sheets)
		}
	}
	complaints := seen[3].unfit()
	for _, want := range []string{"asks for http://127.0.0.1:9/x", "says console: loud", "has img", "has script", "axe html-has-lang",
		"axe image-alt", `lang "", title "", overflows true`, "colour rgb(187, 187, 187) on rgba(0, 0, 0, 0)",
		`table "" of 2 rows: no header or no text: ["Field" "billing" "caller_number" ""]`} {
		if !slices.Contains(complaints, want) {
			t.Errorf("%q is not in %q", want, complaints)
		}
	}
}
