package track

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/siptest"
)

const captures = siptest.Captures

// otherwise are captures whose truth counts calls by other rules, with the reason. Their sums balance all the same.
var otherwise = map[string]string{
	"d2-snaplen300":      "every message is cut in its headers",
	"g31-torture-access": "messages without Call-ID, and with a header twice: no calls of ours",
	"ndpi-fuzz-2594":     "fuzzed bytes",
}

// A truth is one call as tshark and a script of its own see it.
type truth struct {
	CallID                      string `json:"call_id"`
	State                       string
	FinalStatus                 int `json:"final_status"`
	Start, Ringing, Answer, End float64
	EndedBy                     string `json:"ended_by"`
}

// TestCallsAgreeWithTheTruthOfEveryCapture compares dispositions and times of all captures.
func TestCallsAgreeWithTheTruthOfEveryCapture(t *testing.T) {
	t.Parallel()
	generated, _ := filepath.Glob(filepath.Join(captures, "generated", "*.pcap*"))
	public, _ := filepath.Glob(filepath.Join(captures, "public", "*.pcap*"))
	if len(generated) == 0 {
		t.Skip("no captures here")
	}
	for _, path := range append(generated, public...) {
		base := strings.TrimSuffix(path, filepath.Ext(path))
		t.Run(filepath.Base(base), func(t *testing.T) {
			if why, ok := otherwise[filepath.Base(base)]; ok {
				t.Skip(why)
			}
			compareTruth(t, path, base+".truth.json")
		})
	}
}

func compareTruth(t *testing.T, path, truthPath string) {
	text, err := os.ReadFile(truthPath)
	if err != nil {
		t.Skip(err)
	}
	var file struct {
		Calls []truth
		Rows  []row `json:"message_list"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	ms := messages(t, path)
	if len(ms) == 0 && len(file.Rows) > 0 {
		t.Skip("what carries this capture is not read yet")
	}
	got := make(map[string]*event.Call)
	for _, c := range callsIn(follow(t, New(DefaultLimits()), ms, 0)) {
		id := string(c.Facts.First(facts.CallIDText))
		if got[id] != nil {
			t.Errorf("two records of one call")
		}
		got[id] = c
	}
	for _, want := range file.Calls {
		want = onCallersHop(want, file.Rows)
		c := got[want.CallID]
		if c == nil {
			if want.State != "fragment-no-invite" {
				t.Errorf("%s: no record of a call that is %s", want.CallID, want.State)
			}
			continue
		}
		if as := mapped(want, c); as != c.Disposition {
			t.Errorf("%s: disposition %d, want %d (%s)", want.CallID, c.Disposition, as, want.State)
		}
		if want.State != "fragment-no-invite" {
			agree(t, want, c)
		}
	}
	if len(got) > len(file.Calls) {
		t.Errorf("%d calls, truth has %d", len(got), len(file.Calls))
	}
}

// agree compares times and who hung up.
func agree(t *testing.T, want truth, c *event.Call) {
	t.Helper()
	if strings.HasSuffix(want.State, "/mid-call-start") { // the truth takes the first message for the INVITE
		want.Start, want.Ringing = 0, 0
	}
	near(t, want.CallID+" setup", c.Setup, want.Start)
	near(t, want.CallID+" ring", c.Ring, want.Ringing)
	near(t, want.CallID+" answer", c.Answer, want.Answer)
	near(t, want.CallID+" end", c.End, want.End)
	if by := map[string]event.Party{"caller": event.Caller,
		"callee": event.Callee}[want.EndedBy]; by != event.Unknown && c.DisconnectBy != by {
		t.Errorf("%s: ended by %d, want %d", want.CallID, c.DisconnectBy, by)
	}
}

// A row is one message of a truth file.
type row [15]any

func (r row) is(call string) bool { return r[10] == call && r[9] == "INVITE" }

// onCallersHop returns want as the caller's hop shows it (the answer and the refusal), and of copies the first.
func onCallersHop(want truth, rows []row) truth {
	var first row
	var cseq any
	for _, r := range rows {
		if !r.is(want.CallID) {
			continue
		}
		status, final := r[7].(float64)
		switch {
		case !final && first[10] == nil:
			first = r
		case !final || status < 200 || first[10] == nil || first[3] != r[5] || first[5] != r[3]:
		case status < 300 && want.Answer != 0:
			want.Answer = r[1].(float64)
			return want
		case want.Answer == 0 && (cseq != r[8] || float64(want.FinalStatus) != status):
			cseq, want.FinalStatus, want.End = r[8], int(status), r[1].(float64)
		}
	}
	return want
}

// mapped is the disposition of a truth's state, by the final response where the state leaves it open.
func mapped(want truth, c *event.Call) event.Disposition {
	state, _, _ := strings.Cut(want.State, "/")
	switch state {
	case "answered-ended", "answered-open", "fragment-no-invite":
		return event.Answered
	case "cancelled-no-final":
		return event.Cancelled
	case "no-final":
		return event.NoAnswer
	}
	return dialog.Outcome(want.FinalStatus, !c.Ring.IsZero())
}

func near(t *testing.T, what string, got time.Time, want float64) {
	t.Helper()
	if want == 0 {
		if !got.IsZero() {
			t.Errorf("%s: known, want unknown", what)
		}
		return
	}
	at := time.Unix(0, int64(want*1e9))
	if d := got.Sub(at).Abs(); d > time.Millisecond {
		t.Errorf("%s: off by %v", what, d)
	}
}

// TestStrangeCapturesBalance follows captures of others, cut ones and torture, for the sums alone.
func TestStrangeCapturesBalance(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"generated", "public", "torture"} {
		files, _ := filepath.Glob(filepath.Join(captures, folder, "*.pcap*"))
		for _, path := range files {
			for _, limit := range []int{2, 1000} {
				l := DefaultLimits()
				l.Calls, l.Bindings = limit, limit
				follow(t, New(l), messages(t, path), time.Hour)
			}
		}
	}
}
