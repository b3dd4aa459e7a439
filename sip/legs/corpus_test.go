package legs

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sipsieve/sip/event"
	"sipsieve/sip/siptest"
)

// A corpus of conversations through a B2BUA that hides who is behind it: 200 calls a second, to numbers that differ
// in two digits, by evidence of every kind and by none. The truth is kept apart from what is sent.
type legCorpus struct {
	r       *rand.Rand
	text    strings.Builder
	session map[string]int    // by Call-ID: which conversation it is a leg of
	kind    map[int]string    // by conversation: what shows that its legs belong together
	hep     map[string]string // by Call-ID: the correlation id of the switch
}

const corpusCalls = 4000

// callKinds are the kinds of conversations in turn; those of one leg only have no other to be joined with.
var callKinds = []string{"header", "same header", "session_id", "icid", "call_id_rule", "sdp", "hep", "none", "none",
	"hunt", "one leg in", "one leg out", "transfer"}

func newLegCorpus() *legCorpus {
	c := &legCorpus{r: rand.New(rand.NewPCG(2026, 47)), session: map[string]int{}, kind: map[int]string{},
		hep: map[string]string{}}
	for i := range 40 {
		fmt.Fprintf(&c.text, "phone%d is +1303555%04d at 198.51.100.%d\n", i, 1000+i, 1+i)
	}
	for i := range corpusCalls {
		c.conversation(i, callKinds[i%len(callKinds)])
	}
	return c
}

// conversation adds the i-th conversation: a leg to the B2BUA, and one or several out of it.
func (c *legCorpus) conversation(i int, kind string) {
	c.kind[i] = kind
	at := float64(i)/200 + c.r.Float64()/100
	end := at + 2 + 20*c.r.Float64()
	number := fmt.Sprintf("+1303555%04d", 100+c.r.IntN(100))
	for host, addr := range map[string]string{"in": "192.0.2.20", "out": "192.0.2.20",
		"gw1": "203.0.113.1", "gw2": "203.0.113.2", "gw3": "203.0.113.3"} {
		c.text.WriteString(host + " is " + number + " at " + addr + "\n")
	}
	a, b := fmt.Sprintf("%08x-a-%d@phone", c.r.Uint32(), i), fmt.Sprintf("%08x-b-%d@sbc", c.r.Uint32(), i)
	mark := fmt.Sprintf("%016x%016x", c.r.Uint64(), c.r.Uint64())
	var ha, hb []string
	switch kind {
	case "header":
		hb = []string{"X-Call-ID: " + a}
	case "same header":
		ha, hb = []string{"X-Call-ID: " + mark}, []string{"X-Call-ID: " + mark}
	case "session_id", "hunt":
		ha, hb = []string{"Session-ID: " + mark}, []string{"Session-ID: " + mark + ";remote=" + strings.Repeat("0", 32)}
	case "icid":
		ha, hb = []string{"P-Charging-Vector: icid-value=" + mark}, []string{"P-Charging-Vector: icid-value=" + mark}
	case "call_id_rule":
		b = "B2B_" + a
	case "sdp":
		ha = legBody(fmt.Sprint(c.r.Uint32()), "198.51.100.99", fmt.Sprint(16384+2*c.r.IntN(8000)))
		hb = ha
	case "hep":
		c.hep[a], c.hep[b] = mark, mark
	case "none", "one leg in", "one leg out": // some telephones have one mark for all their calls
		if c.r.IntN(4) == 0 {
			ha = []string{"Session-ID: " + uuidB}
		}
	}
	later, gw := at+0.005+0.08*c.r.Float64(), ""
	if kind != "one leg out" {
		c.leg(i, a, fmt.Sprintf("phone%d", c.r.IntN(40)), "in", at, end, ha...)
	}
	if kind != "one leg in" {
		gw = fmt.Sprintf("gw%d", 1+c.r.IntN(3))
		c.leg(i, b, "out", gw, later, end+0.05, hb...)
	}
	switch kind {
	case "hunt":
		for j := range 2 {
			c.leg(i, fmt.Sprintf("%s-%d", b, j), "out", fmt.Sprintf("gw%d", 2+j), later+0.01*float64(j), end, hb...)
		}
	case "transfer":
		c.transfer(i, [2]string{a, b}, gw, end)
	}
}

func (c *legCorpus) leg(i int, id, from, to string, at, end float64, headers ...string) {
	c.session[id] = i
	c.text.WriteString(legText(id, from, to, at, end, headers...))
}

// transfer has the called side of the second leg, gw, replace the first leg by a new call.
func (c *legCorpus) transfer(i int, legs [2]string, gw string, end float64) {
	a, b := legs[0], legs[1]
	clock := func(s float64) string { return fmt.Sprintf("%02d:%06.3f", int(s)/60, s-float64(int(s)/60*60)) }
	fmt.Fprintf(&c.text, "callid %s\n%s  out -> %s  REFER\n    Refer-To: <sip:x@192.0.2.20?Replaces=%s%%3Bto-tag%%3D1%%3Bfrom-tag%%3D2>\n"+
		"%s  out <- %s  202 REFER\n", b, clock(end-0.6), gw, a, clock(end-0.55), gw)
	c.leg(i, fmt.Sprintf("%08x-n-%d@gw", c.r.Uint32(), i), "gw2", "in", end-0.5, end+5, "Replaces: "+a+";to-tag=1;from-tag=2")
}

// judge counts, among all pairs of calls that are told to belong together at min, the right ones, and the
// conversations of each kind whose legs are all told so.
func (c *legCorpus) judge(calls map[string]*event.Call, min int) (right, wrong int, whole map[string]int) {
	groups, found := map[event.Key]map[int]int{}, map[int]int{}
	whole = map[string]int{}
	size := map[int]int{}
	for id, call := range calls {
		i := c.session[id]
		size[i]++
		by, group := call.Join.By(min)
		if by == event.Uncorrelated {
			continue
		}
		if groups[group] == nil {
			groups[group] = map[int]int{}
		}
		groups[group][i]++
	}
	for _, g := range groups {
		all := 0
		for i, n := range g {
			right, all = right+n*(n-1)/2, all+n
			found[i] = max(found[i], n)
		}
		wrong += all * (all - 1) / 2
	}
	wrong -= right
	for i, n := range found {
		if n == size[i] {
			whole[c.kind[i]]++
		}
	}
	return right, wrong, whole
}

func TestJoinsOfABusyB2BUAAreRight(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("20 seconds of traffic")
	}
	c := newLegCorpus()
	ms := siptest.Play(t, c.text.String())
	var told string
	for _, shards := range []int{1, 4} {
		events := eventsOf(t, ms, shards)
		l := event.Linking{Keyer: siptest.Keyer}
		marks := map[event.Key]string{}
		for id, mark := range c.hep {
			marks[siptest.Keyer.Key([]byte(id))] = mark
		}
		for i := range events {
			if mark := marks[events[i].Key]; mark != "" && events[i].Kind == event.LinkKind {
				events[i].Evidence.Add(event.LinkKeyKind(event.HEPCorrelation), l.Name([]byte(mark)))
			}
		}
		legs := New(DefaultLimits(100_000))
		calls := joined(legs, events)
		t.Logf("%d shards: %d messages, %d calls, %+v", shards, len(ms), len(calls), legs.Counts())
		if now := sayJoins(calls, 0); told == "" {
			told = now
		} else if now != told {
			t.Errorf("%d shards: other joins", shards)
		}
		for _, min := range []int{90, 70, 50} {
			c.report(t, calls, min)
		}
	}
}

// report says and asserts how right and how complete the joins at min are.
func (c *legCorpus) report(t *testing.T, calls map[string]*event.Call, min int) {
	t.Helper()
	right, wrong, whole := c.judge(calls, min)
	precision := 100 * float64(right) / float64(right+wrong)
	t.Logf("min %d: %d pairs right, %d wrong, precision %.3f %%", min, right, wrong, precision)
	if least := map[int]float64{90: 99.9, 70: 99.9, 50: 95}[min]; precision < least {
		t.Errorf("min %d: precision = %.3f %%, want %g %%", min, precision, least)
	}
	all := map[string]int{}
	for _, kind := range c.kind {
		all[kind]++
	}
	for _, k := range []struct {
		kind  string
		score int
	}{{"header", 100}, {"same header", 100}, {"transfer", 100}, {"session_id", 95}, {"hunt", 95}, {"hep", 90}, {"icid", 85},
		{"call_id_rule", 80}, {"sdp", 70}, {"none", 0}} {
		t.Logf("    %-12s %d of %d conversations whole", k.kind, whole[k.kind], all[k.kind])
		if k.score >= min && k.score > 0 && whole[k.kind] != all[k.kind] {
			t.Errorf("min %d: %s: %d of %d conversations are whole, want all", min, k.kind, whole[k.kind], all[k.kind])
		}
	}
}
