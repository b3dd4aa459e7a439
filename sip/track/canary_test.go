package track

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
)

// A canary is a word in every text of a call; each call's has its own number in its place.
const canary = "canary00000"

// canaries returns the words of calls in text.
func canaries(text []byte) (words []string) {
	for {
		i := bytes.Index(text, []byte("canary"))
		if i < 0 {
			return words
		}
		end := min(i+len(canary), len(text))
		words = append(words, string(text[i:end]))
		text = text[end:]
	}
}

// canaryHeaders are the other headers of every INVITE with canaries.
const canaryHeaders = `
    From: "canary00000" <sip:canary00000@canary00000.example.net>;tag=canary00000
    Contact: <sip:canary00000@192.0.2.10>;+sip.instance="<urn:uuid:canary00000>"
    P-Asserted-Identity: <sip:canary00000@example.net>
    Diversion: <sip:canary00000@example.net>;reason=unknown
    User-Agent: canary00000
    Session-ID: canary00000;remote=00
`

// canaryLadders are calls whose texts fill blocks of several sizes, with every way to end.
func canaryLadders() []string {
	invite := "callid canary00000\n00:00.000  alice -> bob   INVITE" + canaryHeaders
	long := invite + "    History-Info: <sip:" + strings.Repeat("canary00000.", 20) + ">;index=1\n"
	longest := long + "    Route: " + strings.Repeat("<sip:canary00000.example.net>,", 30) + "<sip:canary00000>\n"
	answer := `
00:01.000  alice <- bob   180 tag=canary00000a
00:02.000  alice <- bob   200 INVITE tag=canary00000a
    Server: canary00000
00:02.100  alice -> bob   ACK`
	bye := answer + `
00:09.000  alice -> bob   BYE
00:09.100  alice <- bob   200 BYE`
	return []string{invite + bye, long + bye, longest + bye, invite + answer, long, longest + answer + `
00:02.200  alice <- bob   200 INVITE tag=canary00000b
00:05.000  alice -> bob   REFER
    Refer-To: <sip:canary00000@example.net>
00:05.100  alice <- bob   202 REFER`, invite + `
00:03.000  alice -> bob   CANCEL
00:03.010  alice <- bob   487 INVITE
00:03.020  alice -> bob   ACK`}
}

// marked returns m as call n has it, at start.
func marked(m sip.Message, n int, start time.Time) sip.Message {
	m.Text = bytes.ReplaceAll(m.Text, []byte(canary), fmt.Appendf(nil, "canary%05d", n))
	m.Time = start.Add(m.Time.Sub(ladderStart))
	m.Mark, m.Body = m.Mark+uint64(n)<<32, m.Body+uint64(n)<<32
	own := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	if m.Flow.Src.Addr() == aliceAddr {
		m.Flow.Src = netip.AddrPortFrom(own, 5060)
	} else {
		m.Flow.Dst = netip.AddrPortFrom(own, 5060)
	}
	return m
}

// TestNoCallKnowsAnother plays 10,000 calls at once, in a Tracker with room for all and in one that must reuse its
// memory all the time.
func TestNoCallKnowsAnother(t *testing.T) {
	t.Parallel()
	var ladders [][]sip.Message
	for _, l := range canaryLadders() {
		ladders = append(ladders, play(t, l))
	}
	for _, room := range []int{20_000, 700} {
		r := rand.New(rand.NewPCG(5, 8))
		const n = 10_000
		next, start := make([]int, n), make([]time.Time, n)
		for i := range start {
			start[i] = ladderStart.Add(time.Duration(r.Int64N(int64(20 * time.Second))))
		}
		l := DefaultLimits()
		l.Calls, l.Interim, l.PerSource = room, 5*time.Second, 0
		tr := New(l)
		tr.PublishAt(event.StagesOf(event.Start, event.Answer, event.Interim, event.Stop, event.Correction))
		var events []event.Event
		published := 0
		for tick := ladderStart; tick.Before(ladderStart.Add(40 * time.Second)); tick = tick.Add(50 * time.Millisecond) {
			for i := range n {
				ladder := ladders[i%len(ladders)]
				for ; next[i] < len(ladder); next[i]++ {
					if start[i].Add(ladder[next[i]].Time.Sub(ladderStart)).After(tick) {
						break
					}
					m := marked(ladder[next[i]], i, start[i])
					events = tr.Observe(events, &m, testKeyer.Of(&m))
				}
			}
			published += checkCanaries(t, events)
			events = events[:0]
		}
		if published += checkCanaries(t, tr.Finish(tr.Advance(nil, ladderStart.Add(time.Minute)))); published < n {
			t.Errorf("published = %d, want %d at least", published, n)
		}
	}
}

// checkCanaries checks that each of events knows the canary of one call only, and its own address.
func checkCanaries(t *testing.T, events []event.Event) int {
	t.Helper()
	for _, e := range events {
		c := e.Call
		words := canaries(c.Facts.Bytes())
		if len(words) == 0 {
			t.Fatal("a record without its canary")
		}
		for _, w := range words {
			if w != words[0] {
				t.Fatalf("one call knows another's text, at %v", e.Stage)
			}
		}
		if e.Key != testKeyer.Key([]byte(words[0])) {
			t.Fatal("one call has another's Key")
		}
		var n int
		if _, err := fmt.Sscanf(words[0], "canary%05d", &n); err != nil {
			t.Fatal(err)
		}
		if at := c.Flow.Src.Addr().As4(); !c.Setup.IsZero() && int(at[2])<<8|int(at[3]) != n {
			t.Fatal("one call has another's address")
		}
	}
	return len(events)
}
