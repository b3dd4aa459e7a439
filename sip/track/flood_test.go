package track

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
)

// A stream is messages of many calls: the same texts under Keys and addresses of their own.
type stream struct {
	ms   []streamed
	keys map[*sip.Message]event.Keys // of the ladders
	r    *rand.Rand
}

// A streamed message is a message of a ladder with what one call has of its own. It takes a tenth of a sip.Message.
type streamed struct {
	ladder *sip.Message
	keys   event.Keys
	source netip.Addr
	time   time.Time
	mark   uint64
}

func newStream() *stream {
	return &stream{keys: map[*sip.Message]event.Keys{}, r: rand.New(rand.NewPCG(7, 11))}
}

// add adds a ladder's messages as call number n of a source, from start on.
func (s *stream) add(ladder []sip.Message, n int, src netip.Addr, start time.Time) {
	for i := range ladder {
		m := &ladder[i]
		k, known := s.keys[m]
		if !known {
			k = testKeyer.Of(m)
			s.keys[m] = k
		}
		k.Call = event.Key{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 1, 15: byte(n * 7)}
		s.ms = append(s.ms, streamed{m, k, src, start.Add(m.Time.Sub(ladderStart)), s.r.Uint64() | 1})
	}
}

// last is the message that was added last.
func (s *stream) last() *streamed { return &s.ms[len(s.ms)-1] }

// message is the message as the Tracker reads it.
func (x *streamed) message() sip.Message {
	m := *x.ladder
	m.Time, m.Mark = x.time, x.mark
	if here := netip.AddrPortFrom(x.source, 5060); m.Flow.Src.Addr() == aliceAddr {
		m.Flow.Src = here
	} else {
		m.Flow.Dst = here
	}
	return m
}

var aliceAddr = netip.MustParseAddr("192.0.2.10")

// anyone returns a random public address.
func (s *stream) anyone() netip.Addr {
	n := s.r.Uint32()
	return netip.AddrFrom4([4]byte{20 + byte(n>>24)%160, byte(n >> 16), byte(n >> 8), byte(n)})
}

// show gives the messages to tr in the order of time and returns the calls that became records.
func (s *stream) show(t *testing.T, tr *Tracker) []*event.Call {
	t.Helper()
	slices.SortStableFunc(s.ms, func(a, b streamed) int { return a.time.Compare(b.time) })
	var events []event.Event
	for i := range s.ms {
		m := s.ms[i].message()
		events = tr.Observe(events, &m, s.ms[i].keys)
	}
	events = tr.Finish(events)
	balance(t, tr, len(s.ms), true)
	return callsIn(events)
}

const challengedCall = `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   407
00:00.040  alice -> bob   ACK
00:00.100  alice -> bob   INVITE
00:00.200  alice <- bob   180
00:02.000  alice <- bob   200 INVITE
00:02.100  alice -> bob   ACK
00:12.000  alice -> bob   BYE
00:12.100  alice <- bob   200 BYE`

// withGoodCalls adds 100 good calls of one source, two a second.
func (s *stream) withGoodCalls(t *testing.T) *stream {
	good := play(t, challengedCall)
	for n := range 100 {
		s.add(good, n, netip.MustParseAddr("198.51.100.7"), ladderStart.Add(time.Duration(n)*500*time.Millisecond))
	}
	return s
}

// wantGood checks that the 100 good calls were published exactly.
func wantGood(t *testing.T, cs []*event.Call) {
	t.Helper()
	starts := map[time.Duration]bool{}
	for _, c := range cs {
		if c.Disposition != event.Answered || c.Setup.IsZero() {
			continue
		}
		start := c.Setup.Sub(ladderStart)
		starts[start] = start%(500*time.Millisecond) == 0
		if c.Status != event.Complete || c.End.Sub(c.Answer) != 10*time.Second || c.Challenges != 1 ||
			c.Ring.Sub(c.Setup) != 200*time.Millisecond {
			t.Fatalf("a good call was published as %s", lineOf(c))
		}
	}
	if len(starts) != 100 {
		t.Errorf("good calls = %d, want 100", len(starts))
	}
}

// hostileCalls is how many calls of a minute are a flood. With SIPSIEVE_FULL=1 they, and the room, are four times as
// many.
const hostileCalls = 25_000

func TestGoodCallsStayExactInAFlood(t *testing.T) {
	t.Parallel()
	asked := play(t, "00:00.000  alice -> bob INVITE\n")
	challenged := play(t, "00:00.000  alice -> bob INVITE\n00:00.010  alice <- bob 407\n00:00.020  alice -> bob ACK\n")
	claimed := play(t, answeredCall+"00:10.000  alice -> bob INVITE\n")[5:]
	hungUp := play(t, answeredUnseen+"00:10.000  alice -> bob BYE\n")
	one := netip.MustParseAddr("203.0.113.9")
	scale := 1
	if os.Getenv("SIPSIEVE_FULL") == "1" {
		scale = 4
	}
	hostile := scale * hostileCalls
	for _, c := range []struct {
		name   string
		ladder []sip.Message
		source netip.Addr // not valid for any
		limit  int
		reason calls.Bound
	}{
		{"INVITEs of one source", asked, one, 50_000, calls.SourceBound},
		{"INVITEs of one source, and little room", asked, one, 125, calls.HeaviestBound},
		{"INVITEs of any source", asked, netip.Addr{}, 1250, calls.OldestBound},
		{"INVITEs that are challenged, of one source", challenged, one, 1250, calls.RateBound},
		{"INVITEs that are challenged, of any source", challenged, netip.Addr{}, 1250, calls.EndedBound},
		{"INVITEs inside dialogs", claimed, netip.Addr{}, 1250, calls.ClaimBound},
		{"BYEs", hungUp, netip.Addr{}, 1250, calls.ClaimBound},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStream().withGoodCalls(t)
			for n := range hostile {
				src := c.source
				if !src.IsValid() {
					src = s.anyone()
				}
				s.add(c.ladder, 1000+n, src, ladderStart.Add(time.Duration(s.r.Int64N(int64(time.Minute)))))
			}
			l := DefaultLimits()
			l.Calls = scale * c.limit
			tr := New(l)
			wantGood(t, s.show(t, tr))
			got := tr.Counts()
			if got.Bounds[c.reason] < uint64(hostile/8) {
				t.Errorf("%v = %d, want an eighth of %d at least (%v)", c.reason, got.Bounds[c.reason], hostile, got.Bounds)
			}
			dialogs, sources := top(tr.calls, "dialogs"), top(tr.calls, "sources", "slab")
			if dialogs > l.Calls || sources > l.Calls+1250*scale {
				t.Errorf("dialogs = %d, sources = %d, want %d at most", dialogs, sources, l.Calls)
			}
			if kept := got.Bounds[calls.CallsBound] + got.Bounds[calls.SourceBound] + got.Bounds[calls.RateBound]; kept != got.Dropped {
				t.Errorf("dropped = %d, want %d, each with its reason", got.Dropped, kept)
			}
		})
	}
}

func TestBusyTrunkIsNoFlood(t *testing.T) {
	t.Parallel()
	ladder := play(t, `
00:00.000  alice -> bob   INVITE
00:01.500  alice <- bob   180
00:03.000  alice <- bob   486
00:03.100  alice -> bob   ACK`)
	s := newStream()
	for n := range 10_000 {
		s.add(ladder, n, netip.MustParseAddr("198.51.100.7"), ladderStart.Add(time.Duration(n)*time.Millisecond))
	}
	tr := New(DefaultLimits())
	if cs := s.show(t, tr); len(cs) != 10_000 || tr.Counts().Dropped != 0 {
		t.Errorf("calls = %d, dropped = %d, want 10000 and 0", len(cs), tr.Counts().Dropped)
	}
}

func TestAllowanceComesBackWithTime(t *testing.T) {
	asked := play(t, "00:00.000  alice -> bob INVITE\n00:00.001  alice <- bob 503\n00:00.002  alice -> bob ACK\n")
	s := newStream()
	for n := range 3000 {
		s.add(asked, n, aliceAddr, ladderStart)
	}
	for n := range 3000 {
		s.add(asked, 5000+n, aliceAddr, ladderStart.Add(5*time.Second))
	}
	tr := New(DefaultLimits())
	s.show(t, tr)
	if got := tr.Counts().Opened; got != 2000+1000 {
		t.Errorf("opened = %d, want 2000 at once and 1000 more in 5 s", got)
	}
	if n := held(tr.calls, "sources", "slab"); n != 0 {
		t.Errorf("sources = %d, want 0 at the end", n)
	}
}

func TestForkBombFillsSixteenRecords(t *testing.T) {
	m := play(t, "00:00.000  alice -> bob INVITE\n00:01.000  alice <- bob 180\n00:02.000  alice <- bob 200 INVITE\n")
	s := newStream()
	s.add(m[:1], 1, aliceAddr, ladderStart)
	for i := range 500 {
		s.add(m[1:2], 1, aliceAddr, ladderStart)
		s.last().keys.To = event.Key{byte(i), byte(i >> 8), 3, byte(i * 11), byte(i * 13), byte(i * 17), byte(i * 29), 1}
		s.add(m[2:], 1, aliceAddr, ladderStart)
		s.last().keys.To = s.ms[len(s.ms)-2].keys.To
	}
	tr := New(DefaultLimits())
	cs := s.show(t, tr)
	if len(cs) != 17 || tr.Counts().Bounds[calls.ForksBound] != 500-17 {
		t.Errorf("records = %d, kept out %d, want 17 and %d", len(cs), tr.Counts().Bounds[calls.ForksBound], 500-17)
	}
	if got := cs[0].Forks; got < 450 || got > 500 {
		t.Errorf("forks = %d, want about 500", got)
	}
}

func TestForksAreCountedOnce(t *testing.T) {
	m := play(t, "00:00.000  alice -> bob INVITE\n00:01.000  alice <- bob 180\n")
	for _, forks := range []int{1, 2, 16, 17, 64, 80} {
		s := newStream()
		s.add(m[:1], 1, aliceAddr, ladderStart)
		for round := range 3 {
			for i := range forks {
				s.add(m[1:], 1, aliceAddr, ladderStart.Add(time.Duration(round)*time.Second))
				k := testKeyer.Key([]byte{byte(i), 9})
				s.last().keys.To = k
			}
		}
		if c := one(t, s.show(t, New(DefaultLimits()))); c.Forks != forks {
			t.Errorf("forks = %d, want %d", c.Forks, forks)
		}
	}
}
