package sdp

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const offered = "v=0\r\no=alice smith 2890844526 2890844527 IN IP4 192.0.2.10\r\ns=CANARY\r\ni=CANARY\r\nu=CANARY\r\n" +
	"e=CANARY\r\np=CANARY\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\nk=clear:CANARY\r\na=ice-pwd:CANARY\r\na=ice-ufrag:CANARY\r\n" +
	"a=fingerprint:sha-256 CANARY\r\nm=audio 16384 UDP/TLS/RTP/SAVPF 111 0 8 101 99\r\na=rtpmap:111 OPUS/48000/2\r\n" +
	"a=rtpmap:101 telephone-event/8000\r\na=rtpmap:99 CANARYcodec/8000\r\na=fmtp:111 CANARY\r\na=ptime:20\r\n" +
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:CANARY\r\na=crypto:2 CANARY\r\na=candidate:CANARY\r\na=sendonly\r\n" +
	"a=tls-id:CANARY\r\na=key-mgmt:CANARY\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=inactive\r\n" +
	"m=video 16386 RTP/AVP 97\r\nc=IN IP6 2001:db8::9\r\na=rtpmap:97 VP8/90000\r\n"

func TestMediaLinesOfTheRegisterAloneAreCopied(t *testing.T) {
	got := string(Reduce([]byte("before"), []byte(offered)))
	want := "beforeo=- 2890844526 2890844527 IN IP4 192.0.2.10\nc=IN IP4 192.0.2.11\na=fingerprint\n" +
		"m=audio 16384 UDP/TLS/RTP/SAVPF 111 0 8 101 99\na=rtpmap:111 OPUS/48000/2\na=rtpmap:101 telephone-event/8000\n" +
		"a=rtpmap:99 CANARYcodec/8000\na=ptime:20\na=crypto\na=candidate\na=sendonly\nm=video 0 RTP/AVP 96\n" +
		"a=rtpmap:96 H264/90000\na=inactive\nm=video 16386 RTP/AVP 97\nc=IN IP6 2001:db8::9\na=rtpmap:97 VP8/90000\n"
	if got != want {
		t.Errorf("got = %q, want %q", got, want)
	}
}

func TestSessionHasItsMedia(t *testing.T) {
	s := Read(Reduce(nil, []byte(offered)))
	got := fmt.Sprintln(s.Types[:s.NTypes], s.Codecs[:s.NCodecs], s.Addr, s.Port, s.Profile, s.Direction, s.Crypto, s.Candidate,
		s.Hold(), string(s.OriginID), string(s.OriginAt))
	want := "[audio video] [opus PCMU PCMA telephone-event other VP8] 192.0.2.11 16384 UDP/TLS/RTP/SAVPF 1 dtls true true " +
		"2890844526 192.0.2.10\n"
	if got != want {
		t.Errorf("got = %s, want %s", got, want)
	}
}

func TestHoldIsSeenInEveryForm(t *testing.T) {
	for lines, want := range map[string]bool{
		"c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n":                   false,
		"c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=recvonly\n":       false,
		"c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=sendonly\n":       true,
		"a=inactive\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n":       true,
		"a=inactive\nm=audio 4000 RTP/AVP 0\na=sendrecv\n":               false,
		"c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n":                     true,
		"c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.1\n": false,
		"m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 34\na=inactive\n":  false,
		"c=IN IP4 0.0.0.0\n": false,
		"m=audio 0 RTP/AVP 0\na=sendonly\nm=audio 4000 RTP/AVP 0\na=recvonly": false,
	} {
		if s := Read([]byte(lines)); s.Hold() != want {
			t.Errorf("%q: hold = %t, want %t", lines, s.Hold(), want)
		}
	}
}

func TestKeysAreNamedByKindOnly(t *testing.T) {
	for lines, want := range map[string]string{
		"m=audio 4000 RTP/AVP 0\n":                       "none",
		"m=audio 4000 RTP/AVP 0\na=zrtp-hash\n":          "zrtp",
		"m=audio 4000 RTP/SAVP 0\na=crypto\n":            "sdes",
		"m=audio 4000 RTP/SAVP 0\n":                      "sdes",
		"m=audio 4000 RTP/SAVPF 0\na=fingerprint\n":      "dtls",
		"m=audio 4000 UDP/TLS/RTP/SAVPF 0\na=crypto:1\n": "sdes",
	} {
		if s := Read([]byte(lines)); s.Crypto.String() != want {
			t.Errorf("%q: crypto = %s, want %s", lines, s.Crypto, want)
		}
	}
}

func TestSessionDescriptionIsFoundInMultipart(t *testing.T) {
	sdp := "v=0\r\nc=IN IP4 192.0.2.1\r\n"
	part := func(kind, text string) string { return "Content-Type: " + kind + "\r\n\r\n" + text + "\r\n" }
	inner := "--in\r\n" + part("text/plain", "x") + "--in\r\n" + part("application/sdp", sdp) + "--in--\r\n"
	for name, c := range map[string]struct{ kind, body, want string }{
		"plain":     {"Application/SDP; charset=utf-8", sdp, sdp},
		"no type":   {"", sdp, sdp},
		"text":      {"text/plain", sdp, ""},
		"mixed":     {`multipart/mixed;boundary="b 1"`, "--b 1\r\n" + part("application/isup", "y") + "--b 1\r\n" + part("application/sdp", sdp) + "--b 1--", sdp + "\r\n"},
		"nested":    {"multipart/mixed; boundary=in2", "--in2\r\n" + part("multipart/alternative;boundary=in", inner) + "--in2--", sdp + "\r\n"},
		"too deep":  {"multipart/mixed;boundary=a", "--a\r\n" + part("multipart/mixed;boundary=b", "--b\r\n"+part("multipart/mixed;boundary=in", inner)+"--b--") + "--a--", ""},
		"too many":  {"multipart/mixed;boundary=a", strings.Repeat("--a\r\n"+part("text/plain", "x"), 8) + "--a\r\n" + part("application/sdp", sdp) + "--a--", ""},
		"cut short": {"multipart/mixed;boundary=a", "--a\r\nContent-Type: application/sdp\r\n\r\n" + sdp, sdp},
		"boundless": {"multipart/mixed", "--\r\n" + part("application/sdp", sdp), ""},
	} {
		if got := string(Find([]byte(c.kind), []byte(c.body))); got != c.want {
			t.Errorf("%s: got = %q, want %q", name, got, c.want)
		}
	}
}

func TestSessionReadingAllocatesNothing(t *testing.T) {
	text := Reduce(nil, []byte(offered))
	text = bytes.ReplaceAll(text, []byte("c=IN IP6 2001:db8::9\n"), nil)
	buf := make([]byte, 0, maxText+maxLine)
	if n := testing.AllocsPerRun(100, func() { Read(text); Reduce(buf, []byte(offered)) }); n > 1 {
		t.Errorf("allocations = %v, want none but the test's own", n)
	}
}

// FuzzMediaLines states the law that only listed lines come through, however the body is made, and not much of them.
func FuzzMediaLines(f *testing.F) {
	f.Add([]byte(offered))
	f.Add([]byte("o=a b c 1 2 IN IP4 h\na=crypto\nm=\n"))
	listed := []string{"c=", "m=", "o=- ", "a=rtpmap:", "a=ptime:"}
	whole := []string{"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive", "a=crypto", "a=fingerprint", "a=zrtp-hash", "a=candidate"}
	f.Fuzz(func(t *testing.T, body []byte) {
		out := Reduce(nil, body)
		if len(out) > maxText {
			t.Errorf("length = %d", len(out))
		}
		for line := range strings.Lines(string(out)) {
			begins := func(p string) bool { return strings.HasPrefix(line, p) }
			if !slices.ContainsFunc(listed, begins) && !slices.Contains(whole, strings.TrimSuffix(line, "\n")) {
				t.Errorf("line = %q", line)
			}
		}
		if again := Reduce(nil, out); !bytes.Equal(again, out) {
			t.Errorf("copied again = %q, want %q", again, out)
		}
		Read(out)
	})
}

func BenchmarkRead(b *testing.B) {
	text := Reduce(nil, []byte(offered))
	b.ReportAllocs()
	for b.Loop() {
		Read(text)
	}
}
