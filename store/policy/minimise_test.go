package policy

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"sipsieve/capture"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/store/cpni"
)

// value returns what the one field of a line becomes.
func value(t *testing.T, purpose, line string, texts map[facts.Fact]string) string {
	t.Helper()
	name, _, _ := strings.Cut(line, " ")
	_, values := minimised(t, boundPurpose(t, written(purpose, line+"\n")), aCall(texts))
	return values[name]
}

func TestEachFormLeavesWhatTheRegisterSays(t *testing.T) {
	phone := map[facts.Fact]string{facts.CallerNumber: "+1 (303) 555-0142;ext=9", facts.CalledNumber: "anonymous",
		facts.DialedNumber: "911", facts.UserAgentText: "Yealink SIP-T46S 66.85.0.5 001565aabbcc",
		facts.ViaReceived: "2001:db8:1:2::9", facts.ChargingOperator: "UPSTREAM-A", facts.AuthUser: "alice",
		facts.MediaCodec: "pcmu", facts.CallerName: "1"}
	for line, want := range map[string]string{
		`caller_number = { form = "e164", because = "t" }`:                 `"+13035550142"`,
		`caller_number = { form = "keep", because = "t" }`:                 `"+13035550142"`,
		`caller_number = "area"`:                                           `"+1303"`,
		`caller_number = "country"`:                                        `"US"`,
		`caller_number = "category"`:                                       `"other"`,
		`caller_number = "presence"`:                                       `true`,
		`caller_name = { form = "presence", because = "t" }`:               `true`,
		`asserted_number = "presence"`:                                     `false`,
		`asserted_number = "pseudonym"`:                                    `null`,
		`called_number = "area"`:                                           `"anonymous"`,
		`called_number = "pseudonym"`:                                      `"anonymous"`,
		`dialed_number = "category"`:                                       `"emergency"`,
		`setup_time = { form = "keep", because = "t" }`:                    `"2026-01-01T10:20:30.456789Z"`,
		`setup_time = "truncate:second"`:                                   `"2026-01-01T10:20:30Z"`,
		`setup_time = "truncate:minute"`:                                   `"2026-01-01T10:20:00Z"`,
		`setup_time = "truncate:hour"`:                                     `"2026-01-01T10:00:00Z"`,
		`setup_time = "truncate:day"`:                                      `"2026-01-01T00:00:00Z"`,
		`setup_time = "truncate:month"`:                                    `"2026-01-01T00:00:00Z"`,
		`duration_ms = { form = "keep", because = "t" }`:                   `61999`,
		`duration_ms = "bucket:6s"`:                                        `60000`,
		`duration_ms = { form = "truncate:second", because = "t" }`:        `61000`,
		`duration_ms = "truncate:minute"`:                                  `60000`,
		`sip_code = "bucket:100"`:                                          `200`,
		`source_address = "ip_prefix:24,48"`:                               `"192.0.2.0/24"`,
		`source_address = "ip_prefix:8,16"`:                                `"192.0.0.0/8"`,
		`via_received = "ip_prefix:24,48"`:                                 `"2001:db8:1::/48"`,
		`link_address = { form = "oui", because = "t" }`:                   `"00:15:65"`,
		`user_agent = "family"`:                                            `"yealink T46S 66"`,
		`charging_vector_ioi = { form = "known", list = "words" }`:         `"upstream-a"`,
		`capture_point = { form = "known", list = "words" }`:               `"other"`,
		`media_codecs = { form = "known", list = "words", because = "t" }`: `["PCMU"]`,
		`billable = { form = "keep", because = "t" }`:                      `true`,
		`disposition = "keep"`:                                             `"answered"`,
		`stir_attestation = "keep"`:                                        `null`,
	} {
		if got := value(t, "fraud", line, phone); got != want {
			t.Errorf("%s: got = %s, want %s", line, got, want)
		}
	}
}

func TestPseudonymsDifferByPurposeAndEpochAndNameTheirEpoch(t *testing.T) {
	texts := map[facts.Fact]string{facts.CallerNumber: "+13035550142", facts.CalledNumber: "13035550142"}
	caller := value(t, "fraud", `caller_number = "pseudonym"`, texts)
	if called := value(t, "fraud", `called_number = "pseudonym"`, texts); called != caller {
		t.Errorf("one number has two pseudonyms in a purpose: %s, %s", caller, called)
	}
	if other := value(t, "network_ops", `caller_number = "pseudonym"`, texts); other == caller {
		t.Errorf("two purposes share %s", other)
	}
	epoch, mac, ok := strings.Cut(strings.Trim(caller, `"`), ":")
	if !ok || epoch[0] != 'e' || len(mac) != 26 {
		t.Errorf("pseudonym = %s, want its epoch, a colon and 26 characters", caller)
	}
}

func TestTwoFormsHaveTwoKeysAndDropHasNone(t *testing.T) {
	u := boundPurpose(t, written("fraud", "called_number = [\"area\", \"pseudonym\"]\ncaller_number = \"drop\"\n"+
		"user_agent = { form = [\"family\", \"presence\"] }\n"))
	keys, _ := minimised(t, u, aCall(nil))
	want := []string{"called_number", "called_number_pseudonym", "user_agent", "user_agent_presence"}
	if got := keys[len(envelopeKeys):]; !slices.Equal(got, want) || !slices.Equal(u.Columns(), want) {
		t.Errorf("keys = %v, columns = %v, want %v", got, u.Columns(), want)
	}
}

// A second form's key must never be another field's name.
func TestKeysOfSecondFormsAreNoFields(t *testing.T) {
	for f := range cpni.Field(cpni.Fields()) {
		for _, form := range f.Entry().Transforms {
			if _, is := cpni.FieldOf(f.String() + "_" + form); is {
				t.Errorf("%s_%s is a field", f, form)
			}
		}
	}
}

func TestAWithheldNumberLeavesOnlyWhereTheLawNeedsIt(t *testing.T) {
	texts := map[facts.Fact]string{facts.CallerNumber: "+13035550142", facts.AssertedNumber: "+13035550142",
		facts.PriorityEmergency: "1", facts.CalledNumber: "+13035550199"}
	lines := "caller_number = { form = [\"e164\", \"pseudonym\", \"presence\"], because = \"t\" }\n" +
		"asserted_number = { form = \"area\", because = \"t\" }\ncalled_number = { form = \"e164\", because = \"t\" }\n" +
		"call_flags = { form = \"keep\", because = \"t\" }\n"
	for privacy, withheld := range map[string]bool{"id": true, "user": true, "header": true, "none": false, "session": false} {
		texts[facts.PrivacyValue] = privacy
		for _, purpose := range []string{"billing", "legal", "emergency", "fraud", "network_ops"} {
			_, got := minimised(t, boundPurpose(t, written(purpose, lines)), aCall(texts))
			hidden := withheld && !slices.Contains(unmasked, purpose)
			if (got["caller_number"] == "null") != hidden || (got["asserted_number"] == "null") != hidden {
				t.Errorf("%s: Privacy %s: caller %s, asserted %s", purpose, privacy, got["caller_number"], got["asserted_number"])
			}
			if strings.Contains(got["call_flags"], "privacy_applied") != hidden {
				t.Errorf("%s: Privacy %s: call_flags = %s", purpose, privacy, got["call_flags"])
			}
			if got["caller_number_pseudonym"] == "null" || got["caller_number_presence"] != "true" || got["called_number"] == "null" {
				t.Errorf("%s: Privacy %s hides too much", purpose, privacy)
			}
		}
	}
}

func TestForwardersAndEarlierTargetsWithholdTheirNumbersToo(t *testing.T) {
	texts := map[facts.Fact]string{facts.DivertedNumber: "+13035550142", facts.HistoryNumber: "+13035550143",
		facts.CallerNumber: "+13035550144"}
	lines := "diversion_number = { form = [\"area\", \"pseudonym\"], because = \"t\" }\n" +
		"history_info_number = { form = \"area\", because = \"t\" }\ncaller_number = { form = \"area\", because = \"t\" }\n"
	for fact, field := range map[facts.Fact]string{facts.DivertedPrivate: "diversion_number",
		facts.PrivacyValue: "history_info_number", facts.ClaimedPrivate: "caller_number"} {
		texts[fact] = "history"
		for _, purpose := range []string{"fraud", "billing"} {
			_, got := minimised(t, boundPurpose(t, written(purpose, lines)), aCall(texts))
			for _, name := range []string{"diversion_number", "history_info_number", "caller_number"} {
				if hidden := name == field && purpose == "fraud"; (got[name] == "null") != hidden {
					t.Errorf("%s: %s = %s though %s is withheld", purpose, name, got[name], field)
				}
			}
			if got["diversion_number_pseudonym"] == "null" {
				t.Errorf("%s: no pseudonym", purpose)
			}
		}
		delete(texts, fact)
	}
}

func TestAnEmergencyServiceHasItsCategory(t *testing.T) {
	for urn, want := range map[string]string{"urn:service:sos.fire": `"emergency"`, "urn:service:counseling": `"other"`} {
		if got := value(t, "fraud", `dialed_number = "category"`, map[facts.Fact]string{facts.DialedService: urn}); got != want {
			t.Errorf("%s: category = %s, want %s", urn, got, want)
		}
	}
}

func TestALegWithoutAJoinShowsNone(t *testing.T) {
	lines := ""
	for _, name := range []string{"session_group", "correlation", "correlation_score"} {
		lines += name + " = { form = \"keep\", because = \"t\" }\n"
	}
	for _, min := range []string{"0", "70"} {
		src := strings.Replace(written("fraud", lines), "audience", "min_correlation = "+min+"\naudience", 1)
		_, got := minimised(t, boundPurpose(t, src), aCall(nil))
		for name, want := range map[string]string{"session_group": "null", "correlation": `"none"`, "correlation_score": "0"} {
			if got[name] != want {
				t.Errorf("min_correlation %s: %s = %s, want %s", min, name, got[name], want)
			}
		}
	}
}

func TestKindStageAndWhenDecideWhatIsTaken(t *testing.T) {
	src := written("fraud", "sip_code = \"keep\"\n")
	call, sos := aCall(nil), aCall(map[facts.Fact]string{facts.PriorityEmergency: "1"})
	loss := cpni.OfLoss(cpni.Loss{From: newYear, To: newYear.Add(time.Hour), Count: 3, Reason: "stream_full"})
	for change, want := range map[string][3]bool{ // of call, sos, loss
		"":                                 {true, true, true},
		"stages = [\"start\"]\n":           {false, false, true},
		"stages = [\"start\", \"stop\"]\n": {true, true, true},
		"when = \"emergency\"\n":           {false, true, true},
	} {
		u := boundPurpose(t, strings.Replace(src, "audience", change+"audience", 1))
		for i, r := range []*cpni.Record{call, sos, &loss} {
			if _, ok := u.Minimise(nil, r); ok != want[i] {
				t.Errorf("%q: record %d: kept = %t, want %t", change, i, ok, want[i])
			}
		}
	}
	u := boundPurpose(t, strings.Replace(src, "\"call\", ", "", 1))
	if _, ok := u.Minimise(nil, call); ok {
		t.Error("a kind that was not asked for is kept")
	}
	loss.Sensor = "s1"
	keys, values := minimised(t, u, &loss)
	want := append(slices.Clone(otherKeys), "from", "to", "count", "reason")
	if !slices.Equal(keys, want) || values["count"] != "3" || values["schema"] != `"sipsieve.loss/1"` {
		t.Errorf("loss: %v, %v", keys, values)
	}
}

func TestExpiryGivesNoTimeAwayThatThePolicyCutOff(t *testing.T) {
	midnight := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at         time.Time
		unit, span string
		want       string
	}{
		{newYear, "second", "30 days", "2026-02-01"},
		{newYear, "", "30 days", "2026-02-01"},
		{midnight, "second", "30 days", "2026-01-31"},
		{newYear.In(time.FixedZone("", -11*3600)), "second", "30 days", "2026-02-01"},
		{newYear, "month", "3 months", "2026-05-01"},
		{newYear.AddDate(0, 0, 29), "month", "3 months", "2026-05-01"},
		{time.Date(2024, time.August, 30, 12, 0, 0, 0, time.UTC), "second", "18 months", "2026-03-03"}, // no 31 February
		{time.Date(2026, time.January, 31, 12, 0, 0, 0, time.UTC), "second", "1 month", "2026-03-01"},
		{time.Date(2024, time.February, 28, 12, 0, 0, 0, time.UTC), "hour", "1 year", "2025-03-01"},
	} {
		s, err := ParseRetention(c.span)
		if err != nil {
			t.Fatal(err)
		}
		if got := expiry(c.at, c.unit, s); got.String() != c.want {
			t.Errorf("%s and %s by %q: got = %s, want %s", c.at, c.span, c.unit, got, c.want)
		}
	}
}

func TestExpiryCountsFromReceiptOnlyWhereThePolicySaysSo(t *testing.T) {
	src := written("fraud", "setup_time = \"truncate:second\"\n")
	r := aCall(nil)
	r.Received = newYear.AddDate(1, 0, 0)
	for change, want := range map[string]string{"": `"2026-02-01"`, "from = \"receipt\"\n": `"2027-02-01"`} {
		_, values := minimised(t, boundPurpose(t, strings.Replace(src, "audience", change+"audience", 1)), r)
		if values["expires"] != want {
			t.Errorf("%q: expires = %s, want %s", change, values["expires"], want)
		}
	}
}

func TestARegistrationHasItsOwnFieldsAndCountsFromItsEvent(t *testing.T) {
	reg := &event.Registration{At: newYear, State: event.Moved, Code: 200, Expires: 3600, Status: event.Complete}
	reg.Facts.Append(facts.RegisteredNumber, []byte("+13035550142"))
	r, _ := cpni.NewReader("US").Record(&event.Event{Time: newYear, Kind: event.RegistrationKind, Stage: event.Stop,
		Registration: reg})
	u := boundPurpose(t, written("network_ops", "registered_number = \"pseudonym\"\nregistration_state = \"keep\"\n"+
		"event_time = \"truncate:month\"\nsetup_time = \"truncate:minute\"\ncalled_number = \"area\"\n"))
	keys, values := minimised(t, u, &r)
	want := []string{"registered_number", "registration_state", "event_time"}
	if got := keys[len(otherKeys):]; !slices.Equal(got, want) {
		t.Errorf("keys = %v, want %v", got, want)
	}
	if values["schema"] != `"sipsieve.registration/1"` || values["registration_state"] != `"moved"` ||
		values["expires"] != `"2026-03-03"` { // from 1 February: the month's first day would give the day away
		t.Errorf("values = %v", values)
	}
}

func TestADeviceHasItsOwnFieldsAndCountsFromItsEvent(t *testing.T) {
	d := &event.Device{At: newYear, FirstSeen: newYear.AddDate(0, -1, 0), LastSeen: newYear, Flags: event.ScannerFlag}
	d.Facts.Append(facts.DeviceKeyText, []byte("instance urn:uuid:1"))
	d.Facts.Append(facts.UserAgentText, []byte("friendly-scanner"))
	r, _ := cpni.NewReader("US").Record(&event.Event{Time: newYear, Kind: event.DeviceKind, Stage: event.Stop, Revision: 2,
		Device: d})
	src := strings.Replace(written("network_ops", "device_vendor = \"keep\"\ndevice_flags = \"keep\"\n"+
		"first_seen = \"truncate:day\"\nrefreshes = \"keep\"\nevent_time = \"truncate:minute\"\nsip_code = \"keep\"\n"),
		"\"call\", ", "\"device\", ", 1)
	keys, values := minimised(t, boundPurpose(t, src), &r)
	want := []string{"device_vendor", "device_flags", "first_seen", "event_time"}
	if got := keys[len(otherKeys):]; !slices.Equal(got, want) {
		t.Errorf("keys = %v, want %v", got, want)
	}
	if values["schema"] != `"sipsieve.device/1"` || values["device_flags"] != `["scanner"]` || values["revision"] != "2" ||
		values["first_seen"] != `"2025-12-01T00:00:00Z"` || values["expires"] != `"2026-02-01"` {
		t.Errorf("values = %v", values)
	}
	if _, kept := boundPurpose(t, strings.Replace(src, "\"device\", ", "", 1)).Minimise(nil, &r); kept {
		t.Error("a kind that was not asked for is kept")
	}
}

func TestWhatIsMinimisedIsReceived(t *testing.T) {
	src := strings.Replace(written("fraud", "caller_domain = { form = \"known\", list = \"words\" }\n"), `"PCMU"`, `"\ufffd\"\\\n"`, 1)
	x, _ := boundPurpose(t, src).Minimise(nil, aCall(map[facts.Fact]string{facts.CallerHost: "\ufffd\"\\\n"}))
	y, err := Received(x.Body())
	if err != nil || y.Envelope != x.Envelope {
		t.Errorf("received %+v, %v, want %+v", y.Envelope, err, x.Envelope)
	}
}

func TestTextOfAnyBytesIsEscaped(t *testing.T) {
	for text, want := range map[string]string{"a\"\\\x00\x1f\x7fé\u2028": "a\"\\\x00\x1f\x7fé\u2028", "\xff\xc3": "\ufffd\ufffd",
		"\u009b31m\u202e\ufeff\U000e0041 𝄞": "\u009b31m\u202e\ufeff\U000e0041 𝄞"} {
		var got string
		encoded := appendText(nil, text)
		if err := json.Unmarshal(encoded, &got); err != nil || got != want || !utf8.Valid(encoded) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
		if strings.ContainsFunc(string(encoded), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: a terminal acts on %q", text, encoded)
		}
	}
}

// busyCall has most facts that the shipped policies look at.
func busyCall() cpni.Record {
	c := &event.Call{FirstSeen: newYear, Setup: newYear, Ring: newYear.Add(time.Second), Answer: newYear.Add(2 * time.Second),
		End: newYear.Add(time.Minute), Disposition: event.Answered, Code: 200, Cause: 16, EndCause: event.EndNormal,
		EndSource: event.Observed, Status: event.Complete, Completeness: 100, Vias: 2, Point: "eth0",
		Flow: capture.Flow{Src: netip.MustParseAddrPort("192.0.2.77:5060"), Dst: netip.MustParseAddrPort("198.51.100.9:5060")}}
	for f, text := range map[facts.Fact]string{facts.CallIDText: "a84b4c76e66710@pc33.example.net", facts.CallerTag: "1928301774",
		facts.CallerNumber: "+13035550142", facts.CalledNumber: "+442079460123", facts.DialedNumber: "+442079460123",
		facts.AssertedNumber: "+13035550142", facts.UserAgentText: "Yealink SIP-T46S 66.85.0.5", facts.Attestation: "A"} {
		c.Facts.Append(f, []byte(text))
	}
	r, _ := cpni.NewReader("US").Record(&event.Event{Time: newYear, Kind: event.CallKind, Stage: event.Stop, Revision: 2, Call: c})
	r.Site, r.Sensor, r.Source = "dfw1", "s1", "file"
	return r
}

func BenchmarkMinimise(b *testing.B) {
	src, err := os.ReadFile("../../configs/policy.toml")
	if err != nil {
		b.Fatal(err)
	}
	p, err := Parse("policy.toml", src)
	if err != nil {
		b.Fatal(err)
	}
	keys := demoKeys
	if err := p.Bind(keys); err != nil {
		b.Fatal(err)
	}
	for _, u := range p.Purposes() {
		if u.When != "" {
			continue
		}
		b.Run(u.Name, func(b *testing.B) {
			r := busyCall()
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				u.Minimise(dst, &r)
			}
		})
	}
}
