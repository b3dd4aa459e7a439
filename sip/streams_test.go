package sip

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sipsieve/capture"
	"sipsieve/capture/pcap"
	"sipsieve/sip/framing"
)

// request and response make messages with all that a message must have. body is framed by Content-Length.
func request(method, id string, lines ...string) string {
	return message(method+" sip:bob@192.0.2.2 SIP/2.0", method, id, lines...)
}

func response(status, id string, lines ...string) string {
	return message("SIP/2.0 "+status, "INVITE", id, lines...)
}

func message(start, method, id string, lines ...string) string {
	head := []string{start, "Via: SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bK" + id,
		"From: <sip:alice@192.0.2.1>;tag=a" + id, "To: <sip:bob@192.0.2.2>", "Call-ID: " + id, "CSeq: 1 " + method}
	return strings.Join(append(head, lines...), "\r\n") + "\r\n\r\n"
}

func withBody(body string) string {
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// bodied makes a message of head, whose last line break is replaced by Content-Length and body.
func bodied(head, body string) string { return strings.TrimSuffix(head, "\r\n") + withBody(body) }

var (
	invite = bodied(request("INVITE", "one", "Content-Type: application/sdp"),
		"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n")
	ringing = bodied(response("180 Ringing", "one", "User-Agent: x"), "")
	bye     = bodied(request("BYE", "two"), "")
)

// TestStreamsGiveTheMessagesOfTheirPieces feeds a stream in two payloads: framing has the tests of every other cut.
func TestStreamsGiveTheMessagesOfTheirPieces(t *testing.T) {
	long := strings.Replace(bye, "\r\n", "\r\nSubject: "+strings.Repeat("x", framing.MaxHead)+"\r\n", 1)
	stream := "\r\n" + invite + request("INFO", "x", "Call-ID: y") + long + ringing
	r := NewReader(everything(), DefaultLimits())
	var got []string
	for _, b := range []string{stream[:100], stream[100:]} {
		p := capture.Packet{Payload: []byte(b), Stream: 2, Flow: capture.Flow{Transport: capture.TCP}}
		r.Read(&p, func(m *Message) { got = append(got, fmt.Sprint(m.Flow.Transport, m.Stream, " ", string(m.Text))) })
	}
	if want := []string{"tcp 2 " + invite, "tcp 2 " + ringing}; !slices.Equal(got, want) {
		t.Errorf("got = %q, want %q", got, want)
	}
	c := r.Counts()
	if c.Refused != [Refusals]uint64{TooLong: 1, DupSingle: 1} || c.Requests[Bye] != 1 || c.Requests[Info] != 1 {
		t.Errorf("refused = %v, BYE = %d, INFO = %d, want one too long of one BYE, one Call-ID too many of one INFO",
			c.Refused, c.Requests[Bye], c.Requests[Info])
	}
}

func TestDTLSIsOpaque(t *testing.T) {
	r := NewReader(everything(), DefaultLimits())
	hello := "\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04body"
	newer := strings.Replace(hello, "\xfe\xff", "\xfe\xfd", 1)
	for _, b := range []string{hello, newer, hello[:16], "\x16\xfe\xff", "\x00\x01\x00\x00!\x12\xa4\x42"} {
		r.Read(&capture.Packet{Payload: []byte(b)}, func(*Message) { t.Error("a message") })
	}
	if c := r.Counts(); c.DTLS != 2 || c.Opaque != 2 || c.NotSIP != 3 {
		t.Errorf("DTLS = %d, opaque = %d, not SIP = %d, want 2, 2, 3", c.DTLS, c.Opaque, c.NotSIP)
	}
}

// A truthFile is what tshark makes of a capture.
type truthFile struct{ Requests, Statuses map[string]uint64 }

func TestWebSocketCaptureIsCountedAsTsharkDoes(t *testing.T) {
	const name = "../../shared/captures/generated/g32-websocket-access"
	text, err := os.ReadFile(name + ".truth.json")
	if err != nil {
		absent(t, err)
	}
	var truth truthFile
	if err := json.Unmarshal(text, &truth); err != nil {
		t.Fatal(err)
	}
	r := NewReader(everything(), DefaultLimits())
	eachPacket(t, name+".pcap", func(p *capture.Packet) {
		r.Read(p, func(m *Message) {
			if m.Flow.Transport != capture.WebSocket {
				t.Errorf("transport = %s, want ws", m.Flow.Transport)
			}
		})
	})
	c := r.Counts()
	for m, n := range c.Requests {
		if want := truth.Requests[Method(m).String()]; n != want {
			t.Errorf("%s = %d, want %d", Method(m), n, want)
		}
	}
	for status, n := range c.Statuses {
		if want := truth.Statuses[strconv.Itoa(status)]; n != want {
			t.Errorf("%d = %d, want %d", status, n, want)
		}
	}
	if c.Upgrades != 6 || c.Skipped != 0 || c.NotSIP != 0 {
		t.Errorf("upgrades = %d, skipped = %d, not SIP = %d, want 6, 0, 0", c.Upgrades, c.Skipped, c.NotSIP)
	}
}

// absent skips a test whose captures are not beside this checkout; where they must be, it fails.
func absent(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip("no captures beside this checkout")
}

// eachPacket calls take with every packet of a capture file; the end of a cut file is its end.
func eachPacket(t testing.TB, path string, take func(*capture.Packet)) {
	t.Helper()
	source, err := pcap.Open(path, pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for {
		p, err := source.Next()
		if err != nil {
			return
		}
		take(&p)
	}
}
