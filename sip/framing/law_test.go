package framing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sipsieve/capture"
	"sipsieve/sip/syntax"
)

// FuzzFramer states the law that framing does not depend on cuts: the same messages and the same counts.
func FuzzFramer(f *testing.F) {
	for _, stream := range streamsOfEveryKind() {
		f.Add([]byte(stream), uint64(len(stream)))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		whole := newWire(t).pieces(stream)
		cut := newWire(t).pieces(cuttings(stream, seed)...)
		if !slices.Equal(cut.got, whole.got) {
			t.Errorf("cut: got %d = %q, want %d = %q", len(cut.got), cut.got, len(whole.got), whole.got)
		}
		if cut.counts() != whole.counts() {
			t.Errorf("cut: counted %+v, want %+v", cut.counts(), whole.counts())
		}
	})
}

// cuttings cuts b in pieces, most of them short; not where a message begins, for a segment that begins with one ends a
// message whose Content-Length is more than there is.
func cuttings(b []byte, seed uint64) (pieces [][]byte) {
	random := rand.New(rand.NewPCG(seed, 1))
	for len(b) > 0 {
		n := min(len(b), 1+random.IntN(1<<(1+random.IntN(9))))
		if n < len(b) && syntax.IsStartLine(b[n:]) {
			n++
		}
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return pieces
}

// FuzzLostPiece states the law that a lost piece costs no message but those that it touched, and invents none whole.
func FuzzLostPiece(f *testing.F) {
	f.Add(uint16(10), uint16(300), uint64(1), false)
	f.Add(uint16(700), uint16(1), uint64(2), true)
	f.Fuzz(func(t *testing.T, at, length uint16, seed uint64, webSocket bool) {
		var stream []byte
		var ends []int
		for _, m := range conversation(seed) {
			if webSocket {
				m = frameOf(true, 1, mask, m)
			}
			stream = append(stream, m...)
			ends = append(ends, len(stream))
		}
		from := 1 + int(at)%(len(stream)-1)
		to := min(from+int(length)%1500+1, len(stream))
		whole := newWire(t).pieces(stream)
		w := newWire(t)
		for _, b := range cuttings(stream[:from], seed) {
			w.feed(capture.Packet{Payload: b})
		}
		w.feed(capture.Packet{Lost: true})
		w.pieces(cuttings(stream[to:], seed+1)...)
		w.keeps(whole.got, ends, syntax.Range{From: from, To: to})
	})
}

// keeps checks that of whole, whose i-th message ends at ends[i], all came but those that gap touches, and nothing
// else that is not marked as cut, or as a method that is not CSeq's: what is left of PRACK is ACK.
func (w *wire) keeps(whole []string, ends []int, gap syntax.Range) {
	begin, left := 0, w.got
	for i, end := range ends {
		touched := begin < gap.To && end > gap.From
		begin = end
		switch {
		case len(left) > 0 && left[0] == whole[i]:
			left = left[1:]
		case touched && len(left) > 0 && !strings.Contains(left[0], " none none\n"):
			left = left[1:]
		case !touched:
			w.t.Fatalf("message %d of %d was lost with bytes %v: got = %q", i, len(ends), gap, w.got)
		}
	}
	if len(left) > 0 {
		w.t.Errorf("messages that nobody sent: %q", left)
	}
}

// conversation makes eight messages, bodies of every kind among them.
func conversation(seed uint64) (messages []string) {
	random := rand.New(rand.NewPCG(seed, 2))
	kinds := []string{"INVITE", "BYE", "NOTIFY", "MESSAGE", "PRACK"}
	bodies := []string{"", "v=0\r\nc=IN IP4 192.0.2.1\r\n\r\nm=audio 4 RTP/AVP 0\r\n", "SIP/2.0 200 OK\r\n",
		"\x81\x82\x17\x03\x03\x00\x01\r\n", "a\nb",
		"SIP/2.0 200 OK", strings.Repeat("{x} ACK ", 700), "INVITE PRACK SIP"}
	for i := range 8 {
		m := request(kinds[random.IntN(len(kinds))], fmt.Sprint("m", i))
		if random.IntN(3) == 0 {
			m = response("200 OK", fmt.Sprint("m", i), "Subject: "+strings.Repeat("s", random.IntN(200)))
		}
		messages = append(messages, bodied(m, bodies[random.IntN(len(bodies))]))
	}
	return messages
}
