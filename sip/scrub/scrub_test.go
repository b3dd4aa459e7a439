package scrub

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/decode"
	"sipsieve/capture/pcap"
	"sipsieve/sip/syntax"
)

// scrubbed returns the packets of what is left of frames, and what was counted.
func scrubbed(t *testing.T, frames []capturetest.Frame) (all []capture.Packet, sum Summary) {
	t.Helper()
	s := New([32]byte{1})
	for _, f := range frames {
		frame := decode.Frame{Time: f.Time, Link: decode.LinkType(f.Link), Data: f.Data, Length: len(f.Data)}
		if err := s.Add(&frame); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "out.pcapng")
	w, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum, err = s.Write(w); errors.Join(err, w.Close()) != nil {
		t.Fatal(err)
	}
	return packets(t, path), sum
}

func packets(t *testing.T, path string) (all []capture.Packet) {
	t.Helper()
	src, err := pcap.Open(path, pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := src.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Payload = bytes.Clone(p.Payload)
		all = append(all, p)
	}
}

func ladder(t *testing.T, text string) []capturetest.Frame {
	t.Helper()
	frames, err := capturetest.Ladder([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

const call = `00:00.000  alice -> bob   INVITE
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:04.950  alice -> bob   ACK
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE
`

// TestEveryTunnelThatIsReadKeepsItsCall wraps a call in each encapsulation.
func TestEveryTunnelThatIsReadKeepsItsCall(t *testing.T) {
	for _, kind := range []capture.Encapsulation{capture.Dot1Q, capture.QinQ, capture.CookedV1, capture.CookedV2,
		capture.MPLS, capture.PPPoE, capture.IPIP, capture.GRE, capture.NVGRE, capture.ERSPAN2, capture.VXLAN, capture.Geneve,
		capture.GTPU} {
		for _, options := range []string{"", "ipv6\n", "transport tcp\n"} {
			frames := capturetest.Encapsulate(ladder(t, options+call), capturetest.Wrapping{Kind: kind})
			got, sum := scrubbed(t, frames)
			if sum.Messages != 6 || sum.Written != uint64(len(frames)) {
				t.Errorf("%s %q: %d messages in %d of %d frames, want 6 in all; dropped %v", kind, options, sum.Messages,
					sum.Written, len(frames), sum.Dropped)
			}
			for _, p := range got {
				if bytes.Contains(p.Payload, []byte("5550110")) || p.Flow.Src.Addr() == netip.MustParseAddr("192.0.2.10") {
					t.Errorf("%s: the caller is seen", kind)
				}
			}
		}
	}
}

// TestWhatIsNotReadIsDropped has a tunnel that is not read: nothing of it goes out.
func TestWhatIsNotReadIsDropped(t *testing.T) {
	s := New([32]byte{1})
	for _, f := range capturetest.Encapsulate(ladder(t, call), capturetest.Wrapping{Kind: capture.ERSPAN3}) {
		frame := decode.Frame{Time: f.Time, Link: decode.Ethernet, Data: f.Data, Length: len(f.Data)}
		if err := s.Add(&frame); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Write(io.Discard); err == nil || s.sum.Dropped[dropTunnel] != 6 {
		t.Errorf("err = %v, dropped = %v, want an error and 6 of tunnels", err, s.sum.Dropped)
	}
}

// TestOneAddressIsOneAddressEverywhere compares the ends of packets with what stands in Via, Contact and SDP.
func TestOneAddressIsOneAddressEverywhere(t *testing.T) {
	for _, options := range []string{"", "ipv6\n", "transport tcp\n", "mtu 576\n"} {
		got, _ := scrubbed(t, ladder(t, options+call))
		p := got[0]
		text := string(p.Payload)
		at := p.Flow.Src.Addr().String()
		if p.Flow.Src.Addr().Is6() {
			at = "[" + at + "]"
		}
		for _, want := range []string{" " + at, "@" + at} {
			if !strings.Contains(text, want) {
				t.Errorf("%q: %q is not in the INVITE:\n%s", options, want, text)
			}
		}
		if !strings.Contains(text, "c=IN IP4 "+at) && !strings.Contains(text, "c=IN IP6 "+strings.Trim(at, "[]")) {
			t.Errorf("%q: SDP names another address than %s:\n%s", options, at, text)
		}
	}
}

// TestStreamsAreReadAcrossSegments cuts a call in small segments and repeats some.
func TestStreamsAreReadAcrossSegments(t *testing.T) {
	frames := ladder(t, "transport tcp\nmtu 576\n"+call)
	frames = append(frames, frames[3], frames[5])
	got, sum := scrubbed(t, frames)
	if sum.Messages != 6 || sum.Blanked != 0 {
		t.Errorf("messages = %d, blanked = %d, want 6 and 0", sum.Messages, sum.Blanked)
	}
	var text []byte
	for _, p := range got {
		text = append(text, p.Payload...)
	}
	if n := bytes.Count(text, []byte("\r\nContent-Length: ")); n != 6 {
		t.Errorf("messages in the streams = %d, want 6", n)
	}
}

// TestFragmentsThatMissOneShowNothing leaves a fragment out.
func TestFragmentsThatMissOneShowNothing(t *testing.T) {
	frames := ladder(t, "mtu 576\n00:00.000  alice -> bob   INVITE\n")
	s := New([32]byte{1})
	for _, f := range frames[1:] {
		frame := decode.Frame{Time: f.Time, Link: decode.Ethernet, Data: f.Data, Length: len(f.Data)}
		if err := s.Add(&frame); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	sum, err := s.Write(&b)
	if err != nil || sum.Messages != 0 || sum.Blanked != 1 || bytes.Contains(b.Bytes(), []byte("IP4")) {
		t.Errorf("err = %v, messages = %d, blanked = %d, want no message and one blank", err, sum.Messages, sum.Blanked)
	}
}

// text scrubs one text.
func text(t *testing.T, in string) string {
	t.Helper()
	out := make([]byte, len(in))
	messages{values{words{newDisguise([32]byte{7})}}}.message(out, []byte(in))
	return string(out)
}

// TestVersionIsKnownInAnyCase: a start line that is not known would keep its number.
func TestVersionIsKnownInAnyCase(t *testing.T) {
	for _, start := range []string{"INVITE sip:+13035550142@example.net sip/2.0", "SiP/2.0 404 no +13035550142 here"} {
		got := text(t, start+"\r\nTo: <sip:+13035550142@example.net>\r\n\r\n")
		if strings.Contains(got, "3035550142") || !isStartLine([]byte(got)) {
			t.Errorf("%q: got = %q, want a start line without the number", start, got)
		}
	}
}

// TestOfEachHeaderTheProtocolsPartStays looks at the words, and at what must not be there.
func TestOfEachHeaderTheProtocolsPartStays(t *testing.T) {
	for _, one := range []struct{ in, want string }{
		{"CSeq: 102 INVITE", "CSeq: 102 INVITE"},
		{"Content-Length: 0", "Content-Length: 0"},
		{"Session-Expires: 1800;refresher=uac", "Session-Expires: 1800;refresher=uac"},
		{"Supported: 100rel, timer, x-canary", "Supported: 100rel, timer, ?"},
		{"Reason: Q.850;cause=16;text=\"Normal Clearing\"", "Reason: Q.850;cause=16;text=\"Normal Clearing\""},
		{"Date: Sat, 13 Nov 2010 23:29:00 GMT", "Date: Sat, 13 Nov 2010 23:29:00 GMT"},
		{"Privacy: id", "Privacy: id"},
		{"Contact: *", "Contact: *"},
		{"From: <sip:anonymous@anonymous.invalid>;tag=a1b2c3", "From: <sip:anonymous@anonymous.invalid>;tag=?"},
		{"To: <tel:911>", "To: <tel:911>"},
		{"To: <urn:service:sos.fire>", "To: <urn:service:?>"},
		{"Via: SIP/2.0/TCP sbc.example.net:5061;branch=z9hG4bKnashds8;received=192.0.2.7;rport=5062",
			"Via: SIP/2.0/TCP ?:5061;branch=z9hG4bK?;received=?;rport=5062"},
		{"Via: SIP / 2.0 / UDP sbc.example.net:5060;branch=z9hG4bK+nashds8",
			"Via: SIP / 2.0 / UDP ?:5060;branch=z9hG4bK+?"},
		{"Contact: <sip:a@b>;expires = 3600", "Contact: <sip:?@?>;expires = 3600"},
		{"Contact: <sip:alice@192.0.2.9:5060;transport=tcp;ob>;expires=60;q=0.5",
			"Contact: <sip:?@?:5060;transport=tcp;ob>;expires=60;q=0.5"},
		{"Diversion: \"Alice\" <sip:+13035550142@example.net>;reason=user-busy;counter=1",
			"Diversion: \"?\" <sip:+?@?>;reason=user-busy;counter=1"},
		{"Refer-To: <sip:bob@example.net?Replaces=a1%40b%3Bto-tag%3Dx1>",
			"Refer-To: <sip:?@??Replaces=?%40?%3Bto-tag%3D?>"},
		{"Authorization: Digest username=\"bob\", algorithm=MD5, qop=auth, nc=00000001",
			"Authorization: Digest username=\"?\", algorithm=MD5, qop=auth, nc=?"},
		{"Contact: <sip:a@b>;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"",
			"Contact: <sip:?@?>;+sip.instance=\"<urn:uuid:?>\""},
	} {
		if got := text(t, one.in); !shaped(one.in, got, one.want) {
			t.Errorf("%q = %q, want %q", one.in, got, one.want)
		}
	}
}

// shaped reports whether got is want, in which a question mark stands for a unit that is another one than that of in.
func shaped(in, got, want string) bool {
	i := 0
	for n := range len(want) {
		from := i
		switch {
		case i >= len(got) || len(in) != len(got):
			return false
		case want[n] != '?' || got[i] == '?':
			if i++; got[from] != want[n] {
				return false
			}
			continue
		}
		for i < len(got) && isUnit(got[i]) {
			i++
		}
		if got[from:i] == in[from:i] {
			return false
		}
	}
	return i == len(got)
}

// TestOfASessionDescriptionTheMediaStay has addresses and ports change as they do elsewhere, and names and keys go.
func TestOfASessionDescriptionTheMediaStay(t *testing.T) {
	in := "INVITE sip:bob@192.0.2.1 SIP/2.0\r\nContent-Type: application/sdp\r\nContent-Length: 251\r\n\r\n" +
		"v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.9\r\ns=secret\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" +
		"m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendonly\r\n" +
		"a=rtcp:40001\r\n" +
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZi\r\n"
	got := text(t, in)
	for _, want := range []string{"v=0\r\n", "c=IN IP4 0.0.0.0\r\n", "t=0 0\r\nm=audio ",
		" RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000",
		"a=fmtp:101 0-16\r\na=sendonly\r\n", " AES_CM_128_HMAC_SHA1_80 inline:"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in the description:\n%s", want, got)
		}
	}
	for _, gone := range []string{"alice", "2890844526", "192.0.2.9", "secret", "40000", "40001", "d0RmdmcmVCspeEc3QGZi"} {
		if strings.Contains(got, gone) {
			t.Errorf("%q is in the description:\n%s", gone, got)
		}
	}
	media, rtcp := between(got, "m=audio ", " "), between(got, "a=rtcp:", "\r")
	if media[:4] != rtcp[:4] || media[4]+1 != rtcp[4] {
		t.Errorf("ports = %s and %s, want a pair", media, rtcp)
	}
}

func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return text
}

// TestAnAttestationStays has a PASSporT of RFC 8588.
func TestAnAttestationStays(t *testing.T) {
	in := "Identity: eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbiIsInR5cCI6InBhc3Nwb3J0In0.eyJhdHRlc3QiOiJBIiwiZGVzdCI6eyJ0" +
		"biI6WyIxMjAyNTU1MDEwMCJdfSwib3JpZyI6eyJ0biI6IjEzMDM1NTUwMTQyIn19.c2lnbmF0dXJl" +
		";info=<https://x.example/c.pem>;alg=ES256;ppt=shaken"
	got := text(t, in)
	if !strings.HasPrefix(got, in[:76]) { // the header, and "attest":"A
		t.Errorf("the attestation is not there: %s", got)
	}
	for _, gone := range []string{"MDM1NTUwMTQy", "c2lnbmF0dXJl", "x.example"} {
		if strings.Contains(got, gone) {
			t.Errorf("%q, of the number, the signature or the certificate, is there: %s", gone, got)
		}
	}
}

// TestAddressesKeepTheirLengths compares the texts of many addresses, and has none stand for two.
func TestAddressesKeepTheirLengths(t *testing.T) {
	d := newDisguise([32]byte{3})
	seen := map[netip.Addr]bool{}
	for i := range 2000 {
		for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 200}),
			netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(i >> 8), byte(i)})} {
			w := d.address(a)
			if len(w.String()) != len(a.String()) || w == a || seen[w] || w != d.address(a) {
				t.Fatalf("%s = %s: want another of that length, always the same, and nobody else's", a, w)
			}
			seen[w] = true
			out := make([]byte, len(a.String()))
			if (words{d}).stretch(out, []byte(a.String()), nothing); string(out) != w.String() {
				t.Fatalf("the text of %s = %s, want %s", a, out, w)
			}
		}
	}
}

// FuzzStructureStays states the law: the text is as long, its lines and the punctuation of its lines are where they
// were, and its headers say the same of its body.
func FuzzStructureStays(f *testing.F) {
	f.Add([]byte("INVITE sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::1]:5062;branch=z9hG4bK1\r\n" +
		"f: <tel:+1-303>;tag=1\r\nContent-Type: multipart/mixed;boundary=b1\r\nl: 60\r\n\r\n" +
		"--b1\r\nContent-Type: application/sdp\r\n\r\nm=audio 9 RTP/AVP 0\r\n--b1--"))
	f.Add([]byte("SIP/2.0 200 OK\r\nIdentity: a.b.c;x\r\nContact: \"a\\\"\" <sip:%41@::1?a=b&c=d>;q=1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := make([]byte, len(in))
		messages{values{words{newDisguise([32]byte{9})}}}.lines(out, in)
		for i, c := range in {
			if (c == '\n' || c == '\r') && out[i] != c {
				t.Fatalf("byte %d = %q, want %q", i, out[i], c)
			}
			if syntax.IsDigit(c) && !syntax.IsDigit(out[i]) && !syntax.IsLetter(out[i]) {
				t.Fatalf("byte %d: a digit became %q", i, out[i])
			}
		}
		a, b := syntax.HeadLength(in), syntax.HeadLength(out)
		if n, m := syntax.BodyLength(in[:a]), syntax.BodyLength(out[:b]); a != b || n != m {
			t.Errorf("head of %d bytes, body of %d, want %d, %d", b, m, a, n)
		}
	})
}

// TestMoreThanTheLimitIsRefused has room for two frames of three.
func TestMoreThanTheLimitIsRefused(t *testing.T) {
	s := New([32]byte{1})
	s.room = 100
	frame := decode.Frame{Link: decode.Ethernet, Data: make([]byte, 50), Length: 50}
	for i, want := range []error{nil, nil, ErrTooLarge} {
		if err := s.Add(&frame); !errors.Is(err, want) {
			t.Errorf("frame %d: err = %v, want %v", i, err, want)
		}
	}
}
