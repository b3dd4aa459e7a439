package cpni

import (
	"bytes"
	"testing"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

func aRegistration(state event.RegistrationState, cseq uint32, texts map[facts.Fact]string) *event.Event {
	reg := &event.Registration{At: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), State: state, Code: 200, Expires: 3600,
		CSeq: cseq, Status: event.Complete, Completeness: 100}
	for f := facts.Fact(1); f < facts.Count; f++ {
		reg.Facts.Append(f, []byte(texts[f]))
	}
	return &event.Event{Time: reg.At, Kind: event.RegistrationKind, Stage: event.Stop, Revision: 1, Registration: reg}
}

func TestEveryChangeOfEveryBindingHasAnIdOfItsOwn(t *testing.T) {
	with := func(change map[facts.Fact]string) map[facts.Fact]string {
		texts := map[facts.Fact]string{facts.RegisteredNumber: "alice", facts.RegisteredHost: "example.net",
			facts.ContactUser: "alice", facts.ContactHost: "10.0.0.7", facts.ContactPort: "5060", facts.CallIDText: "1@x"}
		for f, v := range change {
			texts[f] = v
		}
		return texts
	}
	x, seen := NewReader("US"), map[string]int{}
	for i, ev := range []*event.Event{
		aRegistration(event.Registered, 1, with(nil)), aRegistration(event.Registered, 2, with(nil)),
		aRegistration(event.Deregistered, 1, with(nil)),
		aRegistration(event.Registered, 1, with(map[facts.Fact]string{facts.RegisteredNumber: "bob"})),
		aRegistration(event.Registered, 1, with(map[facts.Fact]string{facts.ContactPort: "5062"})),
		aRegistration(event.Registered, 1, with(map[facts.Fact]string{facts.CallIDText: "2@x"})),
		aRegistration(event.Registered, 1, with(map[facts.Fact]string{facts.InstanceID: "urn:uuid:1", facts.RegID: "1"})),
		aRegistration(event.Registered, 1, with(map[facts.Fact]string{facts.InstanceID: "urn:uuid:1", facts.RegID: "2"})),
		aRegistration(event.Registered, 1, with(map[facts.Fact]string{facts.InstanceID: "urn:uuid:2", facts.RegID: "1"})),
	} {
		r, _ := x.Record(ev)
		id := string(bytes.Join(r.Identity(nil), []byte{0}))
		if j, twice := seen[id]; twice {
			t.Errorf("%d and %d have one id", j, i)
		}
		seen[id] = i
	}
	moved, _ := x.Record(aRegistration(event.Registered, 1, with(map[facts.Fact]string{facts.InstanceID: "urn:uuid:1",
		facts.RegID: "1", facts.ContactHost: "10.9.9.9"})))
	if _, same := seen[string(bytes.Join(moved.Identity(nil), []byte{0}))]; !same {
		t.Error("the id of an instance depends on its address")
	}
}

func TestContactAddressIsAnAddress(t *testing.T) {
	for host, want := range map[string]string{"10.0.0.7": "10.0.0.7", "[2001:db8::7]": "2001:db8::7",
		"alices-phone.example.net": "", "": ""} {
		r, _ := NewReader("US").Record(aRegistration(event.Registered, 1, map[facts.Fact]string{facts.ContactHost: host}))
		if got := shown(t, &r, "contact_address"); got != want {
			t.Errorf("%s: got = %q, want %q", host, got, want)
		}
	}
}

func TestADeviceRecordIsOfItsDayAndHasItsFields(t *testing.T) {
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	seen := func(key string, at time.Time) *event.Event {
		d := &event.Device{At: at, FirstSeen: at.Add(-time.Hour), LastSeen: at, Flags: event.ManyAORs | event.PlainDigestMD5,
			Point: "eth0"}
		for f, v := range map[facts.Fact]string{facts.DeviceKeyText: key, facts.MediaCodec: "PCMU", facts.RegisteredNumber: "alice",
			facts.UserAgentText: "Yealink SIP-T46S 66.85.0.5", facts.ContactUser: "alice",
			facts.InstanceID: "urn:uuid:00000000-0000-1000-8000-001565aabbcc"} {
			d.Facts.Append(f, []byte(v))
		}
		return &event.Event{Time: at, Kind: event.DeviceKind, Stage: event.Stop, Revision: 3, Device: d}
	}
	x := NewReader("US")
	x.Points([]string{"eth0"})
	id := func(key string, at time.Time) string {
		r, _ := x.Record(seen(key, at))
		return string(bytes.Join(r.Identity(nil), []byte{0}))
	}
	if id("a", at) != id("a", at.Add(time.Hour)) || id("a", at) == id("a", at.Add(24*time.Hour)) || id("a", at) == id("b", at) {
		t.Error("a device has one id a day of UTC, and another one than other devices")
	}
	r, _ := x.Record(seen("a", at))
	if r.Kind() != DeviceKind || r.Revision() != 3 || !r.Time().Equal(at) || r.Completeness() != 100 || r.Status() != event.Complete {
		t.Errorf("kind %s, revision %d, at %v", r.Kind(), r.Revision(), r.Time())
	}
	for name, want := range map[string]string{"device_vendor": "yealink", "device_model": "T46S", "device_firmware": "66.85.0.5",
		"device_kind": "phone", "device_flags": "many_aors,plain_digest_md5", "device_mac": "001565aabbcc", "media_codecs": "PCMU",
		"capture_point": "eth0", "registered_number": "non_e164", "contact_user": "", "sip_code": "", "refreshes": ""} {
		if got := shown(t, &r, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]time.Time{"event_time": at, "first_seen": at.Add(-time.Hour), "last_seen": at} {
		f, _ := FieldOf(name)
		if got := r.Get(f); got.n != want.UnixMicro() {
			t.Errorf("%s = %d, want %d", name, got.n, want.UnixMicro())
		}
	}
}
