package track

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
)

var edge, registrar = netip.MustParseAddrPort("192.0.2.11:5060"), netip.MustParseAddrPort("192.0.2.99:5060")

// forwarded returns ms as they go on between edge and registrar, so much later than on the hop of the phone.
func forwarded(t *testing.T, ladder string, later time.Duration) []sip.Message {
	t.Helper()
	ms := slices.Clone(play(t, ladder))
	for i := range ms {
		m := &ms[i]
		m.Flow.Src, m.Flow.Dst = edge, registrar
		if !m.Request() {
			m.Flow.Src, m.Flow.Dst = registrar, edge
		}
		m.Time, m.Mark = m.Time.Add(later), m.Mark+1<<40
	}
	return ms
}

func ordered(lists ...[]sip.Message) []sip.Message {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b sip.Message) int { return a.Time.Compare(b.Time) })
	return all
}

// TestHopOfTheFirstRegisterDecides shows both hops of an edge proxy that asks its registrar for another time than it
// grants its phones.
func TestHopOfTheFirstRegisterDecides(t *testing.T) {
	near := func(answer string) string {
		return "00:00.000  alice -> bob   REGISTER\n" + phone + "00:00.030  alice <- bob   " + answer
	}
	far := func(answer string) string {
		return "00:00.000  alice -> bob   REGISTER\n" + phone + "00:00.010  alice <- bob   " + answer
	}
	asked := "00:00.000  alice -> bob   REGISTER\n" + phone
	grants := func(seconds string) string { return "200\n" + strings.Replace(accepted, "3600", seconds, 1) }
	const hop = time.Millisecond
	for name, c := range map[string]struct {
		near, far string
		want      string
	}{
		"both grant":            {near(grants("600")), far(grants("7200")), "0.03s registered 200 for 600s"},
		"the far one refuses":   {near(grants("600")), far("503"), "0.03s registered 200 for 600s"},
		"the near one refuses":  {near("403"), far(grants("7200")), "0.03s rejected 403 for 0s"},
		"only the far one seen": {asked, far(grants("7200")), "0.011s registered 200 for 7200s"},
		"only a far refusal":    {asked, far("403"), "0.011s rejected 403 for 0s"},
		"a far challenge": {near("401\n00:00.040  alice -> bob   REGISTER\n" + phone + "00:00.050  alice <- bob   " +
			grants("600")), far("401"), "0.05s registered 200 for 600s challenges 1"},
	} {
		ms := ordered(play(t, c.near), forwarded(t, c.far, hop))
		if got := registrations(follow(t, New(DefaultLimits()), ms, 0)); got != c.want {
			t.Errorf("%s, at the end of the file: got\n%s\nwant\n%s", name, got, c.want)
		}
		tr := New(DefaultLimits())
		var events []event.Event
		for i := range ms {
			events = tr.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
		}
		if got := registrations(tr.Advance(events, ladderStart.Add(2*time.Minute))); got != c.want {
			t.Errorf("%s, in time: got\n%s\nwant\n%s", name, got, c.want)
		}
		if n := held(tr.bindings, "downstream"); n != 0 {
			t.Errorf("%s: answers of other hops that wait = %d, want none", name, n)
		}
	}
}

// TestFarAnswerIsTakenBeforeTheNextRegister: the refresh finds what the REGISTER before made.
func TestFarAnswerIsTakenBeforeTheNextRegister(t *testing.T) {
	ms := ordered(play(t, "00:00.000  alice -> bob   REGISTER\n"+phone+"00:50.000  alice -> bob   REGISTER new\n"+phone+
		"00:50.030  alice <- bob   200\n"+accepted), forwarded(t, first, time.Millisecond))
	want := "0.011s registered 200 for 3600s"
	events := follow(t, New(DefaultLimits()), ms, 0)
	if got := registrations(events); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i := 1; i < len(events); i++ {
		if events[i].Time.Before(events[i-1].Time) {
			t.Errorf("event %d is of %s, the one before of %s", i, events[i].Time, events[i-1].Time)
		}
	}
}

// TestExpiriesAreReadAsTheyAre: any value below 2^32, and 3600 for what is none.
func TestExpiriesAreReadAsTheyAre(t *testing.T) {
	for _, seconds := range []string{"2678400", "4294967295"} {
		events := follow(t, New(DefaultLimits()), play(t, strings.ReplaceAll(first, "expires=3600", "expires="+seconds)),
			700_000*time.Second)
		if got, want := registrations(events), "0.01s registered 200 for "+seconds+"s"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	month := strings.ReplaceAll(first, "expires=3600", "expires=2678400")
	want := "0.01s registered 200 for 2678400s\n2.67840001e+06s expired 0 for 2678400s"
	if got := registrations(follow(t, New(DefaultLimits()), play(t, month), 32*24*time.Hour)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
