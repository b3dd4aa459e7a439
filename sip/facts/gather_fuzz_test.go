package facts

import (
	"bytes"
	"strings"
	"testing"

	"sipsieve/sip"
)

// displayed stands in every display name of FuzzGather.
const displayed = "zqCANARYqz"

// gathered returns the Facts of a message that has value as the one value of header h.
func gathered(h sip.Header, value []byte) Facts {
	m := sip.Message{Method: sip.Invite, Text: value, N: 1}
	m.Spans[0] = sip.Span{Header: h, Len: uint16(min(len(value), 65535))}
	var g Gather
	g.header(h, m.At(m.Spans[0]))
	g.ordered(&m)
	return g.facts
}

// FuzzGather states the laws of facts: whatever a header holds nothing panics, all facts together and each of them
// have a limit, and what stands as a display name is never among them.
func FuzzGather(f *testing.F) {
	for _, name := range []string{"", "A", `\"`, `" <sip:`, "@x", "A <sip:b@c>", ";cpc=", ": ", `\`, "é;tag=1"} {
		for _, rest := range []string{"", ";tag=1", ", <tel:+1303>", ";reason=no-answer;counter=2", "?Replaces=a%3Bb"} {
			f.Add(name, "sip:+13035550101;phone-context=+1@example.net", rest)
			f.Add(name, "tel:5550101;isub=1;phone-context=+1-303", rest)
		}
	}
	f.Fuzz(func(t *testing.T, name, uri, rest string) {
		if len(name)+len(uri)+len(rest) > 1500 {
			return // the selection leaves longer lines out
		}
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)
		for h := sip.Header(1); h < sip.Headers; h++ {
			bounded(t, h, gathered(h, []byte(name+uri+rest)))
			if !addressed[h] {
				continue
			}
			value := []byte(`"` + displayed + quoted + displayed + `" <` + uri + ">" + rest)
			fs := gathered(h, value)
			bounded(t, h, fs)
			if bytes.Contains(fs.text, []byte(displayed)) {
				t.Errorf("header %d: the display name of %q is a fact", h, value)
			}
		}
	})
}

// addressed are the headers with a display name.
var addressed = [sip.Headers]bool{sip.From: true, sip.To: true, sip.Contact: true, sip.PAssertedIdentity: true,
	sip.PPreferredIdentity: true, sip.RemotePartyID: true, sip.PChargeInfo: true, sip.Diversion: true,
	sip.HistoryInfo: true, sip.PCalledPartyID: true, sip.ReferredBy: true, sip.ReferTo: true, sip.RecordRoute: true,
	sip.Route: true, sip.Path: true, sip.ServiceRoute: true, sip.PAssociatedURI: true}

func bounded(t *testing.T, h sip.Header, fs Facts) {
	t.Helper()
	if len(fs.text) > maxGathered+maxText {
		t.Errorf("header %d: %d bytes of facts", h, len(fs.text))
	}
	for fact := Fact(1); fact < Count; fact++ {
		for v := range fs.All(fact) {
			if len(v) > maxText || len(v) == 0 {
				t.Errorf("header %d: fact %d has %d bytes", h, fact, len(v))
			}
		}
	}
}

func TestFactsOfAWholeMessageFitTheirPlace(t *testing.T) {
	long := strings.Repeat("x", 500)
	headers := ""
	for i := range 14 {
		headers += "Diversion: <sip:" + long + string(rune('a'+i%26)) + "@" + long + ">, <sip:b@x>\n" +
			"P-Asserted-Identity: <sip:" + long + "@" + long + ">, <sip:" + long + "@x>\n"
	}
	fs := new(Gather).Invite(invite(t, headers+"Supported: "+long))
	if n := len(fs.text); n > maxBytes {
		t.Errorf("%d bytes of facts, want %d at most", n, maxBytes)
	}
	if fs.First(CallIDText) == nil || fs.First(CallerTag) == nil {
		t.Error("Call-ID or tag were crowded out")
	}
	n := 0
	for range fs.All(AssertedNumber) {
		n++
	}
	if n == 0 {
		t.Error("no asserted number")
	}
}
