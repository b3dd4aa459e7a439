package sip

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"sipsieve/capture"
)

const torture = "../../shared/captures/torture"

// A tortured message is one of RFC 4475 or RFC 5118, and what tshark made of it.
type tortured struct {
	File    string            `json:"file"`
	Verdict string            `json:"verdict"`
	Starts  []json.RawMessage `json:"tshark_start"`
	CallIDs []string          `json:"tshark_call_id"`
	payload []byte
}

func tortures(t testing.TB) []tortured {
	list, err := os.ReadFile(filepath.Join(torture, "list.json"))
	if err != nil {
		t.Skip("no torture messages here")
	}
	var all []tortured
	if err := json.Unmarshal(list, &all); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if all[i].payload, err = os.ReadFile(filepath.Join(torture, all[i].File)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func everything() (s Selection) {
	for h := range s {
		s[h] = true
	}
	return s
}

// refusals are the messages of the torture set that count and are not used, with the reason.
var refusals = map[string]Refusal{
	"insuf.dat": NoCallID, "mcl01.dat": DupSingle, "multi01.dat": DupSingle,
	"scalar02.dat": BadCSeq, "scalarlg.dat": BadCSeq, "mismatch.dat": BadCSeq,
}

func TestTortureMessagesAreUsedOrRefusedForAReason(t *testing.T) {
	for _, x := range tortures(t) {
		r := NewReader(everything(), DefaultLimits())
		n, id := 0, ""
		r.Read(&capture.Packet{Payload: x.payload}, func(m *Message) { n, id = n+1, string(m.Value(CallID)) })
		c := r.Counts()
		if got := total(c); got != uint64(len(x.Starts)) || c.NotSIP != 1-got {
			t.Errorf("%s: counted %d messages, %d not SIP, want %d messages", x.File, got, c.NotSIP, len(x.Starts))
		}
		why, refused := refusals[x.File]
		switch {
		case refused && (n != 0 || c.Refused[why] != 1):
			t.Errorf("%s: used %d times, refused %v, want refused for %d", x.File, n, c.Refused, why)
		case !refused && n != len(x.Starts):
			t.Errorf("%s: used %d times, refused %v, want %d", x.File, n, c.Refused, len(x.Starts))
		case n == 1 && id != x.CallIDs[0]:
			t.Errorf("%s: Call-ID = %q, want %q", x.File, id, x.CallIDs[0])
		}
	}
}

func total(c Counts) (n uint64) {
	for _, x := range c.Requests {
		n += x
	}
	for _, x := range c.Statuses {
		n += x
	}
	return n
}
