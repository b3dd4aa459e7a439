package track

import (
	"net/netip"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// A hopped is a message and on which hop it was seen.
type hopped struct {
	m   sip.Message
	hop byte
}

var hopFlows = [...]capture.Flow{between("192.0.2.1", "192.0.2.2"), between("192.0.2.2", "192.0.2.3"),
	between("192.0.2.3", "192.0.2.2")}

func between(src, dst string) capture.Flow {
	return capture.Flow{Src: netip.AddrPortFrom(netip.MustParseAddr(src), 5060),
		Dst: netip.AddrPortFrom(netip.MustParseAddr(dst), 5060), Transport: capture.UDP}
}

// on returns the messages of a ladder as a hop shows it: its own addresses, branches, Vias, and later by lag.
func on(t *testing.T, hop byte, lag time.Duration, ladder string) (hs []hopped) {
	t.Helper()
	for _, m := range play(t, ladder) {
		m.Flow = hopFlows[hop]
		if !m.Request() {
			m.Flow = m.Flow.Reverse()
		}
		m.Vias += hop
		m.Mark += uint64(hop)
		m.Time = m.Time.Add(lag)
		hs = append(hs, hopped{m, hop})
	}
	return hs
}

func hopCalls(t *testing.T, hs []hopped) []*event.Call {
	t.Helper()
	tr := New(DefaultLimits())
	var events []event.Event
	for i := range hs {
		k := testKeyer.Of(&hs[i].m)
		k.Branch[0] += 3 * hs[i].hop
		events = tr.Observe(events, &hs[i].m, k)
	}
	events = tr.Finish(events)
	balance(t, tr, len(hs), true)
	return callsIn(events)
}

func one(t *testing.T, cs []*event.Call) *event.Call {
	t.Helper()
	if len(cs) != 1 {
		t.Fatalf("%d calls, want 1", len(cs))
	}
	return cs[0]
}

const invited = "00:00.000  alice -> bob INVITE\n"

func TestCallersHopDecides(t *testing.T) {
	near := on(t, 0, 0, invited+"00:05.000  alice <- bob 408\n00:05.010  alice -> bob ACK\n")
	far := on(t, 1, time.Millisecond, invited+"00:05.000  alice <- bob 487\n00:05.010  alice -> bob ACK\n")
	for name, hs := range map[string][]hopped{
		"caller's first": {near[0], far[0], near[1], near[2], far[1], far[2]},
		"caller's last":  {near[0], far[0], far[1], far[2], near[1], near[2]},
	} {
		c := one(t, hopCalls(t, hs))
		if c.Disposition != event.NoAnswer || c.Code != 408 || !c.End.Equal(near[1].m.Time) {
			t.Errorf("%s: %s", name, lineOf(c))
		}
	}
}

func TestAnswerIsTheCallersHops(t *testing.T) {
	near := on(t, 0, 10*time.Millisecond, invited+"00:05.000  alice <- bob 200\n")
	far := on(t, 1, 11*time.Millisecond-10*time.Millisecond, invited+"00:05.000  alice <- bob 200\n")
	c := one(t, hopCalls(t, []hopped{near[0], far[0], far[1], near[1]}))
	if !c.Answer.Equal(near[1].m.Time) || c.Forks != 1 {
		t.Errorf("answered at %v, forks %d", c.Answer.Sub(ladderStart), c.Forks)
	}
}

func TestLastFinalOfAnyHopDecidesWhereTheCallersHasNone(t *testing.T) {
	near := on(t, 0, 0, invited)
	far := on(t, 1, time.Millisecond, invited+"00:05.000  alice <- bob 486\n")
	c := one(t, hopCalls(t, []hopped{near[0], far[0], far[1]}))
	if c.Disposition != event.Busy || c.EndSource != event.Observed {
		t.Error(lineOf(c))
	}
}

func TestSpiralIsOneCall(t *testing.T) {
	out, back := on(t, 0, 0, invited+"00:05.000  alice <- bob 486\n"), on(t, 2, time.Millisecond, invited)
	c := one(t, hopCalls(t, []hopped{out[0], back[0], out[1]}))
	if c.Flags&event.Spiral == 0 || c.Disposition != event.Busy {
		t.Error(lineOf(c))
	}
	through := on(t, 1, time.Millisecond, invited)
	if c := one(t, hopCalls(t, []hopped{out[0], through[0], out[1]})); c.Flags&event.Spiral != 0 {
		t.Error("a further hop is no spiral")
	}
}

func TestRefusalOfOneTargetIsNotTheCalls(t *testing.T) {
	first := on(t, 0, 0, invited+"00:01.000  alice <- bob 486\n00:01.010  alice -> bob ACK\n")
	second := on(t, 0, 1020*time.Millisecond, invited+"00:05.000  alice <- bob 200\n")
	for i := range second {
		second[i].hop = 5
		second[i].m.Mark += 99
	}
	c := one(t, hopCalls(t, append(first, second...)))
	if c.Disposition != event.Answered || c.Code != 200 {
		t.Error(lineOf(c))
	}
}
