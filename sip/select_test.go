package sip

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestCompactFormsAreThoseOfTheRegistry(t *testing.T) {
	for short, h := range map[string]Header{"i": CallID, "f": From, "t": To, "v": Via, "m": Contact, "c": ContentType, "l": ContentLength,
		"x": SessionExpires, "b": ReferredBy, "r": ReferTo, "y": Identity, "k": Supported, "u": AllowEvents, "o": Event} {
		for _, name := range []string{short, strings.ToUpper(short)} {
			if f := find([]byte(name)); f == nil || f.header != h {
				t.Errorf("%s: got = %v, want header %d", name, f, h)
			}
		}
	}
	for _, name := range []string{"s", "e", "a", "d", "j", "n", "", "subject", strings.Repeat("x", 40)} {
		if f := find([]byte(name)); f != nil {
			t.Errorf("%s: got = %v, want none", name, f)
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
		"two CSeqs":           {minimal("CSeq: 1 INVITE"), DupSingle},
		"two Froms":           {minimal("f: <sip:a@h>"), DupSingle},
		"two Tos":             {minimal("T : <sip:a@h>"), DupSingle},
		"two lengths":         {minimal("Content-Length: 0", "l: 0"), DupSingle},
		"two Max-Forwards":    {minimal("Max-Forwards: 70", "Max-Forwards: 70"), DupSingle},
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
		"line":                {minimal("X: " + long(8192)), TooLong},
		"line, folded":        {minimal("X: " + strings.Repeat("y\r\n ", 3000)), TooLong},
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
	for name, text := range map[string]string{
		"CSeq":           strings.Replace(minimal(), "1 INVITE", "2147483647 \t INVITE", 1),
		"headers":        minimal(slices.Repeat([]string{"X: y"}, 123)...),
		"line":           minimal("X: " + strings.Repeat("y", 8189)),
		"address line":   minimal("Contact: <sip:" + strings.Repeat("x", 2048-8) + "@h>"),
		"parameters":     minimal("Contact: <sip:a@h" + strings.Repeat(";p", 64) + ">, <sip:a@h" + strings.Repeat(";p", 64) + ">"),
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

// A header that nobody selected may be as long as a line may, and say what it likes.
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
			if m == nil || len(m.values(Identity)) != 0 || !slices.Equal(m.values(Contact), []string{"after"}) || r.Counts().Oversize != 1 {
				t.Errorf("%s: got = %v, oversize = %d, want the call without it", name, m != nil, r.Counts().Oversize)
			}
		}
	}
	r := NewReader(everything(), DefaultLimits())
	if readOne(t, r, minimal("X: "+strings.Repeat("e", 9000))); r.Counts().Oversize != 0 {
		t.Errorf("oversize = %d for a line that is no Identity, want 0", r.Counts().Oversize)
	}
}

func TestHeadersWithoutWhichNoMessageIsUsedAlwaysHaveSpans(t *testing.T) {
	first := "INVITE sip:b@h SIP/2.0\r\n" + strings.Repeat("Contact: <sip:a@h>\r\n", 60)
	last := strings.TrimPrefix(minimal("Content-Type: application/sdp", "Content-Type: x", "Via: second", "Content-Length: 5"), "INVITE sip:bob@h SIP/2.0\r\n")
	r := NewReader(everything(), DefaultLimits())
	m := readOne(t, r, first+last+"c=x\r\n")
	got := fmt.Sprint(m.N, m.values(RequestURI), m.values(CallID), m.values(CSeq), m.values(From), m.values(To), m.values(Via),
		m.values(ContentType), m.values(ContentLength), m.values(Media), len(m.values(Contact)), string(m.FromTag()), string(m.Branch()), m.Vias)
	want := fmt.Sprint(46, "[sip:b@h] [c] [1 INVITE] [<sip:a@h>;tag=1] [<sip:b@h>] [SIP/2.0/UDP h;branch=z9hG4bKx] [application/sdp] [5] [c=x\n]",
		MaxSpans-appended-reserved-1, "1", "z9hG4bKx", 2)
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got = %s, want %s", got, want)
	}
	if n := r.Counts().LeftOut; n != 60-37+2 {
		t.Errorf("left out = %d, want %d", n, 60-37+2)
	}
}

func TestStartLinesAreReadToTheLetter(t *testing.T) {
	for line, want := range map[string]string{
		"INVITE sip:b@h SIP/2.0":         "INVITE 0",
		"HELLO tel:1 SIP/2.0":            "other 0",
		"SIP/2.0 200 OK":                 "INVITE 200",
		"SIP/2.0 200":                    "INVITE 200",
		"SIP/2.0 100 ":                   "INVITE 100",
		"SIP/2.0 699 a b\tc\xff":         "INVITE 699",
		"invite sip:b@h SIP/2.0":         "other 0",
		"SIP/2.0 099 x":                  "",
		"SIP/2.0 700 x":                  "",
		"SIP/2.0 2000 x":                 "",
		"SIP/2.0 20 x":                   "",
		"SIP/2.0  200 x":                 "",
		"SIP/2.1 200 x":                  "",
		"SIP/2.0\t200 x":                 "",
		"INVITE sip:b@h SIP/7.0":         "",
		"INVITE sip:b@h SIP/2.0 ":        "",
		"INVITE  sip:b@h SIP/2.0":        "",
		"INVITE sip:b@h  SIP/2.0":        "",
		"INVITE sip:b @h SIP/2.0":        "",
		"INVITE bob SIP/2.0":             "",
		"INVITE SIP/2.0":                 "",
		" INVITE sip:b@h SIP/2.0":        "",
		"IN,ITE sip:b@h SIP/2.0":         "",
		"GET http://h/ HTTP/1.1":         "",
		"INVITE sip:b@h sip/2.0":         "",
		"INVITE sip:b@h;a=\"b\" SIP/2.0": "INVITE 0",
	} {
		text := line + strings.TrimPrefix(minimal(), "INVITE sip:bob@h SIP/2.0")
		r := NewReader(everything(), DefaultLimits())
		got := ""
		if m := readOne(t, r, text); m != nil {
			got = fmt.Sprint(m.Method, " ", m.Status)
		}
		if got != want || (want == "") != (r.Counts().NotSIP == 1) {
			t.Errorf("%q: got = %q, not SIP = %d, want %q", line, got, r.Counts().NotSIP, want)
		}
	}
}

func TestMethodOfAResponseIsThatOfCSeq(t *testing.T) {
	m := readOne(t, NewReader(everything(), DefaultLimits()), strings.NewReplacer("INVITE sip:bob@h SIP/2.0", "SIP/2.0 200 OK", "1 INVITE", "7 BYE").Replace(minimal()))
	if m.Method != Bye || m.CSeq != 7 || m.Flags != 0 {
		t.Errorf("got = %s, %d, %s, want BYE, 7, none", m.Method, m.CSeq, m.Flags)
	}
	m = readOne(t, NewReader(everything(), DefaultLimits()), strings.Replace(minimal(), "1 INVITE", "1 invite", 1))
	if m.Flags != CSeqMismatch {
		t.Errorf("flags = %s, want cseq_mismatch: methods are told apart by case", m.Flags)
	}
}

func TestTagsStandOutsideOfQuotesAndAngles(t *testing.T) {
	for value, want := range map[string]string{
		`<sip:a@h>;tag=1`:                         "1",
		`<sip:a@h;tag=no>;TAG = "1" ;x`:           "1",
		`"x;tag=no" <sip:a@h>;y;tag=1`:            "1",
		`"\";tag=no" <sip:a@h;tag=no>; tag=1`:     "1",
		`sip:a@h;tag=1`:                           "1",
		`<sip:a@h>;tag`:                           "",
		`<sip:a@h>;tags=2;xtag=3`:                 "",
		`<sip:a@h;tag=no>`:                        "",
		"<sip:a@h>\r\n ;tag\r\n =\r\n 1":          "1",
		"\"x\r\n ;tag=no\" <sip:a@h>\r\n\t;tag=1": "1",
	} {
		text := strings.Replace(minimal(), "<sip:a@h>;tag=1", value, 1)
		m := readOne(t, NewReader(everything(), DefaultLimits()), text)
		if got := string(m.FromTag()); got != want {
			t.Errorf("%q: tag = %q, want %q", value, got, want)
		}
	}
}

func TestTopmostViaTellsBranchAndSentBy(t *testing.T) {
	for value, want := range map[string]string{
		"SIP/2.0/UDP h:5060;branch=z9hG4bK1, SIP/2.0/TCP g;branch=no":    "z9hG4bK1 h:5060 2",
		"SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;branch=z9hG4bK": "z9hG4bK first.example.com: 4000 1",
		"SIP/2.0/UDP [2001:db8::9]:5060;received=1;branch=b":             "b [2001:db8::9]:5060 1",
		"SIP/2.0/UDP h, SIP/2.0/UDP g;branch=no":                         " h 2",
		"SIP/2.0/UDP\r\n h\r\n ,SIP/2.0/UDP g;branch=no":                 " h 2",
		"SIP/2.0/UDP\r\n h ;branch\r\n =b,SIP/2.0/UDP g":                 "b h 2",
		"rubbish":                        "  1",
		"SIP/2.0/UDP h;x=\",\";branch=b": "b h 1",
	} {
		for _, s := range []Selection{everything(), only()} {
			text := strings.Replace(minimal(), "SIP/2.0/UDP h;branch=z9hG4bKx", value, 1)
			m := readOne(t, NewReader(s, DefaultLimits()), text)
			if got := fmt.Sprint(string(m.Branch()), " ", string(m.at(m.SentBy)), " ", m.Vias); got != want {
				t.Errorf("%q, all Vias %t: got = %q, want %q", value, s[Via], got, want)
			}
		}
	}
}

func TestOfCredentialsTheAllowedParametersAloneAreSelected(t *testing.T) {
	const secrets = `nonce="CANARY1", uri="sip:CANARY2", response="CANARY3", cnonce=CANARY4, opaque="CANARY5", qop=auth, nc=CANARY6, domain="CANARY7", username*=CANARY8`
	asked := []string{"Authorization", "Proxy-Authorization"}
	challenges := []string{"WWW-Authenticate", "Proxy-Authenticate"}
	names := slices.Concat(asked, challenges)
	for _, name := range names {
		value := `Digest username="alice", realm="a, b", stale=TRUE, algorithm=MD5, ` + secrets
		want := []string{`username="alice"`, `realm="a, b"`, `algorithm=MD5`}
		if slices.Contains(challenges, name) {
			want = []string{`realm="a, b"`, `stale=TRUE`, `algorithm=MD5`}
		}
		m := readOne(t, NewReader(everything(), DefaultLimits()), minimal(name+": "+value))
		if got := m.values(find([]byte(strings.ToLower(name))).header); !slices.Equal(got, want) {
			t.Errorf("%s: got = %q, want %q", name, got, want)
		}
	}
	for _, value := range []string{"Basic CANARY", "Digest", "digestCANARY", `Bearer realm="x", CANARY`, `Digest username="a, response="CANARY"`,
		`Digest username=a response=CANARY`, `Digest username="a" response="CANARY"`, `Digest username="a;response="CANARY",nc="`,
		`Digest username=<a, response="CANARY">`, `Digest username="a\", response="CANARY"`, `Digest username=a;response=CANARY`,
		"Digest username=\"a,\r\n response=\"CANARY\",\r\n nonce=\"CANARY", `Digest username="CANARY`} {
		for _, name := range names {
			m := readOne(t, NewReader(everything(), DefaultLimits()), minimal(name+": "+value))
			if bytes.Contains(m.Text, []byte("CANARY")) {
				t.Errorf("%s: %s: kept %q", name, value, m.Text)
			}
		}
	}
}

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

func TestWhatAFeedSaysOfTheCallReachesTheBatch(t *testing.T) {
	p := capture.Packet{Payload: []byte(minimal()), Origin: capture.HEP, Correlation: []byte("leg-7"), Time: time.Unix(9, 0)}
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
			t.Errorf("%s: got %d = %q, trailing = %d, want %d = %q, %d", name, len(got), got, r.Counts().Trailing, len(c.want), c.want, c.trailing)
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
