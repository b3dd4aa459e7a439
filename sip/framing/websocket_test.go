package framing

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"sipsieve/capture"
)

const (
	upgradeRequest = "GET /ws HTTP/1.1\r\nHost: sip.example.net\r\nConnection: Upgrade\r\nupgrade: WebSocket\r\n" +
		"Sec-WebSocket-Protocol: msrp, sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
	upgradeAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)

var mask = []byte{0x37, 0xfa, 0x21, 0x3d}

// frameOf makes a frame of RFC 6455 section 5.2 with the shortest length; key is nil for one that is not masked.
func frameOf(final bool, opcode byte, key []byte, payload string) string {
	b, bit := []byte{opcode}, byte(0)
	if final {
		b[0] |= 0x80
	}
	if key != nil {
		bit = 0x80
	}
	switch n := len(payload); {
	case n > 65535:
		b = binary.BigEndian.AppendUint64(append(b, bit|127), uint64(n))
	case n > 125:
		b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(n))
	default:
		b = append(b, bit|byte(n))
	}
	b = append(b, key...)
	for i := range len(payload) {
		c := payload[i]
		if key != nil {
			c ^= key[i&3]
		}
		b = append(b, c)
	}
	return string(b)
}

// inFrames makes a message of frames of at most n bytes of payload, with a ping between them.
func inFrames(text string, n int, key []byte) (stream string) {
	opcode := byte(1)
	for len(text) > n {
		stream += frameOf(false, opcode, key, text[:n]) + frameOf(true, 9, key, "still there?")
		text, opcode = text[n:], continuation
	}
	return stream + frameOf(true, opcode, key, text)
}

// packed makes a compressed message (RFC 7692) of frames of at most n bytes of payload, of one frame if n is 0.
func packed(text string, n int, key []byte) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	return flushed(&b, w, text, n, key)
}

// takenOver makes a compressed message of text whose sender still has earlier in its window.
func takenOver(earlier, text string, key []byte) string {
	var b bytes.Buffer
	w, err := flate.NewWriterDict(&b, flate.BestCompression, []byte(earlier))
	if err != nil {
		panic(err)
	}
	return flushed(&b, w, text, 0, key)
}

// flushed writes text to w and returns what came out in b as frames, without the end that RFC 7692 section 7.2.1 leaves
// out.
func flushed(b *bytes.Buffer, w *flate.Writer, text string, n int, key []byte) (stream string) {
	if _, err := w.Write([]byte(text)); err != nil {
		panic(err)
	}
	if err := w.Flush(); err != nil {
		panic(err)
	}
	rest := strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
	opcode := byte(1 | deflated)
	for n > 0 && len(rest) > n {
		stream += frameOf(false, opcode, key, rest[:n])
		rest, opcode = rest[n:], continuation
	}
	return stream + frameOf(true, opcode, key, rest)
}

func TestWebSocketMessagesAreWhatTheirFramesHold(t *testing.T) {
	streams := streamsOfEveryKind()
	for name, want := range map[string][]string{
		"websocket": {invite, bye}, "websocket, masked": {invite, bye}, "websocket, pieces": {invite, bye},
		"websocket, unseen": {invite, bye}, "websocket, unread": {bye},
		"websocket, squeeze": {bye}, "websocket, broken": {bye},
		"websocket, deflate": {invite, bye}, "websocket, split": {invite, bye},
		"websocket, takeover": {invite, ringing}, "websocket, bomb": {ringing},
	} {
		for i := range want {
			want[i] = "ws none none\n" + want[i]
		}
		w := newWire(t).pieces([]byte(streams[name]))
		if !slices.Equal(w.got, want) {
			t.Errorf("%s: got = %q, want %q", name, w.got, want)
		}
	}
}

// TestCompressedMessagesAreCounted counts what was inflated, and what needs a window that was not kept or is too long.
func TestCompressedMessagesAreCounted(t *testing.T) {
	for name, want := range map[string][2]uint64{"websocket, deflate": {1, 0}, "websocket, split": {2, 0},
		"websocket, takeover": {1, 1}, "websocket, bomb": {0, 1}, "websocket, squeeze": {0, 1}} {
		w := newWire(t).pieces([]byte(streamsOfEveryKind()[name]))
		if c := w.f.Counts(); c.Inflated != want[0] || c.Deflated != want[1] {
			t.Errorf("%s: inflated = %d, passed over = %d, want %v", name, c.Inflated, c.Deflated, want)
		}
	}
}

// TestGapInACompressedMessageGivesNothing: what is left of one could be read as something else.
func TestGapInACompressedMessageGivesNothing(t *testing.T) {
	w := newWire(t)
	one := packed(invite, 0, mask)
	w.feed(capture.Packet{Payload: []byte(upgradeRequest + one[:len(one)-10])})
	w.feed(capture.Packet{Lost: true, Payload: []byte("\x12\x00\x8f" + frameOf(true, 1, mask, bye))})
	if c := w.f.Counts(); len(w.got) != 1 || !strings.HasSuffix(w.got[0], bye) || c.Deflated != 1 {
		t.Errorf("got = %q, passed over = %d, want the message behind the gap, 1", w.got, c.Deflated)
	}
}

func TestWebSocketMessageNeedsNoContentLength(t *testing.T) {
	text := request("MESSAGE", "ws") + "a body that nothing else frames"
	w := newWire(t).pieces([]byte(upgradeAnswer + frameOf(true, 1, nil, text) + frameOf(true, 1, nil, bye)))
	if len(w.got) != 2 || !strings.HasSuffix(w.got[0], text) {
		t.Errorf("got = %q, want the text and its body", w.got)
	}
}

func TestWhatComesInFramesAndIsNoMessageIsCounted(t *testing.T) {
	w := newWire(t)
	for _, payload := range []string{upgradeRequest, frameOf(true, 9, mask, "ping"), frameOf(true, 1, mask, "\r\n\r\n"),
		frameOf(true, 1, mask, "hello"), "\xc1\x85" + "abcdefghi", frameOf(true, 8, mask, "")} {
		w.feed(capture.Packet{Payload: []byte(payload)})
	}
	if c := w.f.Counts(); c.Upgrades != 1 || c.Keepalive != 3 || c.NotSIP != 2 || c.Deflated != 1 || len(w.got) != 0 {
		t.Errorf("upgrades = %d, keep-alives = %d, not SIP = %d, compressed = %d, want 1, 3, 2, 1",
			c.Upgrades, c.Keepalive, c.NotSIP, c.Deflated)
	}
}

func TestHTTPThatIsNoUpgradeToSIPIsNotSIP(t *testing.T) {
	for _, head := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
		"HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n",
		strings.Replace(upgradeRequest, "msrp, sip", "msrp, sipx", 1)} {
		w := newWire(t)
		w.feed(capture.Packet{Payload: []byte(head)})
		w.feed(capture.Packet{Payload: []byte(frameOf(true, 1, nil, "hello"))})
		if c := w.f.Counts(); c.Upgrades != 0 || c.NotSIP == 0 {
			t.Errorf("%.20q: upgrades = %d, not SIP = %d, want none and some", head, c.Upgrades, c.NotSIP)
		}
	}
}

func TestFramesOverTheLimitArePassedOver(t *testing.T) {
	big := request("MESSAGE", "big") + strings.Repeat("x", 1<<16)
	for name, stream := range map[string]string{
		"one frame":   frameOf(true, 1, mask, big),
		"many frames": inFrames(big, 9000, mask),
	} {
		w := newWire(t)
		for _, b := range cuttings([]byte(upgradeRequest+stream+frameOf(true, 1, mask, bye)), 4) {
			w.feed(capture.Packet{Payload: b})
		}
		if c := w.f.Counts(); len(w.got) != 1 || c.Skipped < 1<<16 || !strings.HasSuffix(w.got[0], bye) {
			t.Errorf("%s: messages = %d, skipped = %d, want the one behind it", name, len(w.got), c.Skipped)
		}
	}
}

// A frame ends where the room for its message does, or a little before: the next one lies across the border.
func TestAFrameAcrossTheBorderIsPassedOver(t *testing.T) {
	for name, next := range map[string]string{
		"data":    frameOf(true, continuation, mask, "the rest"),
		"control": frameOf(true, 9, mask, "still there?") + frameOf(true, continuation, mask, "the rest"),
	} {
		for short := range 24 {
			text := request("MESSAGE", "big") + strings.Repeat("x", bufferSize)
			first := frameOf(false, 1, mask, text[:bufferSize-short-8]) // 8 bytes stand before it
			w := newWire(t)
			for _, b := range cuttings([]byte(upgradeRequest+first+next+frameOf(true, 1, mask, bye)), 4) {
				w.feed(capture.Packet{Payload: b})
			}
			if len(w.got) == 0 || !strings.HasSuffix(w.got[len(w.got)-1], bye) {
				t.Errorf("%s, %d bytes short: messages = %d, want the one behind it", name, short, len(w.got))
			}
		}
	}
}

func TestGapInFramesGivesWhatHasItsHeaders(t *testing.T) {
	w := newWire(t)
	w.feed(capture.Packet{Payload: []byte(upgradeRequest + frameOf(true, 1, mask, invite)[:len(invite)-10])})
	w.feed(capture.Packet{Lost: true, Payload: []byte("\x12\x00\x8f" + frameOf(true, 1, mask, bye))})
	want := []string{"ws truncated none\n" + invite[:len(invite)-18], "ws none none\n" + bye}
	if !slices.Equal(w.got, want) {
		t.Errorf("got = %q, want %q", w.got, want)
	}
}

func TestEveryStartWordFitsAFramesBeginning(t *testing.T) {
	for _, word := range startWords {
		if len(word) > maxWord {
			t.Errorf("%q has more than %d bytes", word, maxWord)
		}
	}
}
