package track

import (
	"runtime"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
)

func TestEveryCaptureBalances(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 3, 1000} {
		l := DefaultLimits()
		l.Calls, l.Bindings = limit, limit
		for _, s := range allStories() {
			follow(t, New(l), play(t, s.ladder), s.wait)
		}
	}
}

// playAll returns the messages of all stories.
func playAll(t testing.TB) (all []sip.Message) {
	for _, s := range allStories() {
		all = append(all, play(t, s.ladder)...)
	}
	return all
}

// runOrder gives messages of all to a Tracker, two bytes of order each: which one, and how much later.
func runOrder(t *testing.T, all []sip.Message, order []byte, limit uint8) {
	l := DefaultLimits()
	l.Calls, l.Bindings = int(limit)+1, int(limit)+1
	at := ladderStart
	var ms []sip.Message
	for i := 0; i+1 < len(order); i += 2 {
		m := all[(int(order[i])*7+int(order[i+1]>>5))%len(all)]
		at = at.Add(time.Duration(order[i+1]&31) * time.Duration(order[i+1]&31) * time.Second)
		m.Time, m.Mark = at, 0
		ms = append(ms, m)
	}
	tr := New(l)
	tr.PublishAt(event.StagesOf(event.Start, event.Answer, event.Stop))
	for _, e := range follow(t, tr, ms, 0) {
		if c := e.Call; c != nil && e.Stage == event.Stop && (c.Completeness > 100 || c.Held < 0 || c.Disposition == 0) {
			t.Errorf("completeness %d, held %v, disposition %d", c.Completeness, c.Held, c.Disposition)
		}
	}
}

// FuzzCountsBalance plays messages of all stories in any order and at any time: the sums hold, nothing is left.
func FuzzCountsBalance(f *testing.F) {
	all := playAll(f)
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, uint8(3))
	f.Add([]byte("any order of the messages will do"), uint8(1))
	f.Fuzz(func(t *testing.T, order []byte, limit uint8) {
		runOrder(t, all, order, limit)
	})
}

func TestKeysOfOneRootAgree(t *testing.T) {
	a, b, other := event.NewKeyer([16]byte{7}), event.NewKeyer([16]byte{7}), event.NewKeyer([16]byte{8})
	ms := play(t, answeredCall)
	for i := range ms {
		if a.Of(&ms[i]) != b.Of(&ms[i]) {
			t.Error("two Keyers of one root differ")
		}
		if a.Of(&ms[i]).Call == other.Of(&ms[i]).Call {
			t.Error("two roots make one Key")
		}
	}
}

// inside returns a tracker with n answered calls, and for each a re-INVITE cycle of messages inside it.
func inside(t testing.TB, n int) (*Tracker, []sip.Message, []event.Keys) {
	opening := play(t, answeredCall)
	more := play(t, answeredCall+`
00:10.000  alice -> bob   INVITE
00:10.100  alice <- bob   200 INVITE
00:10.200  alice -> bob   ACK`)[len(opening):]
	tr := New(Limits{Calls: n, Bindings: 1, Ring: time.Minute, Talk: time.Hour})
	var ms []sip.Message
	var ks []event.Keys
	for i := range n {
		id := event.Key{byte(i), byte(i >> 8), byte(i >> 16), 1, 5: byte(i * 31)}
		for j := range opening {
			k := testKeyer.Of(&opening[j])
			k.Call = id
			opening[j].Mark = 0 // the same bytes for every call are no copies
			tr.Observe(nil, &opening[j], k)
		}
		for j := range more {
			k := testKeyer.Of(&more[j])
			k.Call = id
			ms, ks = append(ms, more[j]), append(ks, k)
		}
	}
	for i := range ms {
		ms[i].Flow.Transport, ms[i].Mark = capture.UDP, uint64(i)*0x9e3779b97f4a7c15|1
	}
	return tr, ms, ks
}

func TestMessageInsideACallAllocatesNothing(t *testing.T) {
	tr, ms, ks := inside(t, 8)
	events := make([]event.Event, 0, 8)
	i := 0
	tr.Observe(events, &ms[0], ks[0]) // the duplicates' memory is made by the first
	if n := testing.AllocsPerRun(1000, func() {
		i = (i + 1) % len(ms)
		events = tr.Observe(events[:0], &ms[i], testKeyer.Of(&ms[i]))
		tr.Observe(events[:0], &ms[i], ks[i])
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkMessageInsideACall(b *testing.B) {
	tr, ms, ks := inside(b, 10000)
	events := make([]event.Event, 0, 8)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		m := &ms[i%len(ms)]
		m.Mark += 1 << 40
		events = tr.Observe(events[:0], m, ks[i%len(ms)])
	}
}

func BenchmarkKeys(b *testing.B) {
	_, ms, _ := inside(b, 1)
	b.ReportAllocs()
	for i := range b.N {
		testKeyer.Of(&ms[i%len(ms)])
	}
}

// BenchmarkLiveCalls measures the memory of a million live calls, without their texts.
func BenchmarkLiveCalls(b *testing.B) {
	const n = 1_000_000
	ms := play(b, answeredCall)
	for range b.N {
		before := heap()
		tr := New(Limits{Calls: n, Bindings: 1, Ring: time.Minute, Talk: time.Hour})
		for i := range n {
			for j := range ms {
				k := testKeyer.Of(&ms[j])
				k.Call = event.Key{byte(i), byte(i >> 8), byte(i >> 16), 1, 15: byte(i * 7)}
				ms[j].Mark = 0
				tr.Observe(nil, &ms[j], k)
			}
		}
		whole := heap()
		hidden(tr.calls, "texts", "arena").SetZero()
		rest := heap()
		if live := tr.Counts().Live; live != n {
			b.Fatalf("live = %d, want %d", live, n)
		}
		b.ReportMetric(float64(rest-before)/n, "B/call")
		b.ReportMetric(float64(whole-rest)/n, "text-B/call")
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkWholeCall is a call of six messages, its Facts and its Event included.
func BenchmarkWholeCall(b *testing.B) {
	ms := play(b, answeredCall+`
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE`)
	tr := New(DefaultLimits())
	var events []event.Event
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		for j := range ms {
			k := testKeyer.Of(&ms[j])
			k.Call = event.Key{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}
			m := &ms[j]
			m.Time, m.Mark = m.Time.Add(10*time.Millisecond), m.Mark+1<<40
			events = tr.Observe(events[:0], m, k)
		}
	}
}
