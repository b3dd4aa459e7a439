package track

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
)

// A route is what stands between alice and bob of a ladder: one address for a host, two for one that receives and
// sends by different ones. Each host sends a message on a millisecond after it came.
type route struct {
	hosts  []string // "in" or "in out", caller's side first
	hiding bool     // the hosts between strip Vias and write To tags of their own
	lost   string   // what the capture does not show: hop and number of the message in the ladder, both from 0
	late   string   // what it shows 300 ms late, its time unchanged
	far    bool     // only hops behind the first are captured
}

var proxied = route{hosts: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}}

// A passing is a message on one hop, with the Keys that it has there.
type passing struct {
	m sip.Message
	k event.Keys
	n string // hop:number
}

// passings returns the messages of a ladder on each hop of r, in the order in which they are read.
func (r route) passings(t testing.TB, ladder string) (ps []passing) {
	t.Helper()
	ms := play(t, ladder)
	caller := testKeyer.Of(&ms[0]).From
	for i, m := range ms {
		down := m.Flow.Src.Addr() == aliceAddr
		last := len(r.hosts) - 2
		for hop := 0; hop <= last; hop++ {
			p := r.pass(m, hop, down)
			p.n = strconv.Itoa(hop) + ":" + strconv.Itoa(i)
			if r.far && hop == 0 || strings.Contains(" "+r.lost+" ", " "+p.n+" ") {
				continue
			}
			behind := hop
			if !down {
				behind = last - hop
			}
			p.m.Time = p.m.Time.Add(time.Duration(behind) * time.Millisecond)
			if r.hiding && hop > 0 {
				hide(&p.k, caller, byte(hop))
			}
			ps = append(ps, p)
		}
	}
	at := func(p passing) time.Time {
		if strings.Contains(" "+r.late+" ", " "+p.n+" ") {
			return p.m.Time.Add(300 * time.Millisecond)
		}
		return p.m.Time
	}
	slices.SortStableFunc(ps, func(a, b passing) int { return at(a).Compare(at(b)) })
	return ps
}

// hide gives k another tag of the callee's, as the host at a hop does that hides who is behind it.
func hide(k *event.Keys, caller event.Key, hop byte) {
	for _, tag := range []*event.Key{&k.From, &k.To} {
		if *tag != (event.Key{}) && *tag != caller {
			tag[0] ^= hop
			tag[1] ^= hop
		}
	}
}

// pass returns m as it is on a hop.
func (r route) pass(m sip.Message, hop int, down bool) passing {
	ends := func(host string) (in, out netip.AddrPort) {
		words := strings.Fields(host)
		return netip.AddrPortFrom(netip.MustParseAddr(words[0]), 5060),
			netip.AddrPortFrom(netip.MustParseAddr(words[len(words)-1]), 5060)
	}
	_, m.Flow.Src = ends(r.hosts[hop])
	m.Flow.Dst, _ = ends(r.hosts[hop+1])
	if !down {
		m.Flow = m.Flow.Reverse()
	}
	m.Mark += uint64(hop)
	k := testKeyer.Of(&m)
	for before := range hop {
		above := k
		above.Branch[0] += 3 * byte(before)
		if !r.hiding && before < event.LowerVias && m.Method == sip.Invite && m.Request() && k.To == (event.Key{}) {
			k.Vias[before] = above.ShortBranch()
		}
	}
	k.Branch[0] += 3 * byte(hop)
	return passing{m: m, k: k}
}

// records returns the last revision of each record of the passings, after a day.
func records(t testing.TB, ps []passing) []*event.Call {
	t.Helper()
	tr := New(DefaultLimits())
	tr.PublishAt(event.StagesOf(event.Stop, event.Correction))
	var events []event.Event
	for i := range ps {
		events = tr.Observe(events, &ps[i].m, ps[i].k)
	}
	events = tr.Advance(events, ladderStart.Add(24*time.Hour))
	events = tr.Finish(events)
	balance(t, tr, len(ps), true)
	saysSomethingElse(t, events)
	return last(events)
}

// saysSomethingElse complains of a correction that equals what was published of its call before.
func saysSomethingElse(t testing.TB, events []event.Event) {
	t.Helper()
	type one struct {
		key          event.Key
		reuse, forks uint32
	}
	published := map[one]*event.Call{}
	for i := range events {
		ev := &events[i]
		if ev.Kind != event.CallKind {
			continue
		}
		of := one{ev.Call.Leg, ev.Ordinal >> 24, ev.Ordinal >> 16 & 0xff}
		if ev.Stage == event.Correction && reflect.DeepEqual(published[of], ev.Call) {
			t.Errorf("a correction that changes nothing: %s", lineOf(ev.Call))
		}
		published[of] = ev.Call
	}
}

const hungUpByBob = answeredCall + `
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   200 BYE
`

// Numbers of the messages of hungUpByBob.
const inviteN, tryingN, ringN, answerN, ackN, byeN, byeAnswerN = "0", "1", "2", "3", "4", "5", "6"

// hopStories are of a call that passes several hosts. On the caller's hop the answer is at 4.901 s.
var hopStories = []struct {
	name  string
	route route
	want  string
}{
	{"a proxy", route{hosts: proxied.hosts},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"a proxy that hides its topology", route{hosts: proxied.hosts, hiding: true},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"an SBC with two addresses", route{hosts: []string{"192.0.2.1", "192.0.2.2 198.51.100.2", "203.0.113.3"}},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"an SBC with two addresses that hides its topology",
		route{hosts: []string{"192.0.2.1", "192.0.2.2 198.51.100.2", "203.0.113.3"}, hiding: true},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"an INVITE that is read late on the caller's hop", route{hosts: proxied.hosts, late: "0:" + inviteN},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"an INVITE that is read late on the caller's hop of an SBC with two addresses",
		route{hosts: []string{"192.0.2.1", "192.0.2.2 198.51.100.2", "203.0.113.3"}, late: "0:" + inviteN},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"the answer is lost on the caller's hop", route{hosts: proxied.hosts, lost: "0:" + answerN},
		`- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
		callee cause_derived`},
	{"the answer is lost behind a proxy that hides its topology",
		route{hosts: proxied.hosts, hiding: true, lost: "1:" + answerN},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"answer and ACK are lost on the caller's hop", route{hosts: proxied.hosts, lost: "0:" + answerN + " 0:" + ackN},
		`- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
		callee cause_derived`},
	{"the BYE is seen behind the proxy only", route{hosts: proxied.hosts, lost: "0:" + byeN + " 0:" + byeAnswerN},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"the BYE is read after its answer", route{hosts: proxied.hosts, late: "0:" + byeN + " 1:" + byeN},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"the ringing is read after the answer", route{hosts: proxied.hosts, late: "0:" + ringN + " 1:" + ringN},
		`- 0s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"two proxies", route{hosts: []string{"192.0.2.1", "192.0.2.2", "192.0.2.4", "192.0.2.3"}},
		`- 0s progress 1.2s ring 1.2s answer 4.902s: answered complete 100% code 200 cause 16 end 60s observed normal
		by callee cause_derived`},
	{"two proxies, and only what is behind the first", route{far: true,
		hosts: []string{"192.0.2.1", "192.0.2.2", "192.0.2.4", "192.0.2.3"}},
		`- 0.001s progress 1.2s ring 1.2s answer 4.901s: answered complete 100% code 200 cause 16 end 60s observed
		normal by callee cause_derived`},
}

func TestCallsOverSeveralHopsGiveTheirRecords(t *testing.T) {
	for _, s := range hopStories {
		got := inWords(records(t, s.route.passings(t, hungUpByBob)))
		if want := strings.Fields(s.want); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", s.name, strings.Join(got, " "), strings.Join(want, " "))
		}
	}
}

// TestEachLossOnOneHopOfAProxyIsMadeUpForByTheOther loses every message on one hop.
func TestEachLossOnOneHopOfAProxyIsMadeUpForByTheOther(t *testing.T) {
	for _, hiding := range []bool{false, true} {
		for _, hop := range []string{"0:", "1:"} {
			for _, n := range []string{inviteN, tryingN, ringN, answerN, ackN, byeN, byeAnswerN} {
				r := route{hosts: proxied.hosts, hiding: hiding, lost: hop + n}
				cs := records(t, r.passings(t, hungUpByBob))
				if len(cs) != 1 || cs[0].Disposition != event.Answered || cs[0].Missing&(event.NoFinal|event.NoBye) != 0 {
					t.Errorf("lost %s, hiding %t: %s", r.lost, hiding, strings.Join(inWords(cs), " "))
					continue
				}
				if d := cs[0].End.Sub(cs[0].Answer); d < 55098*time.Millisecond || d > 55101*time.Millisecond {
					t.Errorf("lost %s, hiding %t: %v long", r.lost, hiding, d)
				}
			}
		}
	}
}

// TestOnwardIsTheHopByWhichTheCallLeft looks at both ends of what a proxy sends on.
func TestOnwardIsTheHopByWhichTheCallLeft(t *testing.T) {
	three := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}
	for _, c := range []struct {
		name     string
		route    route
		from, to string // "" for no hop behind
	}{
		{"one hop", route{hosts: three[:2]}, "192.0.2.1", ""},
		{"a proxy", route{hosts: three}, "192.0.2.1", "192.0.2.3"},
		{"a proxy that hides", route{hosts: three, hiding: true}, "192.0.2.1", "192.0.2.3"},
		{"two addresses", route{hosts: []string{"192.0.2.1", "192.0.2.2 198.51.100.2", "203.0.113.3"}}, "192.0.2.1",
			"203.0.113.3"},
		{"two addresses that hide", route{hiding: true,
			hosts: []string{"192.0.2.1", "192.0.2.2 198.51.100.2", "203.0.113.3"}}, "192.0.2.1", "203.0.113.3"},
		{"two proxies", route{hosts: []string{"192.0.2.1", "192.0.2.2", "192.0.2.4", "192.0.2.3"}}, "192.0.2.1",
			"192.0.2.3"},
		{"read late", route{hosts: three, late: "0:" + inviteN}, "192.0.2.1", "192.0.2.3"},
	} {
		got := one(t, records(t, c.route.passings(t, hungUpByBob)))
		to := ""
		if got.Onward.Dst.IsValid() {
			to = got.Onward.Dst.Addr().String()
		}
		if from := got.Flow.Src.Addr().String(); from != c.from || to != c.to {
			t.Errorf("%s: from %s to %q, want %s to %q", c.name, from, to, c.from, c.to)
		}
	}
}
