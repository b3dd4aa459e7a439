package sip

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sipsieve/capture"
)

// only selects those headers besides the ones that are always looked at.
func only(hs ...Header) (s Selection) {
	for _, h := range hs {
		s[h] = true
	}
	return s
}

// readOne reads the only message of payload, and a Batch's copy of it; nil if it was refused.
func readOne(t testing.TB, r *Reader, payload string) (m *Message) {
	t.Helper()
	var b Batch
	r.Read(&capture.Packet{Payload: []byte(payload)}, func(m *Message) { b.Add(m) })
	if len(b.Messages) > 1 {
		t.Fatalf("messages = %d, want 1", len(b.Messages))
	}
	for i := range b.Messages {
		m = &b.Messages[i]
	}
	return m
}

// values returns the values of h.
func (m *Message) values(h Header) (vs []string) {
	for _, s := range m.Spans[:m.N] {
		if s.Header == h {
			vs = append(vs, string(m.At(s)))
		}
	}
	return vs
}

// minimal is a message whose headers a test replaces and adds to.
func minimal(lines ...string) string {
	return "INVITE sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n" +
		"Call-ID: c\r\nCSeq: 1 INVITE\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func TestHeadersAreFoundHoweverTheyAreWritten(t *testing.T) {
	for line, want := range map[string]string{
		"Contact: <sip:a@h>":                 "<sip:a@h>",
		"m:<sip:a@h>":                        "<sip:a@h>",
		"CONTACT \t : <sip:a@h> \t":          "<sip:a@h>",
		"cOnTaCt:":                           "",
		"Contact:\r\n <sip:a@h>":             "<sip:a@h>",
		"Contact: <sip:a@h>\r\n\t ;q=1":      "<sip:a@h> ;q=1",
		"Contact: <sip:a@h> \r\n \r\n ;q=1":  "<sip:a@h>  ;q=1",
		"Contact: <sip:a@h>\n ;q=1":          "<sip:a@h> ;q=1",
		"Contact: <sip:a@h>;x=\":\"\r\nX: y": "<sip:a@h>;x=\":\"",
	} {
		m := readOne(t, NewReader(only(Contact), DefaultLimits()), minimal(line))
		if got := m.values(Contact); !slices.Equal(got, []string{want}) {
			t.Errorf("%q: got = %q, want %q", line, got, want)
		}
	}
	for _, line := range []string{"Contacts: <sip:a@h>", "Contact <sip:a@h>", ": <sip:a@h>", "X: y\r\n Contact: z"} {
		m := readOne(t, NewReader(only(Contact), DefaultLimits()), minimal(line))
		if got := m.values(Contact); len(got) != 0 {
			t.Errorf("%q: got = %q, want none", line, got)
		}
	}
}

// headerOf returns the header of that name.
func headerOf(name string) Header { return names.entries[names.entry([]byte(name))].header }

func TestCompactFormsAreThoseOfTheRegistry(t *testing.T) {
	for short, h := range map[string]Header{"i": CallID, "f": From, "t": To, "v": Via, "m": Contact, "c": ContentType,
		"l": ContentLength, "x": SessionExpires, "b": ReferredBy, "r": ReferTo, "y": Identity,
		"k": Supported, "u": AllowEvents, "o": Event} {
		for _, name := range []string{short, strings.ToUpper(short)} {
			if got := headerOf(name); got != h {
				t.Errorf("%s: got = %d, want header %d", name, got, h)
			}
		}
	}
	for _, name := range []string{"s", "e", "a", "d", "j", "n", "", "subject", strings.Repeat("x", 40)} {
		if names.has([]byte(name)) {
			t.Errorf("%s: got = %d, want none", name, headerOf(name))
		}
	}
}

func TestMessagesOfBareLineFeedsAreUsedAndFlagged(t *testing.T) {
	m := readOne(t, NewReader(everything(), DefaultLimits()), strings.ReplaceAll(minimal("Contact: x"), "\r\n", "\n"))
	if m == nil || m.Flags != BareLF || string(m.FromTag()) != "1" {
		t.Fatalf("got = %+v, want bare_lf and the tag", m)
	}
}

func TestMessageIsRefusedForOneReason(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, c := range map[string]struct {
		text string
		why  Refusal
	}{
		"two Call-IDs":        {minimal("i: d"), DupSingle},
		"two CSeqs":           {minimal("CSeq: 2 INVITE"), DupSingle},
		"two CSeq methods":    {minimal("CSeq: 1 ACK"), DupSingle},
		"two Froms":           {minimal("f: <sip:a@h>"), DupSingle},
		"two Tos":             {minimal("T : <sip:a@h>"), DupSingle},
		"two lengths":         {minimal("Content-Length: 0", "l: 1"), DupSingle},
		"a length and none":   {minimal("Content-Length: 0", "l: "), DupSingle},
		"the third From":      {minimal("f: <sip:a@h>;tag=1", "f: <sip:a@h>;tag=2"), DupSingle},
		"no Call-ID":          {strings.Replace(minimal(), "Call-ID", "Call-IDs", 1), NoCallID},
		"no From":             {strings.Replace(minimal(), "From", "Form", 1), NoCallID},
		"no To":               {strings.Replace(minimal(), "To: ", "Too: ", 1), NoCallID},
		"no CSeq":             {strings.Replace(minimal(), "CSeq", "CSec", 1), NoCallID},
		"CSeq without method": {strings.Replace(minimal(), "1 INVITE", "1", 1), BadCSeq},
		"CSeq without space":  {strings.Replace(minimal(), "1 INVITE", "1INVITE", 1), BadCSeq},
		"CSeq of two words":   {strings.Replace(minimal(), "1 INVITE", "1 INVITE x", 1), BadCSeq},
		"CSeq 2^31":           {strings.Replace(minimal(), "1 INVITE", "2147483648 INVITE", 1), BadCSeq},
		"negative CSeq":       {strings.Replace(minimal(), "1 INVITE", "-1 INVITE", 1), BadCSeq},
		"start line":          {strings.Replace(minimal(), "bob", long(2048), 1), TooLong},
		"headers":             {minimal(slices.Repeat([]string{"X: y"}, 124)...), TooLong},
		"line":                {minimal("User-Agent: " + long(8192)), TooLong},
		"line, folded":        {minimal("User-Agent: " + strings.Repeat("y\r\n ", 3000)), TooLong},
		"address line":        {minimal("Contact: <sip:" + long(2048) + "@h>"), TooLong},
		"parameters":          {minimal("Contact: <sip:a@h" + strings.Repeat(";p", 65) + ">"), TooLong},
		"URI headers":         {minimal("Contact: <sip:a@h?" + strings.Repeat("&p", 65) + ">"), TooLong},
		"parameters of Via":   {minimal("Via: SIP/2.0/UDP h" + strings.Repeat(";p", 65)), TooLong},
		"parameters of a URI": {strings.Replace(minimal(), "bob@h", "bob@h"+strings.Repeat(";p", 65), 1), TooLong},
		"message":             {minimal() + long(65536), TooLong},
	} {
		r := NewReader(everything(), DefaultLimits())
		if m := readOne(t, r, c.text); m != nil || r.Counts().Refused[c.why] != 1 {
			t.Errorf("%s: used = %t, refused = %v, want %s", name, m != nil, r.Counts().Refused, c.why)
		}
	}
}

func TestLimitsAreWhatTheySay(t *testing.T) {
	full := "<sip:a@h" + strings.Repeat(";p", 64) + ">"
	for name, text := range map[string]string{
		"CSeq":           strings.Replace(minimal(), "1 INVITE", "2147483647 \t INVITE", 1),
		"headers":        minimal(slices.Repeat([]string{"X: y"}, 123)...),
		"line":           minimal("k: " + strings.Repeat("y", 8189)),
		"unread line":    minimal("P-Other: "+strings.Repeat("y", 9000), "P-Other: z"),
		"unread, folded": minimal("P-Other: " + strings.Repeat("y\r\n ", 3000)),
		"Max-Forwards":   minimal("Max-Forwards: 70", "Max-Forwards: 69", "Max-Forwards: "+strings.Repeat("7", 9000)),
		"address line":   minimal("Contact: <sip:" + strings.Repeat("x", 2048-8) + "@h>"),
		"parameters":     minimal("Contact: " + full + ", " + full),
		"no colon":       minimal("a line of nothing"),
		"two Routes":     minimal("Route: <sip:h>", "Route: <sip:h>"),
		"bad values":     minimal("Max-Forwards: many", "Expires: never", "Contact: \"<", "Refer-To: <<>"),
		"no address":     strings.Replace(minimal(), "<sip:a@h>", "\"<", 1),
		"message":        minimal() + strings.Repeat("x", 65535-len(minimal())),
		"other method":   strings.ReplaceAll(minimal(), "INVITE", "HELLO"),
		"other CSeq":     strings.Replace(minimal(), "1 INVITE", "1 BYE", 1),
		"lengthy length": minimal("Content-Length: 99999999999999999999999"),
	} {
		r := NewReader(everything(), DefaultLimits())
		if m := readOne(t, r, text); m == nil {
			t.Errorf("%s: refused = %v, want it used", name, r.Counts().Refused)
		}
	}
}

// TestEqualRepeatsAreReadOnce repeats headers of one value, however the value is written.
func TestEqualRepeatsAreReadOnce(t *testing.T) {
	for _, lines := range [][]string{
		{"Call-ID: c"}, {"i:c"}, {"CSeq: 1 INVITE"}, {"CSeq: 01  INVITE"}, {"From: <sip:a@h>;tag=1"},
		{"f : <sip:a@h>;tag=1 \t"}, {"To: <sip:b@h>"}, {"t:\r\n <sip:b@h>"}, {"Content-Length: 0", "Content-Length: 00"},
		{"Content-Length: 0", "l: 0", "l: 0", "i: c"}, {"Content-Length: many", "l: many"},
	} {
		r := NewReader(everything(), DefaultLimits())
		m := readOne(t, r, minimal(lines...))
		if m == nil || m.Flags&Repeated == 0 || r.Counts().Odd[6] != 1 {
			t.Errorf("%q: used = %t, refused = %v, want it used and counted", lines, m != nil, r.Counts().Refused)
			continue
		}
		for _, h := range []Header{CallID, CSeq, From, To} {
			if n := len(m.values(h)); n != 1 {
				t.Errorf("%q: values of header %d = %d, want 1", lines, h, n)
			}
		}
	}
	m := readOne(t, NewReader(everything(), DefaultLimits()), minimal("Route: <sip:h>", "Route: <sip:h>"))
	if m == nil || m.Flags != 0 {
		t.Error("two equal Routes count as a repeat, want two values")
	}
}

// TestEveryHeaderHasItsRow fails for a header without a row in headers.
func TestEveryHeaderHasItsRow(t *testing.T) {
	noLine := []Header{0, RequestURI, Media, Link, Correlation}
	for h, row := range headers {
		h := Header(h)
		if slices.Contains(noLine, h) != (row.name == "") || row.name != strings.ToLower(row.name) {
			t.Errorf("header %d has the name %q", h, row.name)
		}
		for _, name := range []string{row.name, row.compact} {
			if name != "" && headerOf(strings.ToUpper(name)) != h {
				t.Errorf("%s: got = header %d, want header %d", name, headerOf(name), h)
			}
		}
	}
}

// TestLongestNameIsFound adds a header whose name is longer than all others.
func TestLongestNameIsFound(t *testing.T) {
	longer, rows := strings.Repeat("p-long-name-", 9), headers
	rows[Event].name = longer
	x := newNameIndex(&rows, known[:])
	if got := x.entries[x.entry([]byte(strings.ToUpper(longer)))].header; got != Event {
		t.Errorf("a name of %d bytes: got = %d, want its header", len(longer), got)
	}
}

// A header that is not selected may be as long as a line may, whatever stands in it.
func TestLimitsOfAddressesAreThoseOfSelectedHeaders(t *testing.T) {
	text := minimal("Route: <sip:" + strings.Repeat("x", 4000) + strings.Repeat(";p", 100) + ">")
	if m := readOne(t, NewReader(only(), DefaultLimits()), text); m == nil {
		t.Error("refused for a header that is not looked at")
	}
}

func TestOversizeIdentityIsLeftOutAndTheCallKept(t *testing.T) {
	for _, name := range []string{"Identity", "y", "IDENTITY \t"} {
		for _, value := range []string{strings.Repeat("e", 9000), strings.Repeat("e\r\n ", 6000)} {
			r := NewReader(everything(), DefaultLimits())
			m := readOne(t, r, minimal(name+": "+value, "Contact: after"))
			kept := m != nil && len(m.values(Identity)) == 0 && slices.Equal(m.values(Contact), []string{"after"})
			if !kept || r.Counts().Oversize != 1 {
				t.Errorf("%s: got = %v, oversize = %d, want the call without it", name, m != nil, r.Counts().Oversize)
			}
		}
	}
	r := NewReader(everything(), DefaultLimits())
	if readOne(t, r, minimal("P-Other: "+strings.Repeat("e", 9000))); r.Counts().Oversize != 0 {
		t.Errorf("oversize = %d for a line that is no Identity, want 0", r.Counts().Oversize)
	}
}

func TestHeadersWithoutWhichNoMessageIsUsedAlwaysHaveSpans(t *testing.T) {
	first := "INVITE sip:b@h SIP/2.0\r\n" + strings.Repeat("Contact: <sip:a@h>\r\n", 60)
	_, last, _ := strings.Cut(
		minimal("Content-Type: application/sdp", "Content-Type: x", "Via: second", "Content-Length: 5", "Privacy: id"), "\r\n")
	r := NewReader(everything(), DefaultLimits())
	m := readOne(t, r, first+last+"c=x\r\n")
	got := fmt.Sprintf("%d %q %q", m.Vias, m.FromTag(), m.Branch())
	for _, h := range []Header{RequestURI, CallID, CSeq, From, To, Via, ContentType, ContentLength, Privacy, Media} {
		got += fmt.Sprintf(" %q", m.values(h))
	}
	want := `2 "1" "z9hG4bKx" ["sip:b@h"] ["c"] ["1 INVITE"] ["<sip:a@h>;tag=1"] ["<sip:b@h>"] ` +
		`["SIP/2.0/UDP h;branch=z9hG4bKx"] ["application/sdp"] ["5"] ["id"] ["c=x\n"]`
	if got != want {
		t.Errorf("got = %s, want %s", got, want)
	}
	if n := len(m.values(Contact)); n != maxSpans-appended-reserved-1 || m.N != n+10 {
		t.Errorf("Contacts = %d of %d, want %d", n, m.N, maxSpans-appended-reserved-1)
	}
	if n := r.Counts().LeftOut; n != 60-36+2 {
		t.Errorf("left out = %d, want %d", n, 60-36+2)
	}
}
