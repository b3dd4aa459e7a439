package sip

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/framing"
)

// upgrade is the head behind which a stream goes on in WebSocket frames.
const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n"

// frameOf makes a WebSocket frame that is a message of its own, not masked, with a length of two bytes (RFC 6455 section
// 5.2). A compressed one has RSV1 in its first byte: 0xc1 in place of 0x81.
func frameOf(first byte, payload string) string {
	return string(binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(len(payload)))) + payload
}

// packed makes a frame of text compressed by itself, without the end that RFC 7692 section 7.2.1 leaves out.
func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.HuffmanOnly)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return frameOf(0xc1, strings.TrimSuffix(b.String(), "\x00\x00\xff\xff"))
}

// A streamRead is what a test looks at of a Message that came on a stream.
type streamRead struct {
	second    int64 // Message.Time: how many packets there were before it, see readStream
	transport capture.Transport
	flags     Flags
	text      string
}

// readStream reads packets as those of one TCP stream, one a second from second 0 on.
func readStream(r *Reader, number uint64, packets ...capture.Packet) (got []streamRead) {
	for i, p := range packets {
		p.Stream, p.Time, p.Flow.Transport = number, time.Unix(int64(i), 0), capture.TCP
		r.Read(&p, func(m *Message) {
			got = append(got, streamRead{m.Time.Unix(), m.Flow.Transport, m.Flags, string(m.Text)})
		})
	}
	return got
}

func payload(text string) capture.Packet { return capture.Packet{Payload: []byte(text)} }

func lost(text string) capture.Packet { return capture.Packet{Payload: []byte(text), Lost: true} }

func TestPiecesOfStreamsBecomeMessages(t *testing.T) {
	body := strings.Index(invite, "v=0")
	short := strings.Replace(bye, "Length: 0", "Length: 70000", 1)
	for name, c := range map[string]struct {
		packets []capture.Packet
		want    []streamRead
	}{
		"a gap in a body": {[]capture.Packet{payload(invite[:body+8]), lost("a=sendrecv\r\n" + bye)},
			[]streamRead{{0, capture.TCP, Truncated, invite[:body+8]}, {1, capture.TCP, 0, bye}}},
		"a gap in headers": {[]capture.Packet{payload(invite[:body-30]), lost("a=sendrecv\r\n" + bye)},
			[]streamRead{{1, capture.TCP, 0, bye}}},
		"more Content-Length than a message has": {[]capture.Packet{payload(short + invite)},
			[]streamRead{{0, capture.TCP, BodyShort, short}, {0, capture.TCP, 0, invite}}},
		"a frame": {[]capture.Packet{payload(upgrade), payload(frameOf(0x81, bye))},
			[]streamRead{{1, capture.WebSocket, 0, bye}}},
		"a frame behind its Content-Length": {[]capture.Packet{payload(upgrade + frameOf(0x81, bye+ringing))},
			[]streamRead{{0, capture.WebSocket, 0, bye + ringing}}},
		"a compressed frame": {[]capture.Packet{payload(upgrade + packed(t, invite))},
			[]streamRead{{0, capture.WebSocket, 0, invite}}},
		"a gap in a frame": {[]capture.Packet{payload(upgrade + frameOf(0x81, invite[:body+8]+"x")[:4+body+8]), lost("")},
			[]streamRead{{0, capture.WebSocket, Truncated, invite[:body+8]}}},
	} {
		r := NewReader(everything(), DefaultLimits())
		if got := readStream(r, 2, c.packets...); !slices.Equal(got, c.want) {
			t.Errorf("%s: got = %+v, want %+v", name, got, c.want)
		}
		if n := r.Counts(); n.Trailing != 0 || n.Refused != [Refusals]uint64{} {
			t.Errorf("%s: trailing = %d, refused = %v, want none", name, n.Trailing, n.Refused)
		}
	}
}

// A head with too many lines is refused at the line that is too many: it need not end.
func TestHeadersOverTheLimitAreRefusedBeforeTheirEnd(t *testing.T) {
	r := NewReader(everything(), DefaultLimits())
	head := strings.TrimSuffix(request("BYE", "many", slices.Repeat([]string{"X: y"}, 125)...), "\r\n")
	if got := readStream(r, 2, payload(head)); len(got) != 0 || r.Counts().Refused != [Refusals]uint64{TooLong: 1} {
		t.Errorf("got = %+v, refused = %v of 130 headers, want none, one too long", got, r.Counts().Refused)
	}
	want := []streamRead{{0, capture.TCP, 0, invite}}
	if got := readStream(r, 2, payload("\r\n"+invite)); !slices.Equal(got, want) {
		t.Errorf("got = %+v, want %+v", got, want)
	}
	if c := r.Counts(); c.Refused != [Refusals]uint64{TooLong: 1} || c.Requests[Bye] != 1 || c.Requests[Invite] != 1 {
		t.Errorf("refused = %v, BYE = %d, INVITE = %d, want one too long, 1, 1",
			c.Refused, c.Requests[Bye], c.Requests[Invite])
	}
}

// TestCountsAreThoseOfStreamsAndDatagrams makes each count a number of its own, so that two of them swapped are seen.
func TestCountsAreThoseOfStreamsAndDatagrams(t *testing.T) {
	const buffers = 512 // of unfinished messages, the limit of a Framer
	r := NewReader(everything(), DefaultLimits())
	for _, b := range []string{"\r\n", "junk", "\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04body"} {
		r.Read(&capture.Packet{Payload: []byte(b)}, func(*Message) { t.Error("a message") })
	}
	number := uint64(0)
	play := func(streams int, packets ...capture.Packet) (messages int) {
		for range streams {
			number++
			messages += len(readStream(r, number, packets...))
		}
		return messages
	}
	again := func(n int, text string) []capture.Packet { return slices.Repeat([]capture.Packet{payload(text)}, n) }
	play(1, again(9, "\r\n")...)
	play(3, payload("\x16\x03\x01\x00\x05abcde"))
	play(1, append(again(1, "\x16\x03\x01\x00\x05abcde"), again(3, "more")...)...)
	play(1, payload(upgrade))
	inFrames := append(again(1, upgrade), again(3, packed(t, bye))...)
	messages := play(1, append(inFrames, again(5, "\xc1\x05abcde")...)...)
	play(buffers+7, payload("BYE sip:"))
	c := r.Counts()
	got := framing.Counts{NotSIP: c.NotSIP, Keepalive: c.Keepalive, Opaque: c.Opaque, TLSStreams: c.TLSStreams,
		Upgrades: c.Upgrades, Inflated: c.Inflated, Deflated: c.Deflated, Skipped: c.Skipped, Evicted: c.Evicted}
	want := framing.Counts{NotSIP: 5 + 1, Keepalive: 9 + 1, Opaque: 7 + 1, TLSStreams: 4,
		Upgrades: 2, Inflated: 3, Deflated: 5, Skipped: 5*7 + 7*8, Evicted: 7}
	if got != want {
		t.Errorf("got = %+v, want %+v", got, want)
	}
	if messages != 3 || total(c) != 3 || c.Requests[Bye] != 3 || c.DTLS != 1 {
		t.Errorf("messages = %d, counted = %d, BYE = %d, DTLS = %d, want 3, 3, 3, 1",
			messages, total(c), c.Requests[Bye], c.DTLS)
	}
}
