package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sipsieve/store/policy/preview"
)

// previewOf returns what preview reports of a capture, and its output.
func previewOf(t *testing.T, args ...string) (r preview.Report, text string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), append([]string{"policy", "preview", "--format", "json"}, args...), &stdout, &stderr)
	if code != exitFine {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r, stdout.String()
}

// checkPreview compares a report with the excerpts that replay prints of the same capture.
func checkPreview(t *testing.T, r *preview.Report, excerpts string) (columns int) {
	t.Helper()
	type place struct{ purpose, key string }
	made, values := map[string]uint64{}, map[place]uint64{}
	for line := range strings.Lines(excerpts) {
		var body map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &body); err != nil {
			t.Fatal(err)
		}
		purpose := strings.Trim(string(body["purpose"]), `"`)
		made[purpose]++
		for key, value := range body {
			if string(value) != "null" {
				values[place{purpose, key}]++
			}
		}
	}
	for purpose, n := range r.Excerpts {
		if n != made[purpose] {
			t.Errorf("%s: %d excerpts, replay made %d", purpose, n, made[purpose])
		}
	}
	for _, f := range r.Fields {
		for _, p := range f.Purposes {
			for _, c := range p.Columns {
				columns++
				if n := values[place{p.Name, c.Name}]; c.Published != n {
					t.Errorf("%s, %s: %d published, replay published %d", p.Name, c.Name, c.Published, n)
				}
				if sum := c.Published - c.Unseen + c.Withheld + c.Empty + p.Untaken; sum != f.Seen {
					t.Errorf("%s, %s: the counts add up to %d, seen %d", p.Name, c.Name, sum, f.Seen)
				}
			}
		}
	}
	return columns
}

// TestPreviewCountsWhatIsPublished takes captures with calls, registrations, and parties who ask for privacy.
func TestPreviewCountsWhatIsPublished(t *testing.T) {
	t.Parallel()
	files := []string{"../../configs/quickstart.pcap", newSite(t, 20).capture, withChoices(t, map[string]bool{"privacy": true})}
	for _, name := range []string{"generated", "torture", "../reports/*"} {
		shared, _ := filepath.Glob(filepath.Join(captures, name, "*.pcap"))
		for _, path := range shared {
			if st, err := os.Stat(path); err == nil && st.Size() < 1<<20 {
				files = append(files, path)
			}
		}
	}
	if os.Getenv("SIPSIEVE_FULL") == "" {
		files = files[:min(len(files), 12)]
	}
	for _, path := range files {
		var stdout, stderr bytes.Buffer
		if code := execute(t.Context(), []string{"replay", "--demo-keys", path}, &stdout, &stderr); code != exitFine {
			continue // a file that breaks off
		}
		r, _ := previewOf(t, "--pcap", path)
		checkPreview(t, &r, stdout.String())
		if t.Failed() {
			t.Fatal(path)
		}
	}
}

// TestPreviewIsRightForEveryPolicy is a law over random policies, with several forms of a field.
func TestPreviewIsRightForEveryPolicy(t *testing.T) {
	t.Parallel()
	rounds := 20
	if os.Getenv("SIPSIEVE_FULL") != "" {
		rounds = 500
	}
	rnd, withheld := rand.New(rand.NewPCG(3, 4)), uint64(0)
	for range rounds {
		policy := policyOf(func(_ string, forms []string) (some []string) {
			for _, form := range forms {
				if rnd.IntN(3) == 0 {
					some = append(some, form)
				}
			}
			return some
		})
		capture := withChoices(t, map[string]bool{"privacy": rnd.IntN(2) == 0, "routing": rnd.IntN(2) == 0, "cause": true})
		path := filepath.Join(t.TempDir(), "policy.toml")
		if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
			t.Fatal(err)
		}
		r, _ := previewOf(t, "--pcap", capture, "--policy", path)
		checkPreview(t, &r, excerptsOf(t, policy, capture))
		if t.Failed() {
			t.Fatal(policy)
		}
		for _, f := range r.Fields {
			for _, p := range f.Purposes {
				for _, c := range p.Columns {
					withheld += c.Withheld
				}
			}
		}
	}
	if withheld == 0 {
		t.Error("no policy withheld anything: the law says nothing of it")
	}
}

// TestPreviewShowsNoValueUnasked looks for every text of four characters or more that differs from party to party.
func TestPreviewShowsNoValueUnasked(t *testing.T) {
	t.Parallel()
	capture := withChoices(t, map[string]bool{"privacy": true})
	r, text := previewOf(t, "--pcap", capture)
	var table bytes.Buffer
	if err := r.Table(&table); err != nil {
		t.Fatal(err)
	}
	for _, m := range choiceMark.FindAllStringSubmatch(strings.Join(ladderWithChoices, ""), -1) {
		for _, value := range m[2:] {
			value = strings.Trim(value, `;"+ `)
			if len(value) < 4 || !strings.ContainsAny(value, "0123456789") && !strings.Contains(value, ".example") {
				continue // a word of the protocol
			}
			if strings.Contains(text, value) || strings.Contains(table.String(), value) {
				t.Errorf("%s of the traffic is in the report", m[1])
			}
		}
	}
	if strings.Contains(text, "X-Note") || !strings.Contains(table.String(), "Subject") || r.Other.Lines != 1 {
		t.Errorf("headers: %d unregistered lines, want 1, with Subject named and X-Note not:\n%s", r.Other.Lines, table.String())
	}
	if _, text := previewOf(t, "--pcap", capture, "--show"); !strings.Contains(text, "13035550103") {
		t.Error("--show has no example")
	}
}
