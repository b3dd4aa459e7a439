package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// A dialogTruth is what tshark sees of a call that makes its id.
type dialogTruth struct {
	CallID  string `json:"call_id"`
	FromTag string `json:"from_tag"`
	State   string
	Start   float64
}

// dialogs returns the calls of a capture's truth whose INVITE was seen.
func dialogs(t *testing.T, capture string) (calls []dialogTruth) {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(capture, filepath.Ext(capture)) + ".truth.json")
	if err != nil {
		t.Skip(err)
	}
	var truth struct{ Calls []dialogTruth }
	if err := json.Unmarshal(text, &truth); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(truth.Calls, func(d dialogTruth) bool {
		return strings.HasSuffix(d.State, "mid-call-start") || d.State == "fragment-no-invite"
	})
}

// idsOf returns the ids of calls by purpose, in order, and complains of one that stands twice, whatever the purpose.
func idsOf(t *testing.T, records []liveRecord) map[string][]string {
	t.Helper()
	ids, seen := map[string][]string{}, map[string]bool{}
	for _, r := range records {
		if r.Kind != "call" {
			continue
		}
		if seen[r.ID] {
			t.Errorf("%s stands twice", r.ID)
		}
		seen[r.ID] = true
		ids[r.Purpose] = append(ids[r.Purpose], r.ID)
	}
	for _, list := range ids {
		slices.Sort(list)
	}
	return ids
}

// TestIDsAreThoseOfCallIDTagAndDay derives the ids of every purpose from what tshark reads of each call: the same on
// both sides of a proxy and on two taps in one file, for they bear the same Call-ID and tag.
func TestIDsAreThoseOfCallIDTagAndDay(t *testing.T) {
	s := demoSetup(t, livePolicy)
	files, _ := filepath.Glob(filepath.Join(captures, "generated", "*.pcap*"))
	if len(files) == 0 {
		t.Skip("no captures beside this checkout")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		if name == "g31-torture-access" || name == "d2-snaplen300" || name == "d4-mid-call-start" {
			continue // messages that nobody can follow, cut ones, and calls without their INVITE
		}
		t.Run(name, func(t *testing.T) {
			got := idsOf(t, replayed(t, livePolicy, "", file))
			for _, p := range s.Purposes {
				var want []string
				for _, d := range dialogs(t, file) {
					day := time.Unix(0, int64(d.Start*1e9)).UTC().Format(time.DateOnly)
					want = append(want, s.Vault.Purpose(p.Name, p.Epoch).ID([]byte(d.CallID), []byte(d.FromTag), []byte(day)))
				}
				slices.Sort(want)
				if !slices.Equal(got[p.Name], want) {
					t.Errorf("%s: ids = %v, want %v", p.Name, got[p.Name], want)
				}
			}
		})
	}
}

// TestBothSidesOfAProxyGiveTheSameIDs replays the sides of each run apart and together: a call has one id a purpose,
// whichever side shows it, and the purposes share none.
func TestBothSidesOfAProxyGiveTheSameIDs(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(captures, "generated", "*-core.pcap"))
	if len(files) == 0 {
		t.Skip("no captures beside this checkout")
	}
	for _, core := range files {
		access := strings.TrimSuffix(core, "-core.pcap") + "-access.pcap"
		if _, err := os.Stat(access); err != nil {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(core), "-core.pcap"), func(t *testing.T) {
			want := idsOf(t, replayed(t, livePolicy, "", access))
			got := idsOf(t, replayed(t, livePolicy, "", core))
			both := idsOf(t, replayed(t, livePolicy, "", access, core))
			if !maps.EqualFunc(got, want, slices.Equal) || !maps.EqualFunc(both, want, slices.Equal) {
				t.Errorf("ids = %v on the callee's side and %v on both, want %v", got, both, want)
			}
		})
	}
}

// TestARepeatedReplayGivesTheSameRecords replays every capture twice: what a consumer has already put, it gets again
// under the same ids.
func TestARepeatedReplayGivesTheSameRecords(t *testing.T) {
	t.Parallel()
	eachCapture(t, func(t *testing.T, _, path string) {
		first, second := replayed(t, livePolicy, "", path), replayed(t, livePolicy, "", path)
		if !reflect.DeepEqual(first, second) {
			t.Errorf("records = %v, want those of the first time: %v", second, first)
		}
	})
}
