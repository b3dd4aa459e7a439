package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"sipsieve/cmd/sipsieve/plain"
	"sipsieve/cmd/sipsieve/sheet"
)

// nasty are values that a spreadsheet or a terminal would act on, and what stands in a cell for each.
var nasty = map[string]string{
	`=HYPERLINK("http://x","y")`: `'=HYPERLINK("http://x","y")`, "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0", "-1+1": "'-1+1",
	"@SUM(A1)": "'@SUM(A1)", "\t=1": `\u0009=1`, "\r=1": `\u000d=1`, "\n=1": `\u000a=1`, " =1": "' =1", "a;=1": "a;'=1",
	"a,@b": "a,'@b", "\x1b]0;x\a": `\u001b]0;x\u0007`, "\x1b[2J": `\u001b[2J`, "\u202egpj.exe": `\u202egpj.exe`, "a\x7fb": `a\u007fb`,
	"\u009b31m": `\u009b31m`, "\u2066x\u2069": `\u2066x\u2069`, "a\u200bb": `a\u200bb`, "\ufeff=1": `\ufeff=1`, "\U000e0041": `\udb40\udc41`,
	"\uff1d1": "'\uff1d1", "+13035550142": "+13035550142", "+1303": "+1303", "+1234567890123456": "'+1234567890123456",
	"+1303\n": `'+1303\u000a`, "2026-11-24": "2026-11-24", "é 𝄞": "é 𝄞", "say \"a, b\"": "say \"a, b\"", "": "", "\u2028": `\u2028`,
}

func TestCellsAreNeutral(t *testing.T) {
	for text, want := range nasty {
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := sheet.Cell(raw); got != want {
			t.Errorf("%q: got = %q, want %q", text, got, want)
		}
		list, _ := json.Marshal([]string{"PCMU", text})
		if got := sheet.Cell(list); got != "PCMU "+want {
			t.Errorf("a list of %q: got = %q, want %q", text, got, "PCMU "+want)
		}
		object, _ := json.Marshal(map[string]string{"a": text})
		if got := sheet.Cell(object); dangerous(got) {
			t.Errorf("an object of %q: got = %q", text, got)
		}
	}
}

// dangerous reports whether a spreadsheet or a terminal would act on text.
func dangerous(text string) bool {
	first := strings.TrimLeft(text, " ")
	return strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) ||
		first != "" && strings.ContainsAny(first[:1], "=+-@") && !plain.Dialable.MatchString(text)
}

// FuzzCells: whatever the excerpts hold, csv is one record each with a cell for every column, a table one line each, and
// no cell does anything.
func FuzzCells(f *testing.F) {
	for text := range nasty {
		f.Add(text, "x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		body, err := json.Marshal(map[string]any{"kind": a, "stage": []string{b, a}, "id": map[string]string{a: b}, "status": b,
			"missing": []any{1, a, nil}, "purpose": "billing"})
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"csv", "table"} {
			var out bytes.Buffer
			p, err := sheet.New(sheet.Layout{Format: format}, &out, nil)
			if err != nil {
				t.Fatal(err)
			}
			p.Write(body)
			p.Write(body)
			if err := p.Flush(); err != nil {
				t.Fatal(err)
			}
			if format == "table" {
				if lines := strings.Count(out.String(), "\n"); lines != 3 || dangerous(strings.ReplaceAll(out.String(), "\n", "")) {
					t.Errorf("%d lines: %q", lines, out.String())
				}
				continue
			}
			rows, err := csv.NewReader(&out).ReadAll()
			if err != nil || len(rows) != 3 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			for _, c := range append(rows[1], rows[2]...) {
				if dangerous(c) {
					t.Errorf("cell = %q", c)
				}
			}
		}
	})
}

// FuzzPlainWriter: what is written does not depend on how it is cut, shows in every character, and of a JSON text says
// the same.
func FuzzPlainWriter(f *testing.F) {
	for text := range nasty {
		f.Add([]byte(text), 1)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		if cut < 0 || cut > len(text) {
			cut = len(text) / 2
		}
		write := func(parts ...[]byte) string {
			var b bytes.Buffer
			w := plain.New(&b)
			for _, p := range parts {
				if n, err := w.Write(p); n != len(p) || err != nil {
					t.Fatalf("%d, %v", n, err)
				}
			}
			w.End()
			return b.String()
		}
		whole := write(text)
		if pieces := write(text[:cut], text[cut:]); pieces != whole {
			t.Errorf("in pieces %q, at once %q", pieces, whole)
		}
		if dangerous("x" + strings.NewReplacer("\n", "", "\t", "").Replace(whole)) {
			t.Errorf("written = %q", whole)
		}
		body, _ := json.Marshal(string(text))
		var before, after string
		if json.Unmarshal(body, &before) != nil || json.Unmarshal([]byte(write(body)), &after) != nil || before != after {
			t.Errorf("%q became %q", before, after)
		}
	})
}

// TestNothingActsOnTheTerminal gives files whose names and content hold escapes to every verb that shows them.
func TestNothingActsOnTheTerminal(t *testing.T) {
	const escape = "\x1b]0;owned\a\u202e\u009b31m"
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	odd := file("a"+escape+".toml", "\"b"+escape+"\" = 1\n")
	capture := file("c"+escape+".pcap", "no capture "+escape)
	policy := file("p.toml", "version = 1\nowner = \"o\"\nreviewed = 2026-01-01\ndefault = \"drop\"\n[purpose.\"x"+escape+"\"]\nwhy = \""+
		`\u001b[2J\u202e`+"\"\nbasis = \"b\"\nretain = \"1 day\"\nretain_why = \"r\"\nkinds = [\"call\"]\naudience = [\"a\"]\n")
	named := strings.Replace(shippedPolicy(t), `name     = "shipped voice edge"`, `name = "\u001b[2J\u202e"`, 1)
	for _, args := range [][]string{{"check", "--config", odd}, {"run", "--config", odd}, {"replay", capture}, {"replay", odd},
		{"policy", "lint", policy}, {"policy", "lint", odd}, {"policy", "explain", file("n.toml", named)}, {"scrub", capture, dir + "/out"},
		{"doctor", "--config", odd}, {"status", "--config", odd}, {"tail", "--config", odd, "--purpose", escape},
		{"query", "--config", odd, "--purpose", escape, "--request", escape}, {escape}, {"replay", "--format", escape, capture}} {
		var stdout, stderr bytes.Buffer
		execute(t.Context(), args, &stdout, &stderr)
		if stdout.Len()+stderr.Len() == 0 {
			t.Errorf("%q: nothing is said: the test shows nothing", args)
		}
		for _, out := range []string{stdout.String(), stderr.String()} {
			if strings.ContainsFunc(out, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }) {
				t.Errorf("%q: %q", args, out)
			}
		}
	}
}

func shippedPolicy(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../configs/policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
