package track

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

var registrationStates = [...]string{"", "registered", "moved", "changed_device", "deregistered", "expired",
	"auth_failed", "rejected", "recovered"}

// registrationLine writes what is published of r in one line, its time in seconds since the ladder's start.
func registrationLine(r *event.Registration) string {
	s := fmt.Sprintf("%gs %s %d for %ds", r.At.Sub(ladderStart).Seconds(), registrationStates[r.State], r.Code, r.Expires)
	if r.Refreshes > 0 {
		s += fmt.Sprintf(" after %d refreshes", r.Refreshes)
	}
	if r.Challenges > 0 {
		s += fmt.Sprintf(" challenges %d", r.Challenges)
	}
	return s
}

// registrations returns the changes of state among events, one a line.
func registrations(events []event.Event) string {
	var all []string
	for _, e := range events {
		if e.Kind == event.RegistrationKind {
			all = append(all, registrationLine(e.Registration))
		}
	}
	return strings.Join(all, "\n")
}

const (
	phone    = "    Contact: <sip:alice@10.0.0.7:5060>\n"
	accepted = "    Contact: <sip:alice@10.0.0.7:5060>;expires=3600\n"
	desk     = "    Contact: <sip:alice@10.0.0.7:5060>;+sip.instance=\"<urn:uuid:a1>\";reg-id=1\n"
	deskOK   = "    Contact: <sip:alice@10.0.0.7:5060>;+sip.instance=\"<urn:uuid:a1>\";reg-id=1;expires=3600\n"
	first    = "00:00.000  alice -> bob   REGISTER\n" + phone + "00:00.010  alice <- bob   200\n" + accepted
	again    = "10:00.000  alice -> bob   REGISTER\n" + phone + "10:00.010  alice <- bob   200\n" + accepted
)

var registrationStories = []struct {
	name, ladder string
	wait         time.Duration
	want         string
}{
	{"a refresh is no change", first + again, time.Minute, "0.01s registered 200 for 3600s"},
	{"a challenge with good credentials is no failure", `
00:00.000  alice -> bob   REGISTER
00:00.010  alice <- bob   401
00:00.020  alice -> bob   REGISTER
00:00.030  alice <- bob   200`, time.Minute, "0.03s registered 200 for 3600s challenges 1"},
	{"a stale nonce is no failure", `
00:00.000  alice -> bob   REGISTER
00:00.010  alice <- bob   401
00:00.020  alice -> bob   REGISTER
00:00.030  alice <- bob   401
    WWW-Authenticate: Digest realm="x", nonce="y", stale=true
00:00.040  alice -> bob   REGISTER
00:00.050  alice <- bob   200`, time.Minute, "0.05s registered 200 for 3600s challenges 2"},
	{"credentials that a fresh nonce makes good are no failure", first + `
10:00.000  alice -> bob   REGISTER
    Authorization: Digest username="a", realm="x", nonce="old", uri="sip:x", response="1"
    Contact: <sip:alice@10.0.0.7:5060>
10:00.010  alice <- bob   401
10:00.020  alice -> bob   REGISTER
    Contact: <sip:alice@10.0.0.7:5060>
10:00.030  alice <- bob   200` + "\n" + accepted, time.Minute, "0.01s registered 200 for 3600s"},
	{"a second challenge to credentials is one, published once", `
00:00.000  alice -> bob   REGISTER
00:00.010  alice <- bob   401
00:00.020  alice -> bob   REGISTER
00:00.030  alice <- bob   401
00:01.000  alice -> bob   REGISTER
00:01.030  alice <- bob   401`, time.Minute, "0.03s auth_failed 401 for 0s challenges 2"},
	{"who failed first is registered, who was registered before has recovered", `
00:00.000  alice -> bob   REGISTER
00:00.030  alice <- bob   403
00:01.000  alice -> bob   REGISTER
00:01.030  alice <- bob   200
00:02.000  alice -> bob   REGISTER
00:02.030  alice <- bob   503
00:03.000  alice -> bob   REGISTER
00:03.030  alice <- bob   500
00:04.000  alice -> bob   REGISTER
00:04.030  alice <- bob   200`, time.Minute, "0.03s rejected 403 for 0s\n1.03s registered 200 for 3600s\n" +
		"2.03s rejected 503 for 3600s\n4.03s recovered 200 for 3600s"},
	{"a time that is too brief is asked again", `
00:00.000  alice -> bob   REGISTER
    Expires: 10
00:00.010  alice <- bob   423
    Min-Expires: 60
00:00.020  alice -> bob   REGISTER
    Expires: 60
00:00.030  alice <- bob   200`, 0, "0.03s registered 200 for 60s"},
	{"what runs out has expired, 32 s later", first + again, 2 * time.Hour,
		"0.01s registered 200 for 3600s\n4200.01s expired 0 for 3600s after 1 refreshes"},
	{"what comes back has recovered", first + "02:00:00.000  alice -> bob   REGISTER new\n" + phone +
		"02:00:00.010  alice <- bob   200\n" + accepted, 0,
		"0.01s registered 200 for 3600s\n3600.01s expired 0 for 3600s\n7200.01s recovered 200 for 3600s"},
	{"a rejected refresh does not end what was granted", first + "10:00.000  alice -> bob   REGISTER\n" + phone +
		"10:00.010  alice <- bob   503", 2 * time.Hour, "0.01s registered 200 for 3600s\n" +
		"600.01s rejected 503 for 3600s\n3600.01s expired 0 for 3600s"},
	{"Expires 0 takes it back", first + "10:00.000  alice -> bob   REGISTER\n    Expires: 0\n" + phone +
		"10:00.010  alice <- bob   200\n    Contact: \n", 2 * time.Hour,
		"0.01s registered 200 for 3600s\n600.01s deregistered 200 for 0s"},
	{"and so does the Contact's own 0", first + "10:00.000  alice -> bob   REGISTER\n" +
		"    Contact: <sip:alice@10.0.0.7:5060>;expires=0\n10:00.010  alice <- bob   200\n    Contact: \n", 0,
		"0.01s registered 200 for 3600s\n600.01s deregistered 200 for 0s"},
	{"what is not known is not taken back", "10:00.000  alice -> bob   REGISTER\n    Expires: 0\n" + phone +
		"10:00.010  alice <- bob   200\n    Contact: \n", 0, ""},
	{"a REGISTER that only asks changes nothing", first + "10:00.000  alice -> bob   REGISTER\n    Contact:\n" +
		"10:00.010  alice <- bob   200\n" + accepted, 0, "0.01s registered 200 for 3600s"},
	{"a proxy's hop is the same REGISTER", first + "00:00.020  bob -> carol   REGISTER unseen\n", 0,
		"0.01s registered 200 for 3600s"},
}

func TestRegistrationsArePublishedWhenTheyChange(t *testing.T) {
	for _, s := range registrationStories {
		t.Run(s.name, func(t *testing.T) {
			got := registrations(follow(t, New(DefaultLimits()), play(t, s.ladder), s.wait))
			if got != s.want {
				t.Errorf("got\n%s\nwant\n%s", got, s.want)
			}
		})
	}
}

func TestWhatIsGrantedIsTheContactsOwn(t *testing.T) {
	for answer, want := range map[string]string{
		"    Contact: <sip:alice@10.0.0.7:5060>;expires=60;q=0.5\n    Expires: 1800":                                 "60s",
		"    Contact: \n    Expires: 1800":                                                                           "1800s",
		"    Contact: <sip:alice@10.0.0.9:5060>;expires=61, <sip:alice@10.0.0.7:5060>;expires=62":                    "62s",
		"    Contact: <sip:alice@10.0.0.9:5060>;expires=61\n    Contact: \"A\" <sip:alice@10.0.0.7:5061>;expires=63": "63s",
		"    Contact: <sip:x@192.0.2.99:5099>;expires=64":                                                            "64s",
		"    Contact: <sip:x@192.0.2.99>;expires=64, <sip:y@192.0.2.98>;expires=65\n    Expires: 66":                 "66s",
		"    Contact: \n":                                "7200s",
		"    Contact: <sip:alice@10.0.0.7:5060>\n":       "7200s",
		"    Contact: sip:alice@10.0.0.7:5060;expires=5": "5s",
	} {
		got := registrations(follow(t, New(DefaultLimits()), play(t, "00:00.000  alice -> bob   REGISTER\n"+
			"    Expires: 7200\n"+phone+"00:00.010  alice <- bob   200\n"+answer), 0))
		if want = "0.01s registered 200 for " + want; got != want {
			t.Errorf("%s\ngot %s, want %s", answer, got, want)
		}
	}
}

func TestMovesAndOtherDevicesArePublished(t *testing.T) {
	const registered = "0.01s registered 200 for 3600s"
	at := func(where, line string) string {
		return "alice is +13035550142 at " + where + "\n10:00.000  alice -> bob   REGISTER new\n" +
			"    To: <sip:+13035550142@192.0.2.10>\n" + line
	}
	ok := "10:00.010  alice <- bob   200\n"
	known := "alice is +13035550142 at 192.0.2.10\n"
	for _, s := range []struct{ name, ladder, want string }{
		{"another source port behind NAT", known + first + at("192.0.2.10:40001", phone) + ok + accepted, registered},
		{"another source address", known + first + at("192.0.2.77", phone) + ok + accepted,
			registered + "\n600.01s moved 200 for 3600s"},
		{"another port in the Contact, under the same Call-ID", known + first +
			at("192.0.2.10", "    Contact: <sip:alice@10.0.0.7:40001>\n") + ok, registered},
		{"another host in the Contact, under the same Call-ID", known + first +
			at("192.0.2.10", "    Contact: <sip:alice@10.0.0.8:5060>\n") + ok, registered + "\n600.01s moved 200 for 3600s"},
		{"another Contact of the same instance, after a restart", known + strings.ReplaceAll(strings.ReplaceAll(first,
			accepted, deskOK), phone, desk) + "callid other\n" + at("192.0.2.10", strings.ReplaceAll(desk, "10.0.0.7", "10.0.0.8")) +
			ok, registered + "\n600.01s moved 200 for 3600s"},
		{"the same Contact with another instance", known + strings.ReplaceAll(strings.ReplaceAll(first, accepted, deskOK),
			phone, desk) + "callid other\n" + at("192.0.2.10", strings.ReplaceAll(desk, "a1", "b2")) + ok,
			registered + "\n600.01s changed_device 200 for 3600s"},
		{"another flow of the same instance (RFC 5626)", known + strings.ReplaceAll(strings.ReplaceAll(first, accepted,
			deskOK), phone, desk) + at("192.0.2.10", strings.ReplaceAll(desk, "reg-id=1", "reg-id=2")) + ok,
			registered + "\n600.01s registered 200 for 3600s"},
		{"another device without an instance", known + first + at("192.0.2.10", phone+"    User-Agent: snomD785/10.1.73.16\n") +
			ok + accepted, registered + "\n600.01s changed_device 200 for 3600s"},
		{"the same device with other firmware", known + strings.Replace(first, phone, phone+
			"    User-Agent: snomD785/10.1.54.13\n", 1) + at("192.0.2.10", phone+"    User-Agent: snomD785/10.1.73.16\n") +
			ok + accepted, registered},
		{"a second phone of the number", known + first + "carol is +13035550142 at 192.0.2.10:5062\n" +
			"10:00.000  carol -> bob   REGISTER\n    To: <sip:+13035550142@192.0.2.10>\n" +
			"    Contact: <sip:alice@10.0.0.9:5060>\n10:00.010  carol <- bob   200\n    Contact: <sip:alice@10.0.0.7>, " +
			"<sip:alice@10.0.0.9:5060>;expires=60", registered + "\n600.01s registered 200 for 60s"},
		{"the same phone at another registrar", known + first + "10:00.000  alice -> dave   REGISTER\n" + phone +
			"10:00.010  alice <- dave   200\n" + accepted, registered + "\n600.01s registered 200 for 3600s"},
	} {
		t.Run(s.name, func(t *testing.T) {
			got := registrations(follow(t, New(DefaultLimits()), play(t, s.ladder), 0))
			if got != s.want {
				t.Errorf("got\n%s\nwant\n%s", got, s.want)
			}
		})
	}
}

func TestStarTakesBackAllBindings(t *testing.T) {
	events := follow(t, New(DefaultLimits()), play(t, `
00:00.000  alice -> bob   REGISTER
    Contact: <sip:alice@10.0.0.7:5060>, <sip:alice@10.0.0.8:5060>;expires=60
00:00.010  alice <- bob   200
    Contact: <sip:alice@10.0.0.7:5060>;expires=3600, <sip:alice@10.0.0.8:5060>;expires=60
00:10.000  alice -> bob   REGISTER
    Contact: *
    Expires: 0
00:10.010  alice <- bob   200
    Contact: `), time.Hour)
	want := "0.01s registered 200 for 3600s\n0.01s registered 200 for 60s\n10.01s deregistered 200 for 0s\n" +
		"10.01s deregistered 200 for 0s"
	if got := registrations(events); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	seen := map[string]bool{}
	for i, e := range events {
		seen[string(e.Registration.Facts.First(facts.ContactHost))] = true
		if e.Ordinal != uint32(i+1) || e.Registration.Facts.First(facts.CallIDText) == nil {
			t.Errorf("event %d: ordinal %d", i, e.Ordinal)
		}
	}
	if len(seen) != 2 {
		t.Errorf("contacts = %v, want each by its own name", seen)
	}
}

func TestAGapSuppressesWhatExpiredInIt(t *testing.T) {
	second := int64(time.Second)
	for name, s := range map[string]struct {
		from, to time.Duration
		want     string
	}{
		"before it was registered": {-2 * time.Hour, -time.Hour, "0.01s registered 200 for 3600s\n3600.01s expired 0 for 3600s"},
		"when a refresh was due":   {30 * time.Minute, 31 * time.Minute, "0.01s registered 200 for 3600s\n5460s expired 0 for 3600s"},
		"at the very end":          {61 * time.Minute, 70 * time.Minute, "0.01s registered 200 for 3600s\n3600.01s expired 0 for 3600s"},
		"over the end":             {50 * time.Minute, 70 * time.Minute, "0.01s registered 200 for 3600s\n7800s expired 0 for 3600s"},
	} {
		tr := New(DefaultLimits())
		var events []event.Event
		for _, m := range play(t, first) {
			events = tr.Observe(events, &m, testKeyer.Of(&m))
		}
		from, to := ladderStart.UnixNano()+int64(s.from), ladderStart.UnixNano()+int64(s.to)
		tr.bindings.Missed(event.Window{From: from, To: (from + to) / 2})
		tr.bindings.Missed(event.Window{From: (from+to)/2 + second/2, To: to})
		for at := ladderStart; at.Before(ladderStart.Add(5 * time.Hour)); at = at.Add(time.Minute) {
			events = tr.Advance(events, at)
		}
		if got := registrations(events); got != s.want {
			t.Errorf("blind %s: got\n%s\nwant\n%s", name, got, s.want)
		}
	}
}

// flood returns n REGISTERs of as many numbers from one source, and what answers each.
func flood(n int, answer string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "callid f%d\n00:01.%03d  mallory -> bob   REGISTER\n    To: <sip:%d@192.0.2.1>\n"+
			"    Contact: <sip:x@192.0.2.66>\n", i, i, i)
		if answer != "" {
			fmt.Fprintf(&b, "00:01.%03d  mallory <- bob   %s\n", i, answer)
		}
	}
	return b.String() + "callid\n"
}

func TestAFloodOfRegistersIsBoundedAndCostsNoGoodBinding(t *testing.T) {
	l := DefaultLimits()
	l.Bindings = 10
	for answer, want := range map[string]string{"": "", "401": "", "403": "rejected"} {
		tr := New(l)
		var published []string
		for _, e := range follow(t, tr, play(t, first+flood(100, answer)+strings.ReplaceAll(again, "10:00", "00:40")), 2*time.Hour) {
			if e.Registration.Code != 403 {
				published = append(published, registrationLine(e.Registration))
			}
		}
		good := "0.01s registered 200 for 3600s\n3640.01s expired 0 for 3600s after 1 refreshes"
		if got := strings.Join(published, "\n"); got != good {
			t.Errorf("answered %q: got\n%s\nwant\n%s", answer, got, good)
		}
		if c := tr.Counts(); c.Forgotten+c.Dropped == 0 {
			t.Errorf("answered %q: nothing is counted", answer)
		}
		if want == "rejected" && tr.Counts().Registrations[event.RegistrationRejected] == 0 {
			t.Error("no failure is published")
		}
	}
}

func TestOneNumberHasItsLimitOfBindings(t *testing.T) {
	tr := New(DefaultLimits())
	var b strings.Builder
	const mostOfAOR = 64 // bindings of one address-of-record
	for i := range 2 * mostOfAOR {
		fmt.Fprintf(&b, "callid f%d\n00:01.%03d  alice -> bob   REGISTER\n    Contact: <sip:x@10.0.%d.1>\n"+
			"00:01.%03d  alice <- bob   200\n", i, i, i, i)
	}
	events := follow(t, tr, play(t, b.String()), 0)
	if len(events) != mostOfAOR || tr.Counts().Dropped != mostOfAOR {
		t.Errorf("published %d, dropped %d, want %d each", len(events), tr.Counts().Dropped, mostOfAOR)
	}
}

func TestNothingIsLeftOfWhatIsOver(t *testing.T) {
	tr := New(DefaultLimits())
	var events []event.Event
	ms := play(t, first+flood(20, "403"))
	for i := range ms {
		events = tr.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
	}
	tr.Advance(nil, ladderStart.Add(48*time.Hour))
	for _, of := range [][]string{{"series"}, {"calls"}, {"sources"}, {"recent"}, {"book", "slab"}, {"book", "aors"}, {"book", "idle"}} {
		if n := held(tr.bindings, of...); n != 0 {
			t.Errorf("%v: %d, want none", of, n)
		}
	}
}

func BenchmarkRefresh(b *testing.B) {
	ms := play(b, first+again)
	tr := New(DefaultLimits())
	var events []event.Event
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		for j := range ms {
			m := &ms[j]
			m.CSeq, m.Mark = uint32(i*4+j/2+1), m.Mark+1<<40
			m.Time = m.Time.Add(20 * time.Minute)
			events = tr.Observe(events[:0], m, testKeyer.Of(m))
		}
	}
}
