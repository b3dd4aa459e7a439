package legs

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
	"sipsieve/sip/siptest"
	"sipsieve/sip/track"
)

var correlations = [event.Correlations]string{"none", "inferred", "sdp", "call_id_rule", "icid", "hep", "session_id",
	"header", "transfer"}

// testLinking has the rules of the stories.
func testLinking(t testing.TB) event.Linking {
	l := event.Linking{Keyer: siptest.Keyer}
	for _, text := range []string{"B2B_*", "*_b2b-1"} {
		r, err := event.ParseIDRule(text)
		if err != nil {
			t.Fatal(err)
		}
		l.Rules = append(l.Rules, r)
	}
	return l
}

// events returns what as many Trackers tell of ms, in order.
func eventsOf(t testing.TB, ms []sip.Message, shards int) (events []event.Event) {
	t.Helper()
	trackers := make([]*track.Tracker, shards)
	for i := range trackers {
		trackers[i] = track.New(track.DefaultLimits())
		trackers[i].ShowLegs(testLinking(t))
	}
	var last time.Time
	for i := range ms {
		k := siptest.Keyer.Of(&ms[i])
		tr := trackers[int(k.Shard[0])%shards]
		events, last = tr.Observe(events, &ms[i], k), ms[i].Time
	}
	for _, tr := range trackers {
		events = tr.Finish(tr.Advance(events, last))
	}
	slices.SortStableFunc(events, func(a, b event.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.Key[:], b.Key[:]), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	return events
}

// joined gives events to l and returns the calls at Stop, by Call-ID.
func joined(l *Legs, events []event.Event) map[string]*event.Call {
	calls := map[string]*event.Call{}
	for i := range events {
		switch ev := &events[i]; ev.Kind {
		case event.LinkKind:
			l.Observe(ev)
		case event.CallKind:
			l.Complete(ev)
			calls[string(ev.Call.Facts.First(facts.CallIDText))] = ev.Call
		}
	}
	return calls
}

// sayJoins writes the groups of calls that a purpose with that min_correlation is shown, in the order of Call-IDs.
func sayJoins(calls map[string]*event.Call, min int) string {
	groups := map[event.Key]string{}
	var order []event.Key
	for _, id := range slices.Sorted(mapKeys(calls)) {
		by, group := calls[id].Join.By(min)
		if by == event.Uncorrelated {
			continue
		}
		if groups[group] == "" {
			order = append(order, group)
		}
		groups[group] += fmt.Sprintf(" %s:%s", id, correlations[by])
	}
	var s []string
	for _, g := range order {
		s = append(s, strings.TrimSpace(groups[g]))
	}
	return strings.Join(s, " | ")
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// legStory is a ladder and which calls belong together.
type legStory struct{ name, ladder, want string }

const (
	uuidA = "ab30317f1a784dc48ff824d0d3715d86"
	uuidB = "47755a9de7794ba387653f2099600ef2"
)

// leg writes a call from one party to another at a second, with header lines; it is hung up after end seconds.
func legText(id string, from, to string, at, end float64, headers ...string) string {
	clock := func(s float64) string { return fmt.Sprintf("%02d:%06.3f", int(s)/60, s-float64(int(s)/60*60)) }
	s := "callid " + id + "\n" + clock(at) + "  " + from + " -> " + to + "  INVITE\n"
	for _, h := range headers {
		s += "    " + h + "\n"
	}
	for _, m := range []struct {
		at   float64
		what string
	}{{at + 0.2, from + " <- " + to + " 180"}, {at + 1, from + " <- " + to + " 200 INVITE"},
		{at + 1.1, from + " -> " + to + " ACK"},
		{end, from + " -> " + to + " BYE"}, {end + 0.1, from + " <- " + to + " 200 BYE"}} {
		s += clock(m.at) + "  " + m.what + "\n"
	}
	return s
}

const hosts = `
alice is +13035550101 at 192.0.2.1
carol is +13035550103 at 192.0.2.3
sbc is +13035550100 at 192.0.2.20
out is +13035550100 at 192.0.2.21
bob is +13035550100 at 192.0.2.30
dave is +13035550177 at 192.0.2.40
`

func legBody(session, host, port string) []string {
	return []string{"Content-Type: application/sdp", "| v=0", "| o=- " + session + " 1 IN IP4 " + host, "| s=-",
		"| c=IN IP4 " + host, "| t=0 0", "| m=audio " + port + " RTP/AVP 0"}
}

var legStories = []legStory{
	{"a configured header has the other leg's Call-ID",
		legText("a-1", "alice", "sbc", 0, 60) + legText("b-1", "out", "bob", 0.1, 60.1, "X-Call-ID: a-1"),
		"a-1:header b-1:header"},
	{"the leg that is named is seen later",
		legText("b-1", "out", "bob", 0, 60, "X-Call-ID: call-of-alice") +
			legText("call-of-alice", "alice", "sbc", 0.1, 60),
		"b-1:header call-of-alice:header"},
	{"two legs have one value in a configured header",
		legText("a-1", "alice", "sbc", 0, 60, "X-Call-ID: 0123456789") +
			legText("b-1", "out", "bob", 0.1, 60.1, "X-Call-ID: 0123456789"),
		"a-1:header b-1:header"},
	{"two legs have one value that is too short to stand for a call",
		legText("a-1", "alice", "sbc", 0, 60, "X-Call-ID: none") +
			legText("b-1", "out", "dave", 0.1, 60.1, "X-Call-ID: none"),
		""},
	{"a hunt group rings one after the other",
		legText("a-1", "alice", "sbc", 0, 90) + legText("b-1", "out", "bob", 0.1, 20, "X-Call-ID: a-1") +
			legText("b-2", "out", "dave", 20, 40, "X-Call-ID: a-1") +
			legText("b-3", "out", "carol", 40, 90, "X-Call-ID: a-1"),
		"a-1:header b-1:header b-2:header b-3:header"},
	{"Session-ID of both legs is equal",
		legText("a-1", "alice", "sbc", 0, 60, "Session-ID: "+uuidA+";remote=00000000000000000000000000000000") +
			legText("b-1", "out", "bob", 0.1, 60.1, "Session-ID: "+strings.ToUpper(uuidA)+
				";remote=00000000000000000000000000000000"),
		"a-1:session_id b-1:session_id"},
	{"Session-ID is nil",
		legText("a-1", "alice", "sbc", 0, 60, "Session-ID: 00000000000000000000000000000000;remote="+uuidA) +
			legText("b-1", "out", "dave", 0.1, 60, "Session-ID: 00000000000000000000000000000000;remote="+uuidB),
		""},
	{"local and remote UUID change places",
		legText("a-1", "alice", "sbc", 0, 60, "Session-ID: "+uuidA+";remote="+uuidB) +
			legText("b-1", "out", "bob", 0.1, 60.1, "Session-ID: "+uuidB+";remote="+uuidA),
		"a-1:session_id b-1:session_id"},
	{"a telephone has one UUID for all its calls",
		legText("a-1", "alice", "sbc", 0, 60, "Session-ID: "+uuidA) +
			legText("a-2", "alice", "sbc", 5, 60, "Session-ID: "+uuidA) +
			legText("b-1", "out", "dave", 5.1, 60, "Session-ID: "+uuidA) +
			legText("b-2", "out", "carol", 5.2, 60, "Session-ID: "+uuidA),
		""},
	{"a call goes out to another B2BUA and comes back",
		legText("a-1", "alice", "sbc", 0, 60, "Session-ID: "+uuidA) +
			legText("b-1", "sbc", "carol", 0.1, 60, "Session-ID: "+uuidA) +
			legText("c-1", "carol", "sbc", 0.2, 60, "Session-ID: "+uuidA) +
			legText("d-1", "sbc", "bob", 0.3, 60, "Session-ID: "+uuidA),
		"a-1:session_id b-1:session_id c-1:session_id d-1:session_id"},
	{"the charging vector of both legs is equal",
		legText("a-1", "alice", "sbc", 0, 60, `P-Charging-Vector: icid-value="AyretyU0dm+6O2IrT5tAFrbHLso=";orig-ioi=x`) +
			legText("b-1", "out", "bob", 0.1, 60.1,
				`P-Charging-Vector: orig-ioi=y;icid-value=AyretyU0dm+6O2IrT5tAFrbHLso=`),
		"a-1:icid b-1:icid"},
	{"one Call-ID is made of the other",
		legText("a-1-of-alice@x", "alice", "sbc", 0, 60) + legText("B2B_a-1-of-alice@x", "out", "bob", 0.1, 60.1) +
			legText("a-1-of-alice@x_b2b-1", "out", "dave", 0.2, 60.1),
		"B2B_a-1-of-alice@x:call_id_rule a-1-of-alice@x:call_id_rule a-1-of-alice@x_b2b-1:call_id_rule"},
	{"one Call-ID is made of an older one",
		legText("a-1-of-alice@x", "alice", "sbc", 0, 60) +
			legText("B2B_a-1-of-alice@x", "out", "dave", 20, 60.1), ""},
	{"the B2BUA leaves the session description as it is",
		legText("a-1", "alice", "sbc", 0, 60, legBody("4711", "192.0.2.1", "16400")...) +
			legText("b-1", "out", "dave", 0.1, 60.1, legBody("4711", "192.0.2.1", "16400")...),
		"a-1:sdp b-1:sdp"},
	{"another port in the session description",
		legText("a-1", "alice", "sbc", 0, 60, legBody("4711", "192.0.2.1", "16400")...) +
			legText("b-1", "out", "dave", 0.1, 60.1, legBody("4711", "192.0.2.1", "16402")...), ""},
	{"only number, hosts and time fit",
		legText("a-1", "alice", "sbc", 0, 60) + legText("b-1", "sbc", "bob", 0.1, 60.1),
		"a-1:inferred b-1:inferred"},
	{"number and hosts fit, too late",
		legText("a-1", "alice", "sbc", 0, 60) + legText("b-1", "sbc", "bob", 2.1, 60.1), ""},
	{"two calls to one number in a second, without evidence",
		legText("a-1", "alice", "sbc", 0, 60) + legText("b-1", "sbc", "bob", 0.1, 60) +
			legText("a-2", "carol", "sbc", 0.9, 60) + legText("b-2", "sbc", "bob", 1, 60), ""},
	{"another call to that number has evidence",
		legText("a-1", "alice", "sbc", 0, 60) + legText("b-1", "sbc", "bob", 0.1, 60, "X-Call-ID: a-1") +
			legText("a-2", "carol", "sbc", 0.9, 60) + legText("b-2", "sbc", "bob", 1, 60),
		"a-1:header b-1:header | a-2:inferred b-2:inferred"},
	{"the first leg is over before the second opens",
		legText("a-1", "alice", "sbc", 0, 3) + legText("b-1", "out", "bob", 4, 60, "X-Call-ID: a-1"), ""},
	{"REFER with Replaces, and the new call",
		legText("x-1", "alice", "carol", 0, 40) + legText("r-1", "alice", "bob", 1, 31) + `
callid r-1
00:30.000  alice -> bob  REFER
    Refer-To: <sip:carol@192.0.2.3?Replaces=x-1%3Bto-tag%3D1%3Bfrom-tag%3D2>
00:30.050  alice <- bob  202 REFER
` + legText("n-1", "bob", "carol", 30.2, 70, "Replaces: x-1;to-tag=1;from-tag=2"),
		"n-1:transfer r-1:transfer x-1:transfer"},
	{"REFER with Replaces, BYE, and then the new call, the replaced one not seen",
		legText("r-1", "alice", "bob", 1, 30.1) + `
callid r-1
00:30.000  alice -> bob  REFER
    Refer-To: <sip:carol@192.0.2.3?Replaces=x-1%3Bto-tag%3D1%3Bfrom-tag%3D2>
00:30.050  alice <- bob  202 REFER
` + legText("n-1", "bob", "carol", 30.4, 70, "Replaces: x-1;to-tag=1;from-tag=2"),
		"n-1:transfer r-1:transfer"},
	{"a REFER that is refused",
		legText("r-1", "alice", "bob", 1, 31) + `
callid r-1
00:30.000  alice -> bob  REFER
    Refer-To: <sip:carol@192.0.2.3?Replaces=x-1%3Bto-tag%3D1%3Bfrom-tag%3D2>
00:30.050  alice <- bob  603 REFER
` + legText("n-1", "bob", "carol", 30.2, 70, "Replaces: x-1;to-tag=1;from-tag=2"), ""},
	{"REFER without Replaces, and an INVITE that says who referred it",
		legText("r-1", "alice", "bob", 1, 31) + `
callid r-1
00:30.000  alice -> bob  REFER
    Refer-To: <sip:+13035550177@192.0.2.40>
    Referred-By: <sip:+13035550101@192.0.2.1>
00:30.050  alice <- bob  202 REFER
` + legText("n-1", "bob", "dave", 30.2, 70, "Referred-By: <sip:13035550101@192.0.2.20>") +
			legText("n-2", "bob", "dave", 30.3, 70),
		"n-1:transfer r-1:transfer"},
	{"two REFERs to one target, and an INVITE",
		legText("r-1", "alice", "bob", 1, 31) + legText("r-2", "alice", "carol", 1, 31) + `
callid r-1
00:30.000  alice -> bob  REFER
    Refer-To: <sip:+13035550177@192.0.2.40>
    Referred-By: <sip:+13035550101@192.0.2.1>
00:30.050  alice <- bob  202 REFER
callid r-2
00:30.000  alice -> carol  REFER
    Refer-To: <sip:+13035550177@192.0.2.40>
    Referred-By: <sip:+13035550101@192.0.2.1>
00:30.050  alice <- carol  202 REFER
` + legText("n-1", "bob", "dave", 30.2, 70, "Referred-By: <sip:13035550101@192.0.2.20>"),
		"r-1:transfer | r-2:transfer"},
}

func TestLegsTellWhichCallsBelongTogether(t *testing.T) {
	for _, s := range legStories {
		t.Run(s.name, func(t *testing.T) {
			ms := siptest.Play(t, hosts+s.ladder)
			for shards := 1; shards <= 3; shards++ {
				l := New(DefaultLimits(1000))
				if got := sayJoins(joined(l, eventsOf(t, ms, shards)), 0); got != s.want {
					t.Errorf("%d shards:\n%s\nwant\n%s", shards, got, s.want)
				}
			}
		})
	}
}

// TestLegsShareTheHostsRoom has two domains with more legs than the host remembers.
func TestLegsShareTheHostsRoom(t *testing.T) {
	budget, remembered := mem.NewBudget(40, 2), uint64(0)
	for range 2 {
		l := New(DefaultLimits(40))
		l.Share(budget)
		for i := range 100 {
			l.open(&event.Event{Time: time.Unix(int64(i), 0), Key: event.Key{byte(i)}, Evidence: &event.Evidence{Leg: event.Key{byte(i)}}})
		}
		remembered += l.Counts().Remembered
	}
	if remembered != 40 {
		t.Errorf("legs = %d, want 40", remembered)
	}
}
