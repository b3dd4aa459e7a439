package devices

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
	"sipsieve/sip/siptest"
	"sipsieve/sip/track"
	"sipsieve/sip/useragent"
)

var deviceFlagNames = [...]string{"scanner", "many_aors", "firmware_downgrade", "plain_digest_md5"}

// sayDevice writes what is told of a device in one line, its time in seconds since the ladder's start.
func sayDevice(e *event.Event) string {
	d := e.Device
	text := useragent.Read(d.Facts.First(facts.UserAgentText))
	s := fmt.Sprintf("%gs #%d %s %s %s", d.At.Sub(siptest.Start).Seconds(), e.Revision, text.Vendor, text.Model, text.Firmware)
	for i, name := range deviceFlagNames {
		if d.Flags&(1<<i) != 0 {
			s += " " + name
		}
	}
	return s
}

// observed gives events to ds and returns what is told of devices.
func observed(ds *Devices, events []event.Event) (told []event.Event) {
	for i := range events {
		told = ds.Observe(told, &events[i])
	}
	return told
}

// eventsOfTracker returns what a Tracker makes of ms, a wait after the last of them included.
func eventsOfTracker(t testing.TB, ms []sip.Message, wait time.Duration) (events []event.Event) {
	t.Helper()
	tr := track.New(track.DefaultLimits())
	for i := range ms {
		events = tr.Observe(events, &ms[i], siptest.Keyer.Of(&ms[i]))
	}
	if len(ms) > 0 && wait > 0 {
		events = tr.Advance(events, ms[len(ms)-1].Time.Add(wait))
	}
	return tr.Finish(events)
}

// scan returns the REGISTERs of a scanner for n numbers, which are refused.
func scan(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "callid f%d\n00:01.%03d  mallory -> bob   REGISTER\n    To: <sip:%d@192.0.2.1>\n"+
			"    Contact: <sip:x@192.0.2.66>\n    User-Agent: friendly-scanner\n", i, i, i)
		fmt.Fprintf(&b, "00:01.%03d  mallory <- bob   404\n", i)
	}
	return b.String()
}

// devicesOf plays a ladder and returns what is told of devices, one a line.
func devicesOf(t *testing.T, ladder string, wait time.Duration) string {
	t.Helper()
	var lines []string
	told := observed(New(100, siptest.Keyer), eventsOfTracker(t, siptest.Play(t, ladder), wait))
	for i := range told {
		lines = append(lines, sayDevice(&told[i]))
	}
	return strings.Join(lines, "\n")
}

// registers returns a REGISTER that is accepted, at minutes since the start, with these lines.
func registers(minutes int, lines ...string) string {
	at := fmt.Sprintf("%d:%02d", minutes/60, minutes%60)
	head := ""
	for _, l := range lines {
		head += "    " + l + "\n"
	}
	return at + ":00.000  alice -> bob   REGISTER new\n" + head + at + ":00.010  alice <- bob   200\n"
}

const (
	snom    = "User-Agent: snomD785/10.1.73.16"
	older   = "User-Agent: snomD785/10.1.9.16"
	yealink = "User-Agent: Yealink SIP-T46S 66.85.0.5"
	urn     = `Contact: <sip:alice@10.0.0.7:5060>;+sip.instance="<urn:uuid:a1>"`
)

func TestDevicesArePublishedAtFirstSightWhenTheyChangeAndOnceADay(t *testing.T) {
	day := 24 * 60
	digest := func(algorithm string) string {
		return `Authorization: Digest username="a", realm="x", nonce="n", uri="sip:x", response="1"` + algorithm
	}
	for _, s := range []struct{ name, ladder, want string }{
		{"refreshes are one sight", registers(0, snom) + registers(10, snom) + registers(50, snom), "0.01s #1 snom D785 10.1.73.16"},
		{"other firmware", registers(0, older) + registers(10, snom), "0.01s #1 snom D785 10.1.9.16\n600.01s #2 snom D785 10.1.73.16"},
		{"older firmware, and newer again", registers(0, snom) + registers(10, older) + registers(20, snom),
			"0.01s #1 snom D785 10.1.73.16\n600.01s #2 snom D785 10.1.9.16 firmware_downgrade\n1200.01s #3 snom D785 10.1.73.16"},
		{"another model is no downgrade", registers(0, yealink, urn) + registers(10, older, urn),
			"0.01s #1 yealink T46S 66.85.0.5\n600.01s #2 snom D785 10.1.9.16"},
		{"every day of UTC begins anew", registers(0, snom, "Expires: 100000") + registers(10, older) + registers(day, older, "Expires: 90000") +
			registers(day+60, older, "Expires: 90000") + registers(2*day, snom), "0.01s #1 snom D785 10.1.73.16\n" +
			"600.01s #2 snom D785 10.1.9.16 firmware_downgrade\n86400.01s #1 snom D785 10.1.9.16 firmware_downgrade\n" +
			"172800.01s #1 snom D785 10.1.73.16"},
		{"plain digests", registers(0, snom, digest("")) + registers(10, snom, digest(", algorithm=SHA-256")) +
			registers(20, snom) + registers(30, older, digest(", algorithm=\"MD5\"")),
			"0.01s #1 snom D785 10.1.73.16 plain_digest_md5\n1800.01s #2 snom D785 10.1.9.16 firmware_downgrade plain_digest_md5"},
		{"who only fails is no device", "00:00.000  alice -> bob   REGISTER\n00:00.010  alice <- bob   403", ""},
		{"a scanner is one, wherever it knocks", scan(5), "1s #1 sipvicious   scanner"},
	} {
		if got := devicesOf(t, s.ladder, time.Minute); got != s.want {
			t.Errorf("%s: told\n%s\nwant\n%s", s.name, got, s.want)
		}
	}
}

func TestDevicesAreKnownByInstanceThenHardwareThenBinding(t *testing.T) {
	const mac = "User-Agent: Yealink SIP-T54W 96.86.0.70 805ec0aabbcc"
	for name, c := range map[string]struct {
		ladder string
		key    string
		many   int
	}{
		"instance": {registers(0, mac, urn) + "callid x\n" + registers(10, mac, strings.ReplaceAll(urn, "10.0.0.7", "10.0.0.8")),
			"instance urn:uuid:a1", 1},
		"hardware address": {registers(0, mac) + "callid x\n" + registers(10, mac, "Contact: <sip:new@10.0.0.8>"),
			"mac 805ec0aabbcc", 1},
		"node of the instance": {registers(0, `Contact: <sip:a@10.0.0.7>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-0004f2aabbcc>"`),
			"instance urn:uuid:00000000-0000-1000-8000-0004f2aabbcc", 1},
		"binding, whatever its port": {registers(0, snom, "Contact: <sip:alice@10.0.0.7:5060>") + "callid x\n" +
			registers(10, snom, "Contact: <sip:alice@10.0.0.7:40001>"), "binding +13035550110@192.0.2.10 alice@10.0.0.7", 1},
		"another binding is another device": {registers(0, snom) + "callid x\n" +
			registers(10, snom, "Contact: <sip:alice@10.0.0.8>"), "", 2},
	} {
		told := observed(New(100, siptest.Keyer), eventsOfTracker(t, siptest.Play(t, c.ladder), 0))
		if len(told) != c.many {
			t.Errorf("%s: %d devices, want %d", name, len(told), c.many)
			continue
		}
		if got := string(told[0].Device.Facts.First(facts.DeviceKeyText)); c.key != "" && got != c.key {
			t.Errorf("%s: known by %q, want %q", name, got, c.key)
		}
	}
}

func TestADeviceWithManyNumbersIsPublished(t *testing.T) {
	ladder := ""
	for i := range maxAORs + 2 {
		ladder += fmt.Sprintf("callid c%d\n", i) + registers(i, snom, urn, fmt.Sprintf("To: <sip:%d@example.net>", i))
	}
	want := "0.01s #1 snom D785 10.1.73.16\n960.01s #2 snom D785 10.1.73.16 many_aors"
	if got := devicesOf(t, ladder, 0); got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
}

func TestCallsTellTheCodecsOfKnownDevices(t *testing.T) {
	const call = "callid call\n00:01.000  alice -> bob   INVITE\n    Contact: <sip:+13035550110@192.0.2.10:5060>\n    " + snom +
		"\n00:02.000  alice <- bob   486\n00:02.010  alice -> bob   ACK\ncallid\n"
	ladder := registers(0, snom) + call + registers(24*60, snom)
	told := observed(New(100, siptest.Keyer), eventsOfTracker(t, siptest.Play(t, ladder), 0))
	if len(told) != 2 {
		t.Fatalf("told %d times, want 2", len(told))
	}
	var codecs []string
	for c := range told[1].Device.Facts.All(facts.MediaCodec) {
		codecs = append(codecs, string(c))
	}
	if got := strings.Join(codecs, ","); got != "PCMU,PCMA,telephone-event" {
		t.Errorf("codecs = %s", got)
	}
	if d := told[1].Device; !d.FirstSeen.Equal(told[0].Device.At) || !d.LastSeen.Equal(d.At) {
		t.Errorf("first seen %v, last seen %v", d.FirstSeen, d.LastSeen)
	}
	if told := observed(New(100, siptest.Keyer), eventsOfTracker(t, siptest.Play(t, call), 0)); len(told) != 0 {
		t.Error("a caller that nobody registered is told as a device")
	}
}

func TestDevicesAreBoundedAndTheOldestGoes(t *testing.T) {
	ladder := ""
	for i := range 10 {
		ladder += fmt.Sprintf("callid c%d\n", i) + registers(i, snom, fmt.Sprintf("To: <sip:%d@example.net>", i))
	}
	ds := New(3, siptest.Keyer)
	told := observed(ds, eventsOfTracker(t, siptest.Play(t, ladder), 0))
	want := Counts{First: 10, Forgotten: 7, Known: 3}
	if ds.Counts() != want || len(told) != 10 || len(ds.index) != 3 {
		t.Errorf("counts = %+v, want %+v; index %d", ds.Counts(), want, len(ds.index))
	}
	if told := observed(New(0, siptest.Keyer), eventsOfTracker(t, siptest.Play(t, ladder), 0)); len(told) != 0 {
		t.Errorf("told %d without room for any", len(told))
	}
}

func TestADeviceDoesNotShow(t *testing.T) {
	told := observed(New(9, siptest.Keyer), eventsOfTracker(t, siptest.Play(t, registers(0, snom, urn)), 0))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, *told[0].Device) + fmt.Sprintf(verb, told[0]); got != "******" {
			t.Errorf("%s shows %s", verb, got)
		}
	}
}

// FuzzDevices states the law of devices: whatever registers and calls in whatever order, no more are known than the
// limit, and a device's revisions rise one by one within its day of UTC, or begin anew when it was forgotten.
func FuzzDevices(f *testing.F) {
	var lines []string
	for i := range 4 {
		to := fmt.Sprintf("To: <sip:%d@example.net>", i%2)
		lines = append(lines, fmt.Sprintf("callid c%d\n", i)+registers(i, snom, to), registers(10+i, older, urn, to),
			registers(20+i, yealink, to))
	}
	events := eventsOfTracker(f, siptest.Play(f, strings.Join(lines, "")+playAllLadder), time.Hour)
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7}, uint8(2))
	f.Fuzz(func(t *testing.T, order []byte, limit uint8) {
		ds := New(int(limit%8)+1, siptest.Keyer)
		type dated struct {
			key event.Key
			day string
		}
		last := map[dated]*event.Event{}
		now := siptest.Start
		for _, b := range order {
			ev := events[int(b)%len(events)]
			now = now.Add(time.Duration(b) * time.Minute)
			if ev.Registration != nil {
				r := *ev.Registration
				r.At, ev.Registration = now, &r
			}
			for _, e := range ds.Observe(nil, &ev) {
				id := dated{e.Key, e.Device.At.Format(time.DateOnly)}
				if was := last[id]; was != nil && e.Revision != was.Revision+1 && e.Revision != 1 {
					t.Errorf("revision %d after %d", e.Revision, was.Revision)
				}
				last[id] = &e
			}
			if c := ds.Counts(); int(c.Known) > int(limit%8)+1 || len(ds.index) > 2*int(c.Known) {
				t.Errorf("%d known, %d in the index", c.Known, len(ds.index))
			}
		}
	})
}

const playAllLadder = `callid z
00:00.000  alice -> bob   INVITE
00:04.900  alice <- bob   200 INVITE
00:04.950  alice -> bob   ACK
` + "01:04.900  alice -> bob   BYE\n01:04.950  alice <- bob   200 BYE\n"

// TestDevicesShareTheHostsRoom has two domains with more devices than the host remembers.
func TestDevicesShareTheHostsRoom(t *testing.T) {
	budget, known := mem.NewBudget(40, 2), uint64(0)
	for range 2 {
		ds := New(40, siptest.Keyer)
		ds.Share(budget)
		for i := range 100 {
			ds.open(event.Key{byte(i), 1}, int64(i))
		}
		known += ds.Counts().Known
	}
	if known != 40 {
		t.Errorf("devices = %d, want 40", known)
	}
}
