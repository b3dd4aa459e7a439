package main

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sipsieve/store/policy"
)

// livePolicy keeps everything by which records can be compared with the accounting of a proxy and its endpoints.
const livePolicy = "testdata/live/policy.toml"

// A liveRecord is an excerpt of a test policy.
type liveRecord struct {
	ID, Purpose, Kind, Status, Disposition, Transfer, Transport string
	Call                                                        string    `json:"call_id"`
	Caller                                                      string    `json:"caller_number"`
	Setup                                                       time.Time `json:"setup_time"`
	Answer                                                      time.Time `json:"answer_time"`
	End                                                         time.Time `json:"end_time"`
	TalkMS                                                      int64     `json:"duration_ms"`
	Code                                                        int       `json:"sip_code"`
	EndCause                                                    string    `json:"end_cause"`
	EndSource                                                   string    `json:"end_time_source"`
	HungUp                                                      string    `json:"disconnect_by"`
	Flags                                                       []string  `json:"call_flags"`
	Registration                                                string    `json:"registration_state"`
	Expires                                                     int       `json:"registration_expires"`
	SessionExpires                                              int       `json:"session_expires"`
	Early                                                       bool      `json:"early_media"`
	HoldMS                                                      int64     `json:"hold_ms"`
	Challenges                                                  int       `json:"auth_challenges"`
	Group                                                       string    `json:"session_group"`
	Retransmissions, Forks, Redirects, Holds, Reinvites         int
	Billable                                                    bool
	TrunkIn                                                     string `json:"trunk_in"`
	TrunkOut                                                    string `json:"trunk_out"`
}

func (r *liveRecord) talk() time.Duration { return time.Duration(r.TalkMS) * time.Millisecond }

// liveRecords reads excerpts, a JSON line each.
func liveRecords(t *testing.T, lines []byte) (all []liveRecord) {
	t.Helper()
	for line := range bytes.Lines(lines) {
		var r liveRecord
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// replayed returns what the purpose would get of the files, of every purpose if it is "".
func replayed(t *testing.T, policyFile, purpose string, files ...string) []liveRecord {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{"replay", "--demo-keys", "--policy", policyFile, "--purpose", purpose}, files...)
	if code := execute(t.Context(), args, &stdout, &stderr); code != exitFine {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	return liveRecords(t, stdout.Bytes())
}

// An accounting is what Kamailio's acc and dialog modules wrote while calls went through it: a row for each
// transaction it finished, at the time of the final response, and a CDR for each dialog, from its confirmation (the
// ACK) to the BYE.
type accounting struct {
	Transactions []accRow
	CDRs         []accCDR
}

type accRow struct {
	Event, Exact, Method, Code string
	CallID                     string `json:"call_id"`
}

type accCDR struct {
	Start    string `json:"start_time"`
	End      string `json:"end_time"`
	Duration string
	CallID   string `json:"call_id"`
}

// accTime reads a time of Kamailio's: Unix seconds with three digits after the point.
func accTime(t *testing.T, text string) time.Time {
	t.Helper()
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(int64(seconds*1e3 + 0.5))
}

// A proxied is the proxy's accounting of one call: its last final response upstream, and if it was answered, when, and
// from when until when the dialog was confirmed.
type proxied struct {
	code                        int
	answer, confirmed, finished time.Time
}

// calls returns a's calls by the pseudonym that billing has for their Call-ID.
func (a *accounting) calls(t *testing.T, k policy.Keys) map[string]proxied {
	t.Helper()
	calls := map[string]proxied{}
	for _, row := range a.Transactions {
		if row.Method != "INVITE" || row.Event != "transaction answered" {
			continue
		}
		at := accTime(t, row.Exact)
		name := callName(t, k, at, row.CallID)
		c := calls[name]
		if c.answer.IsZero() { // what comes after the answer is a re-INVITE
			c.code, _ = strconv.Atoi(row.Code)
			if c.code < 300 {
				c.answer = at
			}
		}
		calls[name] = c
	}
	for _, cdr := range a.CDRs {
		end := accTime(t, cdr.End)
		name := callName(t, k, end, cdr.CallID)
		if c, ok := calls[name]; ok && cdr.Duration != "0" {
			c.confirmed, c.finished = accTime(t, cdr.Start), end
			calls[name] = c
		}
	}
	return calls
}

// billingKeys are the keys of billing under the policy of the live tests.
func billingKeys(t *testing.T) policy.Keys {
	t.Helper()
	s := demoSetup(t, livePolicy)
	p, ok := s.Policy.Purpose("billing")
	if !ok {
		t.Fatal("the policy has no billing")
	}
	return s.Vault.Purpose(p.Name, p.Epoch)
}

// callName is how a record of billing names the Call-ID.
func callName(t *testing.T, k policy.Keys, at time.Time, callID string) string {
	t.Helper()
	mac, epoch, err := k.MAC("id", at, []byte(callID))
	if err != nil {
		t.Fatal(err)
	}
	return epoch + ":" + base32Lower.EncodeToString(mac[:])
}

// A side of the proxy has which finals it shows, and by how much the proxy's times may be later than on the wire.
type side struct {
	answerEarly, answerLate, endEarly, endLate time.Duration
	callers                                    bool // the caller's finals, which the proxy's rows have
}

// agree compares the answered calls of records and their times, and the codes of the others if the capture shows the
// caller's side, with the proxy's. It returns by how much the times of each answered call differ, in order.
func (a *accounting) agree(t *testing.T, k policy.Keys, records []liveRecord, s side) (differ []time.Duration) {
	t.Helper()
	calls := a.calls(t, k)
	seen := map[string]bool{}
	for _, r := range records {
		c, ok := calls[r.Call]
		seen[r.Call] = true
		switch answered := !c.answer.IsZero(); {
		case !ok && r.Disposition == "answered":
			t.Errorf("%s: answered, the proxy has no row of it", r.Call)
		case !ok: // never went through, such as a call that the proxy itself challenged
		case answered != (r.Disposition == "answered"):
			t.Errorf("%s: disposition = %s, the proxy has %d", r.Call, r.Disposition, c.code)
		case !answered && s.callers && r.Code != c.code:
			t.Errorf("%s: code = %d, want %d", r.Call, r.Code, c.code)
		case answered:
			differ = append(differ, c.agree(t, r, s))
		}
	}
	for name, c := range calls {
		if !seen[name] {
			t.Errorf("%s: no record of a call that the proxy answered with %d", name, c.code)
		}
	}
	slices.Sort(differ)
	return differ
}

// agree compares the times of one answered call. The CDR's duration runs from the ACK and so is never longer than the
// talk from the 2xx, but by what the proxy was late with the BYE.
func (c proxied) agree(t *testing.T, r liveRecord, s side) time.Duration {
	t.Helper()
	answer, end := c.answer.Sub(r.Answer), c.finished.Sub(r.End)
	between(t, r.Call+" answer", answer, s.answerEarly, s.answerLate)
	if c.finished.IsZero() || r.EndSource != "observed" {
		return answer.Abs()
	}
	between(t, r.Call+" end", end, s.endEarly, s.endLate)
	between(t, r.Call+" talk", c.finished.Sub(c.answer)-r.talk(),
		s.endEarly-s.answerLate, s.endLate-s.answerEarly)
	if c.confirmed.After(c.answer) { // a dialog without an ACK was never confirmed
		between(t, r.Call+" confirmation", c.confirmed.Sub(r.Answer), s.answerEarly, patience)
	}
	return max(answer.Abs(), end.Abs())
}

// between complains unless the proxy's figure is later than ours by at least low and at most high.
func between(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: the proxy's is later by %v, want %v to %v", what, got, low, high)
	}
}

// TestAnsweredCallsAgreeWithTheProxysOwnAccounting replays the captures of both sides of a proxy. On the caller's side
// the 2xx leaves when the proxy writes its row, on the callee's the BYE leaves when it closes its CDR: there a
// millisecond is enough (the rows have no finer time). On the other side lies the proxy's own delay.
func TestAnsweredCallsAgreeWithTheProxysOwnAccounting(t *testing.T) {
	const rounding, delay = 2 * time.Millisecond, 250 * time.Millisecond
	sides := map[string]side{
		"access": {-rounding, rounding, -rounding, delay, true},
		"core":   {-rounding, delay, -rounding, rounding, false},
		"any":    {-rounding, rounding, -rounding, delay, true},
	}
	files, _ := filepath.Glob(filepath.Join(captures, "generated", "*.kamailio.json"))
	if len(files) == 0 {
		t.Skip("no captures beside this checkout")
	}
	k, total := billingKeys(t), 0
	for _, path := range files {
		a := readAccounting(t, path)
		for name, s := range sides {
			file := strings.TrimSuffix(path, ".kamailio.json") + "-" + name + ".pcap"
			if _, err := os.Stat(file); err != nil || strings.HasPrefix(filepath.Base(file), "g31-") {
				continue // the torture messages are no calls
			}
			t.Run(strings.TrimSuffix(filepath.Base(file), ".pcap"), func(t *testing.T) {
				total += len(a.agree(t, k, replayed(t, livePolicy, "billing", file), s))
			})
		}
	}
	t.Logf("%d answered calls compared", total)
	if total < 100 {
		t.Errorf("answered calls = %d, want 100 or more: the test shows little", total)
	}
}

func readAccounting(t *testing.T, path string) (a accounting) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// base32Lower is how pseudonyms are written: RFC 4648 in lower case, without padding.
var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
