package track

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// otherLadder is every message that makes no record, between phones, a proxy and two trunks.
const otherLadder = `
alice is +13035550101 at 192.0.2.10
gw is +13035550102 at 203.0.113.1
pbx is +13035550103 at 198.51.100.7
bob is +13035550104 at 192.0.2.20
00:00.000  gw -> bob   OPTIONS
00:00.500  gw -> bob   OPTIONS
00:00.501  gw <- bob   200 OPTIONS
00:01.000  bob -> pbx   OPTIONS
00:01.040  bob <- pbx   100 OPTIONS
00:01.250  bob <- pbx   404 OPTIONS
00:01.300  bob <- pbx   404 OPTIONS
00:02.000  alice -> bob   OPTIONS
00:03.000  alice -> gw   MESSAGE
    Content-Type: text/plain
    | canary in a body
00:03.100  alice <- gw   202 MESSAGE
00:04.000  alice -> bob   SUBSCRIBE
00:04.100  alice <- bob   489 SUBSCRIBE
00:05.000  alice -> bob   PUBLISH
00:05.100  alice <- bob   503 PUBLISH
00:06.000  pbx -> gw   INVITE
00:06.100  pbx <- gw   200 INVITE
00:06.200  pbx -> gw   ACK
00:07.000  pbx -> gw   INFO
    Content-Type: application/dtmf-relay
    | Signal=canary
00:07.100  pbx <- gw   200 INFO
00:08.000  pbx <- gw   NOTIFY
00:08.100  pbx -> gw   200 NOTIFY
00:09.000  pbx -> gw   BYE
00:09.100  pbx <- gw   200 BYE
callid elsewhere@example.net
00:10.000  bob -> alice   NOTIFY
00:10.100  bob <- alice   603 NOTIFY
`

// trunkOf has trunk 1 at 203.0.113.0/24 and trunk 2 at 198.51.100.0/24.
func trunkOf(a netip.Addr, _ uint16) int {
	return slices.Index([]byte{203, 198}, a.As4()[0]) + 1
}

// classWords are the classes in words.
var classWords = [OtherClasses]string{"request", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"}

// othersLines returns what was counted, a line for each trunk.
func othersLines(list []OtherCounts) (lines []string) {
	for trunk, c := range list {
		words := []string{fmt.Sprint("trunk ", trunk)}
		for i, m := range OtherMethods {
			for class, n := range c.Messages[i] {
				if n > 0 {
					words = append(words, fmt.Sprint(m, " ", classWords[class], " ", n))
				}
			}
		}
		if l := c.Options; l.Transactions > 0 {
			words = append(words, fmt.Sprintf("asked %d answered %d in %v, at most %v, unanswered %d evicted %d cut %d",
				l.Transactions, l.Answered, l.Sum, l.Max, l.Unanswered, l.Evicted, l.Cut))
		}
		lines = append(lines, strings.Join(words, ", "))
	}
	return lines
}

func TestOtherMethodsAreCountedByTrunkAndClass(t *testing.T) {
	tr := New(DefaultLimits())
	tr.Trunks(2, trunkOf)
	events := follow(t, tr, play(t, otherLadder), time.Minute)
	if cs := callsIn(events); len(cs) != 1 || len(events) != 1 {
		t.Errorf("records = %d, want 1: the call", len(events))
	}
	want := []string{
		"trunk 0, OPTIONS request 1, SUBSCRIBE request 1, SUBSCRIBE 4xx 1, NOTIFY request 1, NOTIFY 6xx 1, " +
			"PUBLISH request 1, PUBLISH 5xx 1, asked 1 answered 0 in 0s, at most 0s, unanswered 1 evicted 0 cut 0",
		"trunk 1, OPTIONS request 2, OPTIONS 2xx 1, MESSAGE request 1, MESSAGE 2xx 1, " +
			"asked 1 answered 1 in 501ms, at most 501ms, unanswered 0 evicted 0 cut 0",
		"trunk 2, OPTIONS request 1, OPTIONS 1xx 1, OPTIONS 4xx 2, INFO request 1, INFO 2xx 1, " +
			"asked 1 answered 1 in 250ms, at most 250ms, unanswered 0 evicted 0 cut 0",
	}
	if got := othersLines(tr.Others().Counts()); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestOptionsWaitsForItsAnswerNoLongerThanATransaction(t *testing.T) {
	for _, c := range []struct {
		ladder string
		wait   time.Duration
		want   Latency
	}{
		{"00:00.000 alice -> bob OPTIONS\n00:31.999 alice <- bob 200\n", time.Minute,
			Latency{Transactions: 1, Answered: 1, Sum: 31999 * time.Millisecond, Max: 31999 * time.Millisecond}},
		{"00:00.000 alice -> bob OPTIONS\n00:32.000 alice <- bob 200\n", time.Minute, Latency{Transactions: 1, Unanswered: 1}},
		{"00:00.000 alice -> bob OPTIONS\n00:31.000 alice <- bob 180\n", time.Minute, Latency{Transactions: 1, Unanswered: 1}},
		{"00:00.000 alice -> bob OPTIONS\n", 31 * time.Second, Latency{Transactions: 1, Cut: 1}},
		{"00:00.000 alice -> bob OPTIONS unseen\n00:00.100 alice <- bob 200\n", time.Minute, Latency{}},
	} {
		tr := New(DefaultLimits())
		follow(t, tr, play(t, c.ladder), c.wait)
		got := tr.Others().Counts()[0].Options
		if got.Within = [len(LatencyBounds)]uint64{}; got != c.want {
			t.Errorf("%safter %v: got = %+v, want %+v", c.ladder, c.wait, got, c.want)
		}
	}
}

func TestLatenciesFallBetweenTheirBounds(t *testing.T) {
	var r otherRow
	for _, us := range []int64{0, 1000, 1001, 2500, 31_999_999, 32_000_001} {
		r.answer(us)
	}
	l := r.latency()
	if want := [len(LatencyBounds)]uint64{0: 2, 1: 2, 13: 1}; l.Within != want || l.Answered != 6 {
		t.Errorf("within = %v of %d, want %v of 6", l.Within, l.Answered, want)
	}
}

// A storm is requests of OPTIONS, each of a transaction of its own, at a steady rate.
type storm struct {
	m    sip.Message
	keys event.Keys
	step time.Duration
	r    *rand.Rand
}

func stormOf(t testing.TB, perSecond int) *storm {
	m := play(t, "00:00.000  alice -> bob   OPTIONS\n")[0]
	return &storm{m: m, keys: testKeyer.Of(&m), step: time.Second / time.Duration(perSecond), r: rand.New(rand.NewPCG(3, 1))}
}

// next makes s.m and s.keys the next request.
func (s *storm) next() {
	s.m.Time, s.m.Mark = s.m.Time.Add(s.step), s.m.Mark+1
	for i := range s.keys.Branch {
		s.keys.Branch[i] = byte(s.r.Uint32())
	}
}

// TestStormOfOptionsIsBounded asks three times what is remembered within 32 s, and nobody answers.
func TestStormOfOptionsIsBounded(t *testing.T) {
	t.Parallel()
	const n = 3 * mostTransactions
	s := stormOf(t, n/30)
	tr := New(DefaultLimits())
	for range n {
		s.next()
		tr.Observe(nil, &s.m, s.keys)
	}
	if got := len(tr.others.ring); got != mostTransactions {
		t.Errorf("remembered = %d, want %d", got, mostTransactions)
	}
	tr.Advance(nil, s.m.Time.Add(time.Minute))
	c := tr.Others().Counts()[0]
	if c.Options.Transactions != n || c.Options.Evicted != n-mostTransactions || c.Options.Unanswered != mostTransactions ||
		c.Messages[0][0] != n || tr.Counts().Tracked != n || held(tr.calls, "dialogs") != 0 {
		t.Errorf("got = %v, want %d asked, all but %d of them evicted", othersLines([]OtherCounts{c}), n, mostTransactions)
	}
}

func TestOtherMethodsAllocateNothing(t *testing.T) {
	s := stormOf(t, 10_000)
	tr := New(DefaultLimits())
	tr.Trunks(2, trunkOf)
	events := make([]event.Event, 0, 8)
	var answer sip.Message
	asked := 0
	ask := func() {
		s.next()
		answer = s.m
		answer.Status, answer.Mark = 200, answer.Mark<<20
		events = tr.Observe(events[:0], &s.m, s.keys)
		events = tr.Observe(events[:0], &answer, s.keys)
		asked++
	}
	for range mostTransactions + mostTransactions/4 {
		ask()
	}
	if n := testing.AllocsPerRun(1000, ask); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if c := tr.Others().Counts()[0].Options; c.Answered != uint64(asked) {
		t.Errorf("answered = %d, want %d", c.Answered, asked)
	}
}

// counted returns what o must have counted of ms, by class and method, over all trunks: every message but duplicates
// and those that say two methods, as its start line and CSeq have it. Of NOTIFY it is the most that there can be.
func counted(ms []sip.Message) (want [len(OtherMethods)][OtherClasses]uint64) {
	for i := range ms {
		if at := slices.Index(OtherMethods[:], ms[i].Method); at >= 0 && ms[i].Flags&sip.CSeqMismatch == 0 {
			want[at][ms[i].Status/100]++
		}
	}
	return want
}

// sumOf adds up the rows of all trunks and Trackers.
func sumOf(lists ...[]OtherCounts) (sum []OtherCounts) {
	sum = make([]OtherCounts, len(lists[0]))
	for _, list := range lists {
		for i, c := range list {
			for m := range c.Messages {
				for class, n := range c.Messages[m] {
					sum[i].Messages[m][class] += n
				}
			}
			a, b := &sum[i].Options, c.Options
			a.Transactions, a.Answered, a.Unanswered = a.Transactions+b.Transactions, a.Answered+b.Answered, a.Unanswered+b.Unanswered
			a.Evicted, a.Cut, a.Sum, a.Max = a.Evicted+b.Evicted, a.Cut+b.Cut, a.Sum+b.Sum, max(a.Max, b.Max)
			for j, n := range b.Within {
				a.Within[j] += n
			}
		}
	}
	return sum
}

// shuffled returns messages of all in the order and at the times that order says, two bytes each.
func shuffled(all []sip.Message, order []byte) (ms []sip.Message) {
	at := ladderStart
	for i := 0; i+1 < len(order); i += 2 {
		m := all[(int(order[i])*7+int(order[i+1]>>5))%len(all)]
		at = at.Add(time.Duration(order[i+1]&31) * time.Duration(order[i+1]&31) * 50 * time.Millisecond)
		m.Time, m.Mark = at, 0
		ms = append(ms, m)
	}
	return ms
}

// FuzzOthers states the laws of the messages that make no record, in any order and at any time: each is counted once
// under its method and class (NOTIFY in a call is not); every transaction of OPTIONS has one fate; and the sums are the
// same for any number of Trackers.
func FuzzOthers(f *testing.F) {
	all := slices.Concat(play(f, otherLadder), playAll(f))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, uint8(3))
	f.Add([]byte("OPTIONS and MESSAGE in any order that there is"), uint8(7))
	f.Fuzz(func(t *testing.T, order []byte, shards uint8) {
		ms := shuffled(all, order)
		one := spread(ms, 1)
		want, got := counted(ms), OtherCounts{}
		for _, c := range one {
			got = sumOf([]OtherCounts{got}, []OtherCounts{c})[0]
		}
		notify := slices.Index(OtherMethods[:], sip.Notify)
		for class, n := range got.Messages[notify] {
			if n > want[notify][class] {
				t.Errorf("NOTIFY of class %d: got = %d of %d", class, n, want[notify][class])
			}
		}
		want[notify] = got.Messages[notify]
		if l := got.Options; got.Messages != want || l.Transactions != l.Answered+l.Unanswered+l.Evicted+l.Cut {
			t.Errorf("got = %v, want %v", othersLines([]OtherCounts{got}), want)
		}
		if many := spread(ms, int(shards%7)+2); !slices.Equal(many, one) {
			t.Errorf("several Trackers: got = %v, want %v", othersLines(many), othersLines(one))
		}
	})
}

// spread gives ms to n Trackers of one clock and returns what their Others have counted together.
func spread(ms []sip.Message, n int) []OtherCounts {
	trackers := make([]*Tracker, n)
	for i := range trackers {
		trackers[i] = New(DefaultLimits())
		trackers[i].Trunks(2, trunkOf)
	}
	for i := range ms {
		k := testKeyer.Of(&ms[i])
		for _, tr := range trackers {
			tr.Advance(nil, ms[i].Time)
		}
		trackers[int(k.Shard[0])%n].Observe(nil, &ms[i], k)
	}
	var lists [][]OtherCounts
	for _, tr := range trackers {
		tr.Finish(nil)
		lists = append(lists, tr.Others().Counts())
	}
	return sumOf(lists...)
}

// TestOthersAgreeWithTheTruthOfACapture compares counts and latencies with what tshark has read.
func TestOthersAgreeWithTheTruthOfACapture(t *testing.T) {
	for _, side := range []string{"access", "core"} {
		base := filepath.Join(captures, "generated", "g23-message-options-scan-"+side)
		text, err := os.ReadFile(base + ".truth.json")
		if err != nil {
			t.Skip("no captures here")
		}
		var file struct {
			Requests map[string]uint64
			Rows     []row `json:"message_list"`
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		tr := New(DefaultLimits())
		follow(t, tr, messages(t, base+".pcap"), time.Minute)
		c := tr.Others().Counts()[0]
		for i, m := range OtherMethods {
			if c.Messages[i][0] != file.Requests[m.String()] {
				t.Errorf("%s: %s = %d, want %d", side, m, c.Messages[i][0], file.Requests[m.String()])
			}
		}
		l := c.Options
		n, sum := latencyOf(file.Rows)
		if l.Answered != n || n == 0 || (l.Sum-sum).Abs() > time.Duration(n)*2*time.Microsecond {
			t.Errorf("%s: %d in %v, want %d in %v", side, l.Answered, l.Sum, n, sum)
		}
	}
}

// latencyOf returns how many of the rows' OPTIONS were answered, and how long that took in all.
func latencyOf(rows []row) (n uint64, sum time.Duration) {
	asked := map[string]float64{}
	for _, r := range rows {
		if r[9] != "OPTIONS" {
			continue
		}
		key, at := fmt.Sprint(r[10], r[8]), r[1].(float64)
		status, response := r[7].(float64)
		first, known := asked[key]
		switch {
		case !response && !known:
			asked[key] = at
		case response && known && status >= 200:
			n, sum = n+1, sum+time.Duration((at-first)*1e9)
			delete(asked, key)
		}
	}
	return n, sum
}

// BenchmarkOptions is a request and its answer, counted by trunk.
func BenchmarkOptions(b *testing.B) {
	s := stormOf(b, 10_000)
	ms, ks := make([]sip.Message, 1<<15), make([]event.Keys, 1<<15)
	for i := range ms {
		s.next()
		ms[i], ks[i] = s.m, s.keys
		ms[i].Flow.Transport = capture.UDP
	}
	tr := New(DefaultLimits())
	tr.Trunks(2, trunkOf)
	events := make([]event.Event, 0, 8)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m, k := &ms[i%len(ms)], ks[i%len(ms)]
		m.Time = ladderStart.Add(time.Duration(i) * 100 * time.Microsecond)
		m.Mark, m.Status = m.Mark+1<<40, 0
		k.Branch[0] += byte(i / len(ms))
		events = tr.Observe(events[:0], m, k)
		m.Mark, m.Status = m.Mark+1<<40, 200
		events = tr.Observe(events[:0], m, k)
	}
}
