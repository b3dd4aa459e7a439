package framing

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"sipsieve/capture"
	"sipsieve/sip/syntax"
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

// A wire is a stream that a test feeds to a Framer. What it fed is checked to be as it was, and then spoilt: the Framer
// may neither write to it nor hold it.
type wire struct {
	t       testing.TB
	f       *Framer
	got     []string
	tooLong int
	number  uint64
	now     time.Time
}

func newWire(t testing.TB) *wire {
	known := func(name []byte) bool {
		return slices.Contains([]string{"via", "to", "call-id"}, strings.ToLower(string(name)))
	}
	return &wire{t: t, f: New(Limits{Message: 65535, StartLine: 2048, Headers: 128}, known), number: 2,
		now: time.Unix(1_767_600_000, 0)}
}

func (w *wire) feed(p capture.Packet) {
	sent := bytes.Clone(p.Payload)
	w.now = w.now.Add(time.Millisecond)
	p.Payload, p.Stream, p.Time = bytes.Clone(sent), w.number, w.now
	p.Flow.Transport = capture.TCP
	w.f.Read(&p, w.take)
	if !bytes.Equal(p.Payload, sent) {
		w.t.Error("the Framer wrote to a payload that is not its own")
	}
	for i := range p.Payload {
		p.Payload[i] = 0xaa
	}
}

// take writes down c: transport, what is odd about it, and its text.
func (w *wire) take(c Piece) {
	if c.TooLong {
		w.tooLong++
		return
	}
	transport, odd, short := "tcp", "none", "none"
	head := syntax.HeadLength(c.Text)
	cseq, _ := syntax.Header(c.Text[:head], "cseq", "cseq")
	if c.Wire > 0 {
		transport = "ws"
	}
	switch {
	case c.Cut:
		odd = "truncated"
	case c.Start.Status == 0 && !bytes.HasSuffix(cseq, append([]byte(" "), c.Start.Method...)):
		odd = "cseq_mismatch"
	}
	if c.Exact && head+max(0, syntax.BodyLength(c.Text[:head])) > len(c.Text) {
		short = "body_short"
	}
	w.got = append(w.got, fmt.Sprintf("%s %s %s\n%s", transport, odd, short, c.Text))
}

// pieces feeds the pieces in turn, and the end of the stream.
func (w *wire) pieces(pieces ...[]byte) *wire {
	for _, b := range pieces {
		w.feed(capture.Packet{Payload: b})
	}
	w.feed(capture.Packet{Ended: true})
	return w
}

// outcome is what does not depend on how the bytes came.
type outcome struct {
	Counts
	tooLong int
}

func (w *wire) counts() outcome {
	c := w.f.Counts()
	c.NotSIP, c.Keepalive, c.Opaque = 0, 0, 0
	return outcome{c, w.tooLong}
}

// want compares what came with texts over TCP.
func (w *wire) want(texts ...string) {
	w.t.Helper()
	for i := range texts {
		texts[i] = "tcp none none\n" + texts[i]
	}
	if !slices.Equal(w.got, texts) {
		w.t.Errorf("got %d messages = %q, want %d = %q", len(w.got), w.got, len(texts), texts)
	}
}

var (
	invite = bodied(request("INVITE", "one", "Content-Type: application/sdp"),
		"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n")
	ringing = bodied(response("180 Ringing", "one", "User-Agent: x"), "")
	bye     = bodied(request("BYE", "two"), "")
)

func TestStreamCutAnywhereGivesTheSameMessages(t *testing.T) {
	for name, stream := range streamsOfEveryKind() {
		whole := newWire(t).pieces([]byte(stream))
		for cut := 1; cut < len(stream); cut++ {
			if name == "length cut short" && strings.HasPrefix(stream[cut:], invite) {
				continue // here a message begins a segment, and the length is known to be wrong
			}
			w := newWire(t).pieces([]byte(stream[:cut]), []byte(stream[cut:]))
			if !slices.Equal(w.got, whole.got) || w.counts() != whole.counts() {
				t.Fatalf("%s cut at %d: got = %q, %+v, want %q", name, cut, w.got, w.counts(), whole.got)
			}
		}
		bytewise := newWire(t)
		for i := range len(stream) {
			bytewise.feed(capture.Packet{Payload: []byte(stream[i : i+1])})
		}
		if bytewise.pieces(); !slices.Equal(bytewise.got, whole.got) || bytewise.counts() != whole.counts() {
			t.Fatalf("%s byte by byte: got = %q, want %q", name, bytewise.got, whole.got)
		}
	}
}

// streamsOfEveryKind are streams that go through each state of the framer.
func streamsOfEveryKind() map[string]string {
	whole := func(key []byte, text string) string { return frameOf(true, 1, key, text) }
	tls := "\x17\x03\x03\x00\x40" + strings.Repeat("k", 64)
	return map[string]string{
		"two messages":        invite + ringing,
		"keep-alives":         "\r\n\r\n" + invite + "\r\n\r\n\r\n" + bye + "\x00\x00",
		"mid-stream":          "audio 4000 RTP/AVP 0\r\na=sendrecv\r\n" + bye,
		"no length":           request("OPTIONS", "three") + bye,
		"no length, body":     request("OPTIONS", "three") + "v=0\r\no=x\r\n" + bye,
		"length too large":    strings.Replace(bye, "Length: 0", "Length: 70000", 1) + invite,
		"length cut short":    strings.Replace(bye, "Length: 0", "Length: 40000", 1) + invite,
		"negative length":     strings.Replace(bye, "Length: 0", "Length: -5", 1) + invite,
		"folded length":       strings.Replace(invite, "Length: ", "Length:\r\n ", 1) + bye,
		"compact length":      strings.Replace(invite, "Content-Length", "l \t", 1) + bye,
		"line feeds":          strings.ReplaceAll(bye, "\r\n", "\n") + invite,
		"head without end":    strings.TrimSuffix(ringing, "\r\n") + invite + bye,
		"too many headers":    strings.Replace(bye, "\r\n", strings.Repeat("\r\nX: y", 130)+"\r\n", 1) + invite,
		"long line":           strings.Repeat("x", 3000) + "\r\n" + bye,
		"refused":             request("INFO", "x", "Call-ID: y") + bye,
		"http":                "GET /index HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\nbody\r\n" + bye,
		"tls":                 "\x16\x03\x01\x00\x05abcde" + tls,
		"tls mid-stream":      "tail of a record\x0a\x17" + tls + tls + tls,
		"one record":          "\x0a?" + tls + bye,
		"websocket":           upgradeAnswer + whole(nil, invite) + frameOf(true, 9, nil, "ping") + frameOf(true, 2, nil, bye),
		"websocket, masked":   upgradeRequest + whole(mask, invite) + frameOf(true, 10, mask, "") + whole(mask, bye),
		"websocket, pieces":   upgradeRequest + inFrames(invite, 40, mask) + inFrames(bye, 100, mask),
		"websocket, unseen":   "?\x81\xfe" + whole(mask, invite) + whole(mask, bye),
		"websocket, unread":   upgradeAnswer + whole(nil, "hello") + whole(nil, "\r\n\r\n") + whole(nil, bye),
		"websocket, squeeze":  upgradeAnswer + "\xc1\x05abcde" + frameOf(true, 0, nil, "rest") + whole(nil, bye),
		"websocket, deflate":  upgradeAnswer + packed(invite, 0, nil) + frameOf(true, 9, nil, "ping") + whole(nil, bye),
		"websocket, takeover": upgradeRequest + packed(invite, 0, mask) + takenOver(invite, bye, mask) + whole(mask, ringing),
		"websocket, bomb":     upgradeRequest + packed(bye+strings.Repeat("x", 1<<17), 300, mask) + whole(mask, ringing),
		"websocket, split":    upgradeRequest + packed(invite, 60, mask) + packed(bye, 20, mask),
		"websocket, broken":   upgradeAnswer + frameOf(true, 3, nil, "what") + whole(nil, bye),
	}
}

func TestEachStateOfTheFramerEndsWhereItShould(t *testing.T) {
	streams := streamsOfEveryKind()
	noLength := request("OPTIONS", "three")
	claims := func(n string) string { return strings.Replace(bye, "Length: 0", "Length: "+n, 1) }
	for name, want := range map[string][]string{
		"two messages":     {invite, ringing},
		"keep-alives":      {invite, bye},
		"mid-stream":       {bye},
		"no length":        {noLength, bye},
		"no length, body":  {noLength, bye},
		"negative length":  {claims("-5"), invite},
		"folded length":    {strings.Replace(invite, "Length: ", "Length:\r\n ", 1), bye},
		"compact length":   {strings.Replace(invite, "Content-Length", "l \t", 1), bye},
		"head without end": {invite, bye},
		"too many headers": {invite},
		"long line":        {bye},
		"refused":          {request("INFO", "x", "Call-ID: y"), bye},
		"http":             {bye},
		"one record":       {bye},
	} {
		w := newWire(t).pieces([]byte(streams[name]))
		t.Run(name, func(t *testing.T) { w.t = t; w.want(want...) })
	}
	for name, want := range map[string]string{
		"length too large": "tcp none body_short\n" + claims("70000"),
		"length cut short": "tcp truncated none\n" + claims("40000") + invite,
	} {
		if w := newWire(t).pieces([]byte(streams[name])); len(w.got) == 0 || w.got[0] != want {
			t.Errorf("%s: got = %q, want %q", name, w.got, want)
		}
	}
}

func TestHeadOverItsLimitIsCountedAndTheNextMessageRead(t *testing.T) {
	long := strings.Replace(bye, "\r\n", "\r\nSubject: "+strings.Repeat("x", MaxHead)+"\r\n", 1)
	many := streamsOfEveryKind()["too many headers"]
	for _, stream := range []string{long + invite, many} {
		w := newWire(t).pieces([]byte(stream))
		w.want(invite)
		if w.tooLong != 1 {
			t.Errorf("too long = %d, want 1", w.tooLong)
		}
	}
}

func TestKeepAlivesAreCountedByPayload(t *testing.T) {
	w := newWire(t)
	for _, b := range []string{"\r\n\r\n", invite[:50], invite[50:], "\r\n", "\x00\x00\x00\x00", "junk\r\n"} {
		w.feed(capture.Packet{Payload: []byte(b)})
	}
	if c := w.f.Counts(); c.Keepalive != 3 || c.NotSIP != 1 || c.Skipped != 6 {
		t.Errorf("keep-alives = %d, not SIP = %d, skipped = %d, want 3, 1, 6", c.Keepalive, c.NotSIP, c.Skipped)
	}
	w.want(invite)
}

func TestGapGivesWhatHasItsHeadersAndNoMore(t *testing.T) {
	head := strings.Index(invite, "v=0")
	for name, c := range map[string]struct {
		before string
		want   []string
	}{
		"in the body":     {invite[:head+8], []string{"tcp truncated none\n" + invite[:head+8], "tcp none none\n" + bye}},
		"in the headers":  {invite[:head-30], []string{"tcp none none\n" + bye}},
		"at a border":     {invite, []string{"tcp none none\n" + invite, "tcp none none\n" + bye}},
		"in a start line": {invite + bye[:5], []string{"tcp none none\n" + invite, "tcp none none\n" + bye}},
	} {
		w := newWire(t)
		w.feed(capture.Packet{Payload: []byte(c.before)})
		w.feed(capture.Packet{Lost: true, Payload: []byte("a=sendrecv\r\n" + bye)})
		if !slices.Equal(w.got, c.want) {
			t.Errorf("%s: got = %q, want %q", name, w.got, c.want)
		}
	}
}

// What is left of a start line, or a start line in a body of message/sipfrag (RFC 3420), is no message.
func TestGapMakesNoMessageOfARest(t *testing.T) {
	long := strings.Repeat("y", 3000)
	for _, rest := range []string{"b", "SIP/2.0 200 OK", "ACK SIP/2.0 ", long, long + "\r\n",
		"VITE sip:bob@192.0.2.2 SIP/2.0\r\nCall-ID: z\r\n\r\n", "SIP/2.0 200 OK\r\n", "SIP/2.0 200 OK\r\nTo: b\r\n"} {
		w := newWire(t)
		w.feed(capture.Packet{Lost: true, Payload: []byte(rest + bye)})
		w.want(bye)
		if w.tooLong != 0 {
			t.Errorf("%q: a message that is too long", rest)
		}
	}
}

func TestTLSIsOpaqueAndNamed(t *testing.T) {
	for _, name := range []string{"tls", "tls mid-stream"} {
		w := newWire(t)
		w.feed(capture.Packet{Payload: []byte(streamsOfEveryKind()[name])})
		w.feed(capture.Packet{Payload: []byte("more"), Lost: true})
		w.feed(capture.Packet{Payload: []byte(bye)})
		if c := w.f.Counts(); len(w.got) != 0 || c.TLSStreams != 1 || c.Opaque != 3 || c.NotSIP != 0 {
			t.Errorf("%s: messages = %d, TLS streams = %d, opaque = %d, not SIP = %d, want 0, 1, 3, 0",
				name, len(w.got), c.TLSStreams, c.Opaque, c.NotSIP)
		}
	}
}

func TestIdleStreamsCostLittle(t *testing.T) {
	const budget = 128 // bytes, section 5 of the capture notes
	w := newWire(t)
	before := heapInUse()
	for i := range uint64(maxStreams) {
		w.number = 2 * (i + 1)
		w.feed(capture.Packet{Payload: []byte(bye)})
		w.got = w.got[:0]
	}
	each := (int64(heapInUse()) - int64(before)) / maxStreams
	s := &w.f.streams
	if least := int64(unsafe.Sizeof(stream{})); each < least || each > budget {
		t.Errorf("an idle stream costs %d bytes, want %d to %d", each, least, budget)
	}
	if n := len(s.bufs) - 1; n != 0 {
		t.Errorf("buffers = %d for streams that hold nothing", n)
	}
	w.number = 1
	w.feed(capture.Packet{Payload: []byte(bye)})
	if c := w.f.Counts(); c.Evicted != 1 || len(s.index) != maxStreams {
		t.Errorf("evicted = %d, streams = %d, want 1 and %d", c.Evicted, len(s.index), maxStreams)
	}
}

// heapInUse returns how many bytes the heap holds that are not garbage.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestBuffersAreBoundedAndTheOldestGoes(t *testing.T) {
	w := newWire(t)
	for i := range uint64(maxBuffers + 3) {
		w.number = 2 * (i + 1)
		w.feed(capture.Packet{Payload: []byte(invite[:200])})
	}
	c := w.f.Counts()
	if n := len(w.f.streams.bufs) - 1; n != maxBuffers || c.Evicted != 3 || c.Skipped != 600 || c.NotSIP != 0 {
		t.Errorf("buffers = %d, evicted = %d, skipped = %d, not SIP = %d, want %d, 3, 600, 0",
			n, c.Evicted, c.Skipped, c.NotSIP, maxBuffers)
	}
	for i := range uint64(maxBuffers + 3) {
		w.number = 2 * (i + 1)
		w.feed(capture.Packet{Payload: []byte(invite[200:])})
		w.feed(capture.Packet{Payload: []byte(bye)})
	}
	if want := 2*maxBuffers + 3; len(w.got) != want {
		t.Errorf("messages = %d, want %d: of a stream that lost its buffer the next one", len(w.got), want)
	}
}
