package legs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/siptest"
)

// legsOf returns Legs with n calls that show nothing of each other, each a second after the one before.
func legsOf(t testing.TB, n int) *Legs {
	l := New(Limits{Legs: n, Window: time.Hour, Near: time.Second})
	for i := range n {
		k := event.Key{byte(i), byte(i >> 8), byte(i >> 16), 1}
		l.Observe(&event.Event{Time: siptest.Start.Add(time.Duration(i) * time.Second), Key: k, Kind: event.LinkKind,
			Evidence: &event.Evidence{Leg: k, Opens: true}})
	}
	if l.legs.Len() != n {
		t.Fatalf("legs = %d, want %d", l.legs.Len(), n)
	}
	return l
}

// The groups at every min are those of the joins of min and more, each named by its first leg.
func TestGroupsHoldByTheJoinsThatAreSureEnough(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		const n = 24
		l := legsOf(t, n)
		var plain [event.Correlations][n + 1]int // the first leg by correlation and leg
		for by := range plain {
			for i := range plain[by] {
				plain[by][i] = i
			}
		}
		for range r.IntN(2 * n) {
			a, b, by := 1+r.IntN(n), 1+r.IntN(n), event.Correlation(1+r.IntN(int(event.Correlations)-1))
			if a == b || !l.join(uint32(a), uint32(b), by) {
				continue
			}
			for weaker := event.Correlation(1); weaker < event.Correlations; weaker++ {
				if weaker.Score() > by.Score() {
					continue
				}
				low, high := min(plain[weaker][a], plain[weaker][b]), max(plain[weaker][a], plain[weaker][b])
				for i, first := range plain[weaker] {
					if first == high {
						plain[weaker][i] = low
					}
				}
			}
		}
		for by := event.Correlation(1); by < event.Correlations; by++ {
			compareGroups(t, l, by.Score(), plain[by][1:])
		}
	}
}

func compareGroups(t *testing.T, l *Legs, min int, want []int) {
	t.Helper()
	for i, first := range want {
		got, group := l.groups.joinOf(uint32(i + 1)).By(min)
		alone := 0
		for _, other := range want {
			if other == first {
				alone++
			}
		}
		if (alone == 1) != (got == event.Uncorrelated) || alone > 1 && group != l.legs.At(uint32(first)).group {
			t.Fatalf("min %d: leg %d: by %s, the group of leg %d: %t", min, i+1, correlations[got], first, alone > 1)
		}
	}
}

// FuzzUnrelatedCallsChangeNoJoin plays a story, and among its messages calls that have nothing to do with it.
func FuzzUnrelatedCallsChangeNoJoin(f *testing.F) {
	var all [][]sip.Message
	var want []string
	for _, s := range legStories {
		all = append(all, siptest.Play(f, hosts+s.ladder))
		want = append(want, s.want)
	}
	f.Add(uint8(0), []byte{1, 2, 3})
	f.Add(uint8(20), []byte("any time will do for others to call"))
	f.Fuzz(func(t *testing.T, n uint8, times []byte) {
		story := int(n) % len(all)
		ms := slices.Clone(all[story])
		for i, at := range times[:min(len(times), 20)] {
			ms = append(ms, stranger(t, i, time.Duration(at)*300*time.Millisecond)...)
		}
		slices.SortStableFunc(ms, func(a, b sip.Message) int { return a.Time.Compare(b.Time) })
		calls := joined(New(DefaultLimits(1000)), eventsOf(t, ms, 1+int(n)%3))
		if got := sayJoins(calls, 0); got != want[story] {
			t.Errorf("%s, with others:\n%s\nwant\n%s", legStories[story].name, got, want[story])
		}
	})
}

// stranger returns the INVITE of a call to a number, by hosts and with marks of its own.
func stranger(t testing.TB, i int, at time.Duration) []sip.Message {
	ladder := fmt.Sprintf("them is +1720555%04d at 198.51.100.%d\nthose is +1720555%04d at 203.0.113.%d\n",
		1000+i, 1+i, 2000+i, 1+i) +
		legText(fmt.Sprintf("a-stranger-%d", i), "them", "those", 0, 5, fmt.Sprintf("X-Call-ID: nobody-%d", i),
			fmt.Sprintf("Session-ID: %032x", 1+i))
	ms := siptest.Play(t, ladder)
	for j := range ms {
		ms[j].Time = ms[j].Time.Add(at)
	}
	return ms
}

// FuzzLegsForget opens, refers and ends calls with marks of a few, under a limit: no more is remembered than that,
// and nothing once all is over.
func FuzzLegsForget(f *testing.F) {
	f.Add([]byte("calls come and go, and some have the same marks as others"), uint8(3))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5}, uint8(40))
	f.Fuzz(func(t *testing.T, order []byte, limit uint8) {
		l := New(DefaultLimits(int(limit) + 1))
		at, live := siptest.Start, map[event.Key]int{}
		for i := 0; i+3 < len(order); i += 4 {
			at = at.Add(time.Duration(order[i]&15) * 200 * time.Millisecond)
			k := event.Key{order[i+1] & 31, 7}
			ev := &event.Event{Time: at, Key: k, Kind: event.LinkKind, Evidence: &event.Evidence{Leg: k, Opens: order[i]&0x10 == 0,
				Src: uint64(order[i+2] & 3), Dst: uint64(order[i+2] >> 6)}}
			if order[i]&0xc0 == 0xc0 && live[k] > 0 {
				live[k]--
				l.Complete(&event.Event{Time: at, Key: k, Kind: event.CallKind, Stage: event.Stop, Call: &event.Call{Leg: k}})
				continue
			}
			ev.Evidence.Add(event.LinkKeyKind(order[i+2]>>2)%(event.LeftKey+1), uint64(order[i+3]&7))
			ev.Evidence.Add(event.LinkKeyKind(order[i+3]>>3)%(event.LeftKey+1), uint64(order[i+3]&3))
			l.Observe(ev)
			if ev.Evidence.Opens {
				live[k]++
			}
			if n := l.legs.Len(); n > int(limit)+1 || uint64(n) != l.Counts().Remembered {
				t.Fatalf("legs = %d, counted %d, limit %d", n, l.Counts().Remembered, int(limit)+1)
			}
		}
		for k, n := range live {
			for range n {
				l.Complete(&event.Event{Time: at, Key: k, Kind: event.CallKind, Stage: event.Stop, Call: &event.Call{Leg: k}})
			}
		}
		l.advance(at.Add(time.Minute).UnixNano())
		if l.legs.Len() != 0 || len(l.keys.index) != 0 || l.opened.First() != 0 {
			t.Errorf("after the end: legs %d, link keys %d, opened %d", l.legs.Len(), len(l.keys.index), l.opened.First())
		}
	})
}

func TestALegOfManyLinkKeysLeavesNone(t *testing.T) {
	l, k := New(DefaultLimits(1)), event.Key{1}
	for i := range uint64(1000) {
		ev := &event.Event{Time: siptest.Start, Key: k, Kind: event.LinkKind, Evidence: &event.Evidence{Leg: k, Opens: i == 0}}
		ev.Evidence.Add(event.ReferKey, i+1)
		l.Observe(ev)
	}
	l.Complete(&event.Event{Time: siptest.Start, Key: k, Kind: event.CallKind, Stage: event.Stop, Call: &event.Call{Leg: k}})
	l.advance(siptest.Start.Add(time.Hour).UnixNano())
	if l.legs.Len() != 0 || len(l.keys.index) != 0 {
		t.Errorf("after the end: legs %d, link keys %d", l.legs.Len(), len(l.keys.index))
	}
}

func TestTheOldestLegsGoWithAllTheyAreJoinedWith(t *testing.T) {
	ms := siptest.Play(t, hosts+legText("a-1", "alice", "sbc", 0, 60)+legText("b-1", "out", "bob", 0.1, 60.1, "X-Call-ID: a-1")+
		legText("c-1", "carol", "sbc", 1, 60)+legText("d-1", "out", "dave", 1.1, 60.1, "X-Call-ID: c-1"))
	l := New(DefaultLimits(3))
	if got, want := sayJoins(joined(l, eventsOf(t, ms, 1)), 0), "c-1:header d-1:header"; got != want {
		t.Errorf("joined = %s, want %s", got, want)
	}
	if c := l.Counts(); c.Forgotten != 2 || c.Joined[event.HeaderCorrelation] != 2 {
		t.Errorf("forgotten %d, joined %d, want 2, 2", c.Forgotten, c.Joined[event.HeaderCorrelation])
	}
}

func TestAMarkOfEverybodysJoinsNobody(t *testing.T) {
	ladder := hosts
	for i := range 30 {
		ladder += fmt.Sprintf("them is +1720555%04d at 198.51.100.%d\n", 1000+i, 1+i) +
			legText(fmt.Sprintf("a-%02d", i), "them", "sbc", float64(i)/10, 60, "Session-ID: "+uuidA) +
			legText(fmt.Sprintf("b-%02d", i), "out", "bob", float64(i)/10+0.05, 60, "Session-ID: "+uuidA)
	}
	l := New(DefaultLimits(1000))
	calls := joined(l, eventsOf(t, siptest.Play(t, ladder), 1))
	if got, want := sayJoins(calls, 0), "a-00:session_id b-00:session_id"; got != want {
		t.Errorf("joined = %s, want %s", got, want)
	}
	if c := l.Counts(); c.Shared == 0 || c.Ambiguous == 0 {
		t.Errorf("shared %d, ambiguous %d, want some", c.Shared, c.Ambiguous)
	}
}

func TestTransfersArePublishedWithAllTheirCalls(t *testing.T) {
	for _, s := range legStories {
		want := event.NoTransfer
		switch s.name {
		case "REFER with Replaces, and the new call",
			"REFER with Replaces, BYE, and then the new call, the replaced one not seen":
			want = event.Attended
		case "REFER without Replaces, and an INVITE that says who referred it":
			want = event.Blind
		default:
			continue
		}
		for id, c := range joined(New(DefaultLimits(1000)), eventsOf(t, siptest.Play(t, hosts+s.ladder), 1)) {
			if by, _ := c.Join.By(100); by == event.TransferCorrelation && c.Transfer != want {
				t.Errorf("%s: %s: transfer = %d, want %d", s.name, id, c.Transfer, want)
			}
		}
	}
}

// The captures at hand were made without a B2BUA, with equipment that has one session description for all calls.
func TestCapturesWithoutAB2BUAJoinNothing(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(filepath.Join(siptest.Captures, "generated", "*.pcap*"))
	public, _ := filepath.Glob(filepath.Join(siptest.Captures, "public", "*.pcap*"))
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("no captures here")
		}
		t.Skip("no captures here")
	}
	for _, path := range append(files, public...) {
		calls := joined(New(DefaultLimits(1000)), eventsOf(t, siptest.Messages(t, path), 2))
		if got := sayJoins(calls, 0); got != "" {
			t.Errorf("%s: %d calls, and some are joined", filepath.Base(path), len(calls))
		}
	}
}
