package sip

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"sipsieve/capture"
)

func TestBatchHoldsNothingThatIsNotSelected(t *testing.T) {
	canary := func(s string) string { return s + "CANARY" }
	text := minimal("Subject: "+canary("s"), "User-Agent: "+canary("u"), "Contact: "+canary("<sip:c>"), "X: "+canary("x"),
		"P-Asserted-Identity: "+canary("p"), "Content-Type: text/plain") + canary("body")
	m := readOne(t, NewReader(only(), DefaultLimits()), text)
	if bytes.Contains(m.Text, []byte("CANARY")) {
		t.Errorf("kept %q", m.Text)
	}
	if m := readOne(t, NewReader(only(UserAgent), DefaultLimits()), text); !bytes.Contains(m.Text, []byte("uCANARY")) {
		t.Error("the control did not find what is selected")
	}
}

func TestCorrelationOfAFeedReachesTheBatch(t *testing.T) {
	p := capture.Packet{Payload: []byte(minimal()), Origin: capture.HEP, Correlation: []byte("leg-7")}
	for _, s := range []Selection{only(Correlation), only()} {
		var b Batch
		NewReader(s, DefaultLimits()).Read(&p, func(m *Message) { b.Add(m) })
		m := &b.Messages[0]
		want := ""
		if s[Correlation] {
			want = "leg-7"
		}
		if got := string(m.Value(Correlation)); got != want || m.Origin != capture.HEP {
			t.Errorf("got = %q from %s, want %q from hep", got, m.Origin, want)
		}
	}
}

func TestDatagramOfSeveralMessagesGivesEach(t *testing.T) {
	refused := strings.Replace(bye, "Call-ID", "Call-IDs", 1)
	for name, c := range map[string]struct {
		payload  string
		want     []string
		trailing uint64
	}{
		"three":              {invite + ringing + bye, []string{invite, ringing, bye}, 0},
		"three, one refused": {invite + refused + bye, []string{invite, bye}, 0},
		"refused first":      {request("INFO", "x", "Call-ID: y", "Content-Length: 0") + bye, []string{bye}, 0},
		"trailing":           {invite + bye + "junk", []string{invite, bye + "junk"}, 4},
		"no length":          {request("BYE", "x") + "body", []string{request("BYE", "x") + "body"}, 0},
		"line break":         {bye + "\r\n" + bye, []string{bye + "\r\n" + bye}, uint64(len(bye)) + 2},
		"leading":            {"\r\n\r\n" + bye, []string{bye}, 0},
	} {
		r := NewReader(everything(), DefaultLimits())
		var got []string
		r.Read(&capture.Packet{Payload: []byte(c.payload)}, func(m *Message) { got = append(got, string(m.Text)) })
		if !slices.Equal(got, c.want) || r.Counts().Trailing != c.trailing {
			t.Errorf("%s: got = %q, trailing = %d, want %q, %d", name, got, r.Counts().Trailing, c.want, c.trailing)
		}
	}
}

// Of a message that the capture cut, every value is one that the whole message has.
func TestCutMessagesHaveNoCutValues(t *testing.T) {
	text := minimal("Contact: <sip:a@h>\r\n ;q=1", "User-Agent: x")
	whole := readOne(t, NewReader(everything(), DefaultLimits()), text)
	for n := range len(text) {
		r := NewReader(everything(), DefaultLimits())
		r.Read(&capture.Packet{Payload: []byte(text[:n]), Cut: true}, func(m *Message) {
			var b Batch
			b.Add(m)
			m = &b.Messages[0]
			for _, s := range m.Spans[:m.N] {
				if !slices.Contains(whole.values(s.Header), string(m.At(s))) {
					t.Errorf("cut at %d: got = %q, want one of %q", n, m.At(s), whole.values(s.Header))
				}
			}
			if m.Flags&Truncated == 0 {
				t.Errorf("cut at %d: flags = %s, want truncated", n, m.Flags)
			}
		})
	}
}

// Of a copy that its sender cut, whatever lengths the sender gave it, the values are those of the whole message.
func TestCutCopiesAreTruncated(t *testing.T) {
	text := minimal("Contact: <sip:a@h>", "Content-Length: 4") + "v=0\n"
	for n := range len(text) + 1 {
		r := NewReader(everything(), DefaultLimits())
		r.Read(&capture.Packet{Payload: []byte(text[:n]), Mirrored: true}, func(m *Message) {
			if cut := m.Flags&Truncated != 0; cut != (n < len(text)) || m.Flags&BodyShort != 0 {
				t.Errorf("cut at %d of %d: flags = %s", n, len(text), m.Flags)
			}
		})
	}
	for _, whole := range []string{minimal(), strings.TrimRight(minimal("Content-Length: 0"), "\r\n")} {
		r := NewReader(everything(), DefaultLimits())
		r.Read(&capture.Packet{Payload: []byte(whole), Mirrored: true}, func(m *Message) {
			if m.Flags&Truncated != 0 {
				t.Errorf("flags of %q = %s, want none", whole, m.Flags)
			}
		})
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	for name, text := range samples {
		r := NewReader(everything(), DefaultLimits())
		p := capture.Packet{Payload: []byte(text)}
		take := func(*Message) {}
		if n := testing.AllocsPerRun(100, func() { r.Read(&p, take) }); n != 0 {
			t.Errorf("%s: allocations = %v, want 0", name, n)
		}
		if c := r.Counts(); total(c) == 0 || c.Refused != [Refusals]uint64{} {
			t.Errorf("%s: refused = %v of %d", name, c.Refused, total(c))
		}
	}
}
