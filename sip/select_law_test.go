package sip

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sipsieve/capture"
)

// offer is a session description of a browser, with lines that are kept and lines that are not.
const offer = "v=0\r\no=alice 2890844526 2890844527 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n" +
	"a=ice-pwd:CANARY\r\na=ice-ufrag:CANARY\r\na=fingerprint:sha-256 CANARY\r\n" +
	"m=audio 16384 UDP/TLS/RTP/SAVPF 111 0 8 101\r\na=rtpmap:111 OPUS/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n" +
	"a=fmtp:111 CANARY\r\na=ptime:20\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:CANARY\r\na=candidate:CANARY\r\n" +
	"a=sendonly\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=inactive\r\nm=video 16386 RTP/AVP 97\r\n" +
	"c=IN IP6 2001:db8::9\r\na=rtpmap:97 VP8/90000\r\n"

// samples are the messages on which speed is measured: of the length and with the headers that an SBC sees.
var samples = map[string]string{
	"INVITE": bodied(message("INVITE sip:+13035550142@sbc.example.net;user=phone SIP/2.0", "INVITE", "f81d4fae-7dec-11d0",
		"Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK-7b1d-1-0;received=192.0.2.7;rport=5060",
		"Max-Forwards: 69",
		"Record-Route: <sip:192.0.2.1;lr;ftag=af81d4;did=a21.5f5>",
		`Contact: <sip:+13035550110@192.0.2.10:5060;transport=udp>;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00>"`,
		"User-Agent: Yealink SIP-T46S 66.86.0.15",
		"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, PRACK, UPDATE",
		"Supported: replaces, timer, 100rel, path",
		"Session-Expires: 1800;refresher=uac",
		"Min-SE: 90",
		"Privacy: none",
		`P-Asserted-Identity: "Alice" <sip:+13035550110@example.net>`,
		"P-Charging-Vector: icid-value=1234bc9876e;icid-generated-at=192.0.2.6;orig-ioi=home1.net",
		"Diversion: <sip:+13035550111@example.net>;reason=unconditional;counter=1",
		"Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000",
		"Identity: "+strings.Repeat("eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbiI", 10),
		"Content-Type: application/sdp"), offer),
	"200": bodied(message("SIP/2.0 200 OK", "INVITE", "f81d4fae-7dec-11d0-a765",
		"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKnashds8;received=192.0.2.10",
		"Record-Route: <sip:192.0.2.1;lr;ftag=af81d4;did=a21.5f5>",
		"Contact: <sip:+13035550142@192.0.2.20:5060>",
		"Server: Asterisk PBX 20.1.0",
		"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE",
		"Content-Type: application/sdp"),
		"v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n"),
	"REGISTER": bodied(message("REGISTER sip:example.net SIP/2.0", "REGISTER", "843817637684230@998sdasdh09",
		"Max-Forwards: 70",
		"Contact: <sip:+13035550110@192.0.2.10:5060>;expires=3600",
		"User-Agent: Yealink SIP-T46S 66.86.0.15",
		"Expires: 3600",
		`Authorization: Digest username="alice", realm="example.net", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", `+
			`uri="sip:example.net", response="6629fae49393a05397450978507c4ef1", algorithm=MD5`), ""),
}

// dear are messages made to cost: each is a law's worst case, 64 KiB long or nearly.
func dear() map[string]string {
	fill := func(unit string) string { return strings.Repeat(unit, 63<<10/len(unit)) }
	lines := func(n int, start, unit string, units int) string {
		return minimal(slices.Repeat([]string{start + strings.Repeat(unit, units)}, n)...)
	}
	return map[string]string{
		"parameters in Contact": minimal("Contact: <sip:a@h" + strings.Repeat(";p=1", 13_250) + ">"),
		"parameters in a URI":   "INVITE sip:b@h" + fill(";p") + " SIP/2.0\r\n",
		"headers":               minimal(fill("a:\r\n")),
		"folded lines":          minimal("Contact: x" + fill("\r\n ")),
		"folded lines, unread":  minimal("Subject: x" + fill("\r\n ")),
		"folded Identity":       minimal("Identity: x" + fill("\r\n ")),
		"long Identity":         minimal("Identity: " + fill("x")),
		"values":                lines(30, "Contact: ", "a,", 1019),
		"quotes":                lines(30, "Contact: ", "\"", 2039),
		"angles":                lines(10, "Via: ", "<;,", 2000),
		"Vias":                  lines(7, "Via: ", "a,", 4000),
		"credentials":           lines(7, "Authorization: Digest ", "realm=a,", 1000),
		"messages":              fill(request("INFO", "x", "Content-Length: 0")),
		"refused messages":      fill("ACK a:b SIP/2.0\r\nl:0\r\n\r\n"),
		"start lines":           fill("ACK a:b SIP/2.0\r\n"),
		"words":                 fill("ACK "),
		"parts":                 minimal("Content-Type: multipart/mixed;boundary=b") + fill("--b\r\n"),
	}
}

func TestParameterBombIsRefused(t *testing.T) {
	for _, name := range []string{"parameters in Contact", "parameters in a URI", "headers", "folded lines"} {
		r := NewReader(everything(), DefaultLimits())
		if m := readOne(t, r, dear()[name]); m != nil || r.Counts().Refused[TooLong] != 1 {
			t.Errorf("%s: used = %t, refused = %v, want one too long", name, m != nil, r.Counts().Refused)
		}
	}
}

func BenchmarkSelect(b *testing.B) {
	for name, text := range samples {
		b.Run(name, func(b *testing.B) { benchRead(b, text, 0) })
	}
}

// BenchmarkDearest shows that no message costs more than its bytes: by datagram and by stream.
func BenchmarkDearest(b *testing.B) {
	for name, text := range dear() {
		b.Run("datagram/"+name, func(b *testing.B) { benchRead(b, text, 0) })
		b.Run("stream/"+name, func(b *testing.B) { benchRead(b, text, 2) })
	}
}

// BenchmarkTorture reads each message of the torture set once.
func BenchmarkTorture(b *testing.B) {
	for _, x := range tortures(b) {
		b.Run(x.File, func(b *testing.B) { benchRead(b, string(x.payload), 0) })
	}
}

func benchRead(b *testing.B, text string, stream uint64) {
	r := NewReader(everything(), DefaultLimits())
	p := capture.Packet{Payload: []byte(text), Stream: stream, Ended: stream > 0}
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.Read(&p, func(*Message) {})
	}
}

// told is what a Message says, wherever in its text it says it.
func (m *Message) told(s *Selection) string {
	var out strings.Builder
	fmt.Fprintln(&out, m.Method, m.Status, m.CSeq, m.Vias, uint16(m.Flags&^Folded))
	fmt.Fprintf(&out, "%q %q %q %q\n", m.FromTag(), m.ToTag(), m.Branch(), m.SentBy())
	for _, v := range m.Spans[:m.N] {
		if s[v.Header] {
			fmt.Fprintf(&out, "%d %q\n", v.Header, m.At(v))
		}
	}
	return out.String()
}

// FuzzSelect states the laws of the selection: values are trimmed parts of the text; a Batch has each of them right
// behind the unfolding; fewer headers selected give fewer values and nothing else; and what a header says that is not
// selected, whatever it is, changes nothing.
func FuzzSelect(f *testing.F) {
	for _, text := range samples {
		f.Add([]byte(text), "CANARY", uint8(len(text)))
	}
	folded := minimal("Contact: <sip:a@h>\r\n ;q=1", "Via:\r\n SIP/2.0/UDP h\r\n ;branch\r\n =b,\r\n c")
	f.Add([]byte(folded), "\"<,;", uint8(3))
	for _, x := range dearSeeds {
		f.Add([]byte(dear()[x]), "x", uint8(5))
	}
	unselected := []string{"Subject", "X", "Contact", "m", "Route", "Warning", "Authorization", "Identity", "User-Agent"}
	f.Fuzz(func(t *testing.T, text []byte, other string, which uint8) {
		all, none := everything(), NewReader(only(), DefaultLimits()).sel.want
		most := all
		left := Header(which) % Headers
		most[left] = none[left]
		r := NewReader(all, DefaultLimits())
		r.Read(&capture.Packet{Payload: text}, func(m *Message) { checkValues(t, m) })
		everythingOf := readAll(all, text, &most)
		lessOf := readAll(most, text, &most)
		if r.Counts().LeftOut == 0 && r.Counts().Refused == [Refusals]uint64{} && !slices.Equal(everythingOf, lessOf) {
			t.Errorf("without header %d: got = %q, want %q", left, lessOf, everythingOf)
		}
		name := unselected[int(which)%len(unselected)]
		other = strings.ReplaceAll(other[:min(len(other), 4000)], "\n", "")
		got, want := readAll(none, withHeader(text, name, other), &none), readAll(none, withHeader(text, name, "x"), &none)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got = %q, want %q", name, got, want)
		}
	})
}

var dearSeeds = []string{"messages", "refused messages", "angles"}

// withHeader returns text with a header behind its first line.
func withHeader(text []byte, name, value string) []byte {
	n := bytes.IndexByte(text, '\n') + 1
	return slices.Concat(text[:n], []byte(name+": "+value+"\r\n"), text[n:])
}

// readAll returns what the messages of text tell of the headers in told, to a Reader that selects those of s.
func readAll(s Selection, text []byte, told *Selection) (all []string) {
	var b Batch
	NewReader(s, DefaultLimits()).Read(&capture.Packet{Payload: text}, func(m *Message) { b.Add(m) })
	for i := range b.Messages {
		all = append(all, b.Messages[i].told(told))
	}
	return all
}

// checkValues checks the values of m, and those of a Batch that takes it behind another.
func checkValues(t *testing.T, m *Message) {
	var b Batch
	b.Add(m)
	b.Add(m)
	c := &b.Messages[1]
	for i, s := range m.Spans[:m.N] {
		v := m.At(s)
		if s.Header != RequestURI && !bytes.Equal(v, bytes.Trim(v, " \t\r\n")) {
			t.Errorf("header %d: %q is not trimmed", s.Header, v)
		}
		got, want := c.At(c.Spans[i]), appendValue(nil, v, s.Folded)
		if !bytes.Equal(got, want) || bytes.IndexByte(got, '\n') >= 0 {
			t.Errorf("header %d in the batch = %q, want %q", s.Header, got, want)
		}
	}
	for name, pair := range map[string][2][]byte{"From tag": {m.FromTag(), c.FromTag()}, "To tag": {m.ToTag(), c.ToTag()},
		"branch": {m.Branch(), c.Branch()}, "sent-by": {m.SentBy(), c.SentBy()}} {
		if want := appendValue(nil, pair[0], true); !bytes.Equal(pair[1], want) {
			t.Errorf("%s in the batch = %q, want %q", name, pair[1], want)
		}
	}
}
