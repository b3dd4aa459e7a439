package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sipsieve/sip/event"
)

const payload = `{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"abc","revision":2,"status":"complete",` +
	`"missing":[],"completeness":80,"purpose":"billing","policy":"p","class":"cpni","expires":"2026-11-24",` +
	`"site":"dfw1","sensor":"s1","source":"file","duration_ms":61000}`

func TestReceivedPassesThePayloadOnByteForByte(t *testing.T) {
	x, err := Received([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	want := Envelope{Schema: "sipsieve.call/1", Kind: "call", Stage: "stop", ID: "abc", Revision: 2,
		Status: "complete", Completeness: 80, Purpose: "billing", Policy: "p", Class: "cpni",
		Expires: Date{2026, time.November, 24}, Site: "dfw1", Sensor: "s1", Source: "file"}
	if x.Envelope != want {
		t.Errorf("envelope = %+v, want %+v", x.Envelope, want)
	}
	if string(x.Body()) != payload {
		t.Errorf("body = %s, want the payload", x.Body())
	}
}

func TestReceivedReadsTheDialogIfThereIsOne(t *testing.T) {
	for written, want := range map[string]string{`"dialog":"d",`: "d", `"dialog":null,`: "", ``: ""} {
		x, err := Received([]byte(strings.Replace(payload, `"revision"`, written+`"revision"`, 1)))
		if err != nil || x.Dialog != want {
			t.Errorf("%s: dialog = %q, %v, want %q", written, x.Dialog, err, want)
		}
	}
	x, err := Received([]byte(strings.Replace(payload, `[]`, `["ack","a word of later","loss_window"]`, 1)))
	if want := event.NoAck | event.LossWindow; err != nil || x.Missing != want {
		t.Errorf("missing = %b, %v, want %b", x.Missing, err, want)
	}
}

func TestForeignPayloadsAreRefusedWithoutQuotingThem(t *testing.T) {
	for name, change := range map[string][2]string{
		"not JSON":          {`{"schema"`, `{schema`},
		"two objects":       {`61000}`, `61000}{}`},
		"not an object":     {payload, `["15551234567"]`},
		"missing key":       {`"status":"complete",`, ``},
		"dialog of a kind":  {`"revision"`, `"dialog":["15551234567"],"revision"`},
		"missing one word":  {`[]`, `"15551234567"`},
		"key in capitals":   {`"purpose":`, `"Purpose":`},
		"purpose twice":     {`"site":`, `"purpose":"fraud","site":`},
		"another type":      {`"revision":2`, `"revision":"15551234567"`},
		"revision zero":     {`"revision":2`, `"revision":0`},
		"no such day":       {`2026-11-24`, `2026-02-30`},
		"another schema":    {`sipsieve.call/1`, `other.call/1`},
		"of another kind":   {`sipsieve.call/1`, `sipsieve.device/1`},
		"empty id":          {`"abc"`, `""`},
		"nothing":           {payload, ``},
		"null as a purpose": {`"billing"`, `null`},
	} {
		_, err := Received([]byte(strings.Replace(payload, change[0], change[1], 1)))
		if !errors.Is(err, ErrForeign) {
			t.Errorf("%s: error = %v, want ErrForeign", name, err)
			continue
		}
		if strings.Contains(err.Error(), "15551234567") {
			t.Errorf("%s: the error quotes the payload: %v", name, err)
		}
	}
}
