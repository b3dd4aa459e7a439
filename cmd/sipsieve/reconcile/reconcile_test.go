package reconcile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/store"
)

// began is when the calls of these tests begin.
var began = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// newTest returns a comparison by a profile, with names that are the Call-ID behind "p:".
func newTest(t testing.TB, profile, columns string, change func(*Settings)) *Comparison {
	t.Helper()
	p, err := NewProfile(profile, columns)
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{Profile: p, Tolerance: p.Tolerance, Within: 2 * time.Second, Caller: true, Called: true, Code: true, Talk: true,
		Name: func(id string, _ time.Time) string { return "p:" + id }}
	if change != nil {
		change(&s)
	}
	return New(s)
}

// A testRecord is a record of the store.
type testRecord struct {
	Kind        string     `json:"kind"`
	ID          string     `json:"id"`
	Status      string     `json:"status"`
	Missing     []string   `json:"missing"`
	Flags       []string   `json:"call_flags"`
	CallID      string     `json:"call_id,omitempty"`
	Caller      string     `json:"caller_number,omitempty"`
	Called      string     `json:"called_number,omitempty"`
	Setup       *time.Time `json:"setup_time"`
	Talk        *int64     `json:"duration_ms"`
	Code        *int       `json:"sip_code"`
	Disposition string     `json:"disposition"`
}

// answered returns a call that began after a number of seconds and lasted so many milliseconds.
func answered(id string, after int, talk int64) testRecord {
	setup, code := began.Add(time.Duration(after)*time.Second), 200
	return testRecord{Kind: "call", ID: "r-" + id, Status: "complete", CallID: "p:" + id, Setup: &setup, Talk: &talk, Code: &code,
		Disposition: "answered"}
}

// failed returns a call that failed with a code.
func failed(id string, after, code int) testRecord {
	r := answered(id, after, 0)
	r.Code, r.Disposition = &code, "failed"
	return r
}

// reported compares files with records.
func reported(t testing.TB, c *Comparison, files []string, records ...testRecord) (*Report, []Difference) {
	t.Helper()
	var again []io.ReaderAt
	for _, text := range files {
		if err := c.Read(strings.NewReader(text), int64(len(text))); err != nil {
			t.Fatal(err)
		}
		again = append(again, strings.NewReader(text))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		text, err := json.Marshal(r)
		if err == nil {
			err = c.Add(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r := c.Report()
	balanced(t, r)
	return r, slices.Collect(r.Differences(again))
}

// balanced checks the sums of a report.
func balanced(t testing.TB, r *Report) {
	t.Helper()
	l := r.Lines
	refused := 0
	for _, n := range l.Refused {
		refused += n
	}
	if sum := l.Empty + l.Headers + l.Skipped + refused + l.Outside + l.Rows; sum != l.Total {
		t.Errorf("lines = %d, want the sum of %+v", l.Total, l)
	}
	calls := r.SBC + r.NotCompared["sbc_outside_window"] + r.NotCompared["sbc_unanswered"]
	if calls != l.Rows-l.Joined-l.Alone {
		t.Errorf("calls = %d, want %d rows less %d and %d", calls, l.Rows, l.Joined, l.Alone)
	}
	if by := r.MatchedBy["call_id"] + r.MatchedBy["numbers"]; by != r.Matched {
		t.Errorf("matched by %v, want %d in all", r.MatchedBy, r.Matched)
	}
	if r.Matched != r.Equal+r.Differing || r.SBC != r.Matched+r.OnlySBC || r.Sieve != r.Matched+r.OnlySieve {
		t.Errorf("the sums do not balance: %+v", r.Totals)
	}
}

// brief returns differences in short lines.
func brief(list []Difference) (lines []string) {
	for _, d := range list {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %d:%d %s %q %q %s", d.Kind, d.What, d.File, d.Line, d.CallID, d.SBC,
			d.Sieve, strings.Join(d.Reasons, ","))))
	}
	return lines
}

func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A form is a file of an SBC's with an answered call a of 62 s at 10:00:04 and a call b that was busy at 10:01.
var forms = map[string]struct{ profile, columns, text string }{
	"kamailio syslog": {"kamailio", "", `Nov 24 10:00:01 sbc kamailio[7]: NOTICE: <core>: something else
Nov 24 10:00:04 sbc kamailio[7]: NOTICE: acc [acc.c:287]: acc_log_request(): ACC: transaction answered: timestamp=1795514404;method=INVITE;from_tag=x;to_tag=y;call_id=a;code=200;reason=OK;src_user=+13035550100;dst_user=+12025550111
Nov 24 10:01:00 sbc kamailio[7]: NOTICE: acc [acc.c:287]: acc_log_request(): ACC: transaction answered: timestamp=1795514460;method=INVITE;from_tag=x;to_tag=y;call_id=b;code=486;reason=Busy Here
Nov 24 10:01:00 sbc kamailio[7]: NOTICE: acc [acc.c:287]: acc_log_request(): ACC: request acknowledged: timestamp=1795514460;method=ACK;from_tag=x;to_tag=y;call_id=b;code=200;reason=OK
Nov 24 10:01:06 sbc kamailio[7]: NOTICE: acc [acc.c:287]: acc_log_request(): ACC: transaction answered: timestamp=1795514466;method=BYE;from_tag=y;to_tag=x;call_id=a;code=200;reason=OK
`},
	"kamailio CDRs beside transactions": {"kamailio", "", `acc_log_request(): ACC: transaction answered: timestamp=1795514404;exact=1795514404.130;method=INVITE;from_tag=x;to_tag=y;call_id=a;code=200;reason=OK
 log_write_cdr(): start_time=1795514404.230000; end_time=1795514466.231000; duration=62.001000; call_id=a
 acc_log_request(): ACC: transaction answered: timestamp=1795514460;method=INVITE;from_tag=x;to_tag=y;call_id=b;code=486;reason=Busy Here
 log_write_cdr(): start_time=1795514460.230000; end_time=1795514460.230000; duration=0; call_id=b
`},
	"kamailio, redirected and challenged": {"kamailio", "", ` log_write_cdr(): start_time=1795514403.000000; end_time=1795514403.000000; duration=0; call_id=a
ACC: transaction answered: timestamp=1795514403;method=INVITE;call_id=a;code=302;reason=Moved
ACC: transaction answered: timestamp=1795514404;method=INVITE;call_id=a;code=200;reason=OK
 log_write_cdr(): start_time=1795514404.230000; end_time=1795514466.231000; duration=62.001000; call_id=a
ACC: transaction answered: timestamp=1795514459;method=INVITE;call_id=b;code=407;reason=Proxy Authentication Required
ACC: transaction answered: timestamp=1795514460;method=INVITE;call_id=b;code=486;reason=Busy
 log_write_cdr(): start_time=1795514459.230000; end_time=1795514459.230000; duration=0; call_id=b
 log_write_cdr(): start_time=1795514460.230000; end_time=1795514460.230000; duration=0; call_id=b
`},
	"kamailio table acc": {"kamailio", "", `id,method,from_tag,to_tag,callid,sip_code,sip_reason,time,src_user,dst_user
1,INVITE,x,y,a,200,OK,2026-11-24 10:00:04,+13035550100,"+12025550111"
2,INVITE,x,y,b,486,"Busy, here",2026-11-24 10:01:00,,
3,BYE,y,x,a,200,OK,2026-11-24 10:01:06,,
`},
	"opensips table acc": {"opensips", "", "id\tmethod\tfrom_tag\tto_tag\tcallid\tsip_code\tsip_reason\ttime\tduration\tms_duration\tsetuptime\tcreated\n" +
		"1\tINVITE\tx\ty\ta\t200\tOK\t2026-11-24 10:00:04\t62\t62010\t4\t2026-11-24 10:00:00\n" +
		"2\tINVITE\tx\ty\tb\t486\tBusy\t2026-11-24 10:01:00\t0\t0\t0\tNULL\n"},
	"opensips syslog": {"opensips", "", `ACC: call ended: created=1795514400;call_start_time=1795514404;duration=62;ms_duration=62010;setuptime=4;method=INVITE;from_tag=x;to_tag=y;call_id=a;code=200;reason=OK
ACC: call missed: timestamp=1795514460;created=1795514460;setuptime=0;method=INVITE;from_tag=x;to_tag=y;call_id=b;code=486;reason=Busy
`},
	"generic": {"generic", "", `Call-ID;Setup_Time;Duration;SIP_Code
a;2026-11-24T10:00:00Z;0:01:02;200
b;2026-11-24T11:01:00+01:00;0;486
`},
	"generic by number": {"generic", "record=#1:STOP|ATTEMPT, call_id=#5, setup=#2+#3, duration=#4:10ms, code=#6",
		`START,11/24/2026,10:00:00.1,,a,
STOP,11/24/2026,10:00:00.1,6203,a,200
ATTEMPT,11/24/2026,10:01:00.3,0,b,486
`},
}

func TestFormsOfSBCsAreRead(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			r, list := reported(t, newTest(t, form.profile, form.columns, nil), []string{form.text}, answered("a", 0, 62010), failed("b", 60, 486))
			sameLines(t, brief(list), nil)
			if r.Matched != 2 || !r.Same() || r.Calls != CallsAll {
				t.Errorf("totals = %+v", r.Totals)
			}
			_, list = reported(t, newTest(t, form.profile, form.columns, nil), []string{form.text}, failed("a", 0, 404), answered("b", 60, 5000),
				answered("c", 30, 1000))
			if len(list) != 3 || list[0].CallID != "" || list[1].CallID != "a" || list[2].CallID != "b" {
				t.Errorf("differences = %v", brief(list))
			}
		})
	}
}

const simple = "call_id,setup,duration,code,caller,called\n"

func row(id string, after int, talk float64, code int, numbers ...string) string {
	numbers = append(numbers, "", "")
	return fmt.Sprintf("%s,%s,%g,%d,%s,%s\n", id, began.Add(time.Duration(after)*time.Second).Format(time.DateTime), talk, code,
		numbers[0], numbers[1])
}

func TestWhatDiffersIsSaidOfEachCall(t *testing.T) {
	lost := answered("lost", 40, 3000)
	lost.Missing, lost.Status = []string{"loss_window"}, "partial"
	noEnd := answered("no-end", 50, 0)
	noEnd.Talk, noEnd.Missing, noEnd.Status = nil, []string{"bye"}, "partial"
	numbers := answered("numbers", 70, 5000)
	numbers.Caller, numbers.Called = "+13035550100", "+12025550111"
	file := simple + row("same", 0, 60, 200) + row("longer", 10, 62, 200) + row("only", 20, 9, 200) + row("busy", 30, 0, 486) +
		row("lost", 40, 30, 200) + row("no-end", 50, 12, 200) + row("picked", 60, 7, 200) +
		row("numbers", 70, 5, 200, "sip:3035550100@a.example", "12025550112")
	r, list := reported(t, newTest(t, "generic", "", nil), []string{file}, answered("same", 0, 60900), answered("longer", 10, 60000),
		failed("busy", 30, 480), answered("other", 35, 8000), lost, noEnd, failed("picked", 60, 487), numbers)
	sameLines(t, brief(list), []string{
		`only_sbc  1:4 only "9.000s" "" unexplained`,
		`only_sieve  0:0  "" "8.000s" unexplained`,
		`differs duration 1:3 longer "62.000s" "60.000s" unexplained`,
		`differs code 1:5 busy "486" "480" unexplained`,
		`differs duration 1:6 lost "30.000s" "3.000s" loss_window`,
		`differs duration 1:7 no-end "12.000s" "" end_not_seen`,
		`differs answered 1:8 picked "answered" "failed 487" unexplained`,
		`differs called 1:9 numbers "12025550112" "12025550111" unexplained`,
	})
	want := map[string]int{"duration": 3, "code": 1, "answered": 1, "called": 1}
	if !maps.Equal(r.DifferingBy, want) || r.Equal != 1 || r.Differing != 6 || r.SBCTalk != 185000 {
		t.Errorf("totals = %+v", r.Totals)
	}
}

func TestAnSBCWithOtherCallIDsIsMatchedByNumbersAndTime(t *testing.T) {
	with := func(id string, after int, called string) testRecord {
		r := answered(id, after, 5000)
		r.Caller, r.Called = "+13035550100", called
		return r
	}
	file := simple + row("x1", 0, 5, 200, "+13035550100", "2025550111") + row("x2", 10, 5, 200, "3035550100", "0012025550111") +
		row("x3", 20, 5, 200, "3035550199", "2025550111") + row("x4", 31, 5, 200, "3035550100", "2025550111")
	r, list := reported(t, newTest(t, "generic", "", nil), []string{file}, with("a", 1, "+12025550111"), with("b", 9, "+12025550111"),
		with("c", 20, "+12025550111"), with("d", 35, "+12025550111"))
	if r.MatchedBy["numbers"] != 2 || r.MatchedBy["call_id"] != 0 {
		t.Errorf("matched by %v", r.MatchedBy)
	}
	sameLines(t, brief(list), []string{
		`only_sbc  1:4 x3 "5.000s" "" unexplained`, // another caller
		`only_sbc  1:5 x4 "5.000s" "" unexplained`, // four seconds away
		`only_sieve  0:0  "" "5.000s" unexplained`,
	})
}

func TestCallsAcrossTheBorderOfTheWindowAreNoDifference(t *testing.T) {
	window := func(s *Settings) { s.From, s.To = began, began.Add(time.Minute) }
	file := simple + row("before", -3600*24, 5, 200) + row("near", -5, 5, 200) + row("first", -1, 5, 200) + row("in", 30, 5, 200) +
		row("last", 59, 5, 200) + row("behind", 65, 5, 200)
	r, list := reported(t, newTest(t, "generic", "", window), []string{file}, answered("first", 0, 5000), answered("in", 30, 5000),
		answered("last", 60, 5000), answered("later", 61, 5000))
	sameLines(t, brief(list), nil)
	if r.Matched != 3 || r.Lines.Outside != 1 || r.NotCompared["sbc_outside_window"] != 2 || r.NotCompared["records_outside_window"] != 1 {
		t.Errorf("totals = %+v", r.Totals)
	}
}

func TestAnSBCWithoutFailedCallsIsComparedWithAnsweredRecords(t *testing.T) {
	file := simple + row("a", 0, 5, 200) + row("b", 10, 6, 200)
	r, list := reported(t, newTest(t, "generic", "", nil), []string{file}, answered("a", 0, 5000), failed("b", 10, 503), failed("c", 5, 404))
	sameLines(t, brief(list), []string{`differs answered 1:3 b "answered" "failed 503" unexplained`})
	if r.Calls != CallsAnswered || r.NotCompared["unanswered_records"] != 1 {
		t.Errorf("totals = %+v", r.Totals)
	}
	_, list = reported(t, newTest(t, "generic", "", func(s *Settings) { s.Calls = CallsAll }), []string{file}, answered("a", 0, 5000),
		answered("b", 10, 6000), failed("c", 5, 404))
	sameLines(t, brief(list), []string{`only_sieve  0:0  "" "404" unexplained`})
}

func TestCallsNearTheEndOfAnEpochHaveTwoNames(t *testing.T) {
	epochs := func(s *Settings) {
		s.Name = func(id string, at time.Time) string {
			return fmt.Sprintf("e%d:%s", at.Unix()/int64((24*time.Hour).Seconds()), id)
		}
	}
	midnight := time.Date(2026, 11, 25, 0, 0, 5, 0, time.UTC)
	file := "call_id,answer,duration\na," + midnight.Format(time.RFC3339) + ",60\n"
	before := answered("a", 0, 60000)
	setup := midnight.Add(-20 * time.Second)
	before.Setup, before.CallID = &setup, fmt.Sprintf("e%d:a", setup.Unix()/86400)
	r, list := reported(t, newTest(t, "generic", "", epochs), []string{file}, before)
	if r.Matched != 1 || len(list) != 0 {
		t.Errorf("matched = %d, %v", r.Matched, brief(list))
	}
}

func TestLinesThatCannotBeReadAreCountedByNumberAndWithoutTheirText(t *testing.T) {
	secret := "sip:alice@example.net"
	file := simple + row("a", 0, 5, 200) + secret + "\n" + `"` + secret + "\n" + "id," + secret + ",5,200,,\n" + "id,,5,200,,\n" +
		"id,2026-11-24 10:00:00," + secret + ",200,,\n" + ",2026-11-24 10:00:00,5,200,,\n" + strings.Repeat(secret, 4000) + "\n\n" + simple
	c := newTest(t, "generic", "", nil)
	r, _ := reported(t, c, []string{file}, answered("a", 0, 5000))
	want := map[string]int{refusedShort: 1, refusedQuote: 1, refusedTime: 1, refusedNoTime: 1, refusedDuration: 1, refusedNoKey: 1,
		refusedLong: 1}
	if !maps.Equal(r.Lines.Refused, want) || r.Lines.Headers != 2 || r.Lines.Empty != 1 || r.Same() {
		t.Errorf("lines = %+v", r.Lines)
	}
	for i, l := range r.Lines.First {
		if l.Line != i+3 || l.File != 1 {
			t.Errorf("refused line %d = %+v", i, l)
		}
	}
	for _, format := range Formats() {
		var b bytes.Buffer
		if err := r.Write(&b, format, r.Differences(nil), strings.TrimSpace); err != nil || strings.Contains(b.String(), "alice") {
			t.Errorf("%s: %v\n%s", format, err, b.String())
		}
	}
	if err := newTest(t, "generic", "", nil).Read(strings.NewReader(secret+"\n"), 0); err == nil || strings.Contains(err.Error(), "alice") {
		t.Errorf("error = %v, want one without text of the file", err)
	}
}

func TestAFileWithoutARowOfItsProfileIsRefused(t *testing.T) {
	c := newTest(t, "kamailio", "", nil)
	if err := c.Read(strings.NewReader("something\nelse\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err == nil || !strings.Contains(err.Error(), "no line is a row of the profile kamailio") {
		t.Errorf("error = %v", err)
	}
}

func TestProfilesAreRefusedBySayingWhatIsWanted(t *testing.T) {
	for columns, want := range map[string]string{
		"x=y":                  "want FIELD=NAME",
		"call_id":              "want FIELD=NAME",
		"call_id=":             "want FIELD=NAME",
		"duration=#3:10":       "want a unit",
		"duration=seconds:-1s": "want a unit",
	} {
		if _, err := NewProfile("generic", columns); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %s", columns, err, want)
		}
	}
	if _, err := NewProfile("asterisk", ""); err == nil {
		t.Error("an unknown profile was taken")
	}
}

func TestTimesOfSBCsAreRead(t *testing.T) {
	texas, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Skip(err)
	}
	want := time.Date(2026, 11, 24, 16, 0, 4, 0, time.UTC)
	for _, text := range []string{"2026-11-24 10:00:04", "2026-11-24T10:00:04", "2026-11-24T16:00:04Z", "2026-11-24T17:00:04.000+01:00",
		"1795536004", "1795536004.000", "1795536004000", "1795536004000000", "11/24/2026 10:00:04.0", "20261124100004",
		"16:00:04.000 UTC Nov 24 2026", "16:00:04.000 UTC Tue Nov 24 2026", "Tue Nov 24 10:00:04 2026", "2026-11-24 16:00:04+00"} {
		if got, ok := readTime(text, "", texas); !ok || !got.Equal(want) {
			t.Errorf("%s = %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "yesterday", "2000-01-01 00:00:00", "0", "1e300", "NaN", "24/11/2026 10:00:04"} {
		if got, ok := readTime(text, "", texas); ok {
			t.Errorf("%q = %v, want none", text, got)
		}
	}
	if got, ok := readTime("24/11/2026 10:00:04", "02/01/2006 15:04:05", texas); !ok || !got.Equal(want) {
		t.Errorf("by a layout = %v, %v", got, ok)
	}
}

func TestNumbersAreTheSameWithAndWithoutTheirPrefixes(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"+13035550100", "sip:3035550100@sbc.example;user=phone", true},
		{"+49171234567", "0171234567", true},
		{"+49171234567", "0049171234567", true},
		{`"A" <sip:+13035550100@x>`, "tel:+1-303-555-0100", true},
		{"+13035550100", "+13035550101", false},
		{"911", "+13035550911", false},
		{"alice", "+13035550100", true}, // no number is known
	} {
		if got := sameNumber(readNumber(c.a), readNumber(c.b)); got != c.same {
			t.Errorf("%s and %s = %v", c.a, c.b, got)
		}
	}
}

// FuzzLines: every line is one of a header, empty, skipped, refused, outside or a row, and every row is of one call, which
// is matched, only the SBC's, or not compared.
func FuzzLines(f *testing.F) {
	for _, form := range forms {
		f.Add(form.profile, form.text)
	}
	f.Fuzz(func(t *testing.T, profile, text string) {
		p, err := NewProfile(profile, "")
		if err != nil {
			t.Skip()
		}
		c := New(Settings{Profile: p, Tolerance: p.Tolerance, Called: true, Caller: true, Talk: true, Code: true,
			Name: func(id string, _ time.Time) string { return "p:" + id }})
		if c.Read(strings.NewReader(text), 0) != nil || c.Close() != nil {
			t.Skip()
		}
		lines := strings.Count(text, "\n")
		if !strings.HasSuffix(text, "\n") && text != "" {
			lines++
		}
		if c.lines.Total != lines {
			t.Errorf("lines = %d, want %d", c.lines.Total, lines)
		}
		for _, r := range []testRecord{answered("a", 0, 62010), failed("b", 60, 486), answered("c", 3, 3)} {
			body, _ := json.Marshal(r)
			if err := c.Add(body); err != nil {
				t.Error(err)
			}
		}
		r := c.Report()
		balanced(t, r)
		if n := len(slices.Collect(r.Differences([]io.ReaderAt{strings.NewReader(text)}))); n < r.OnlySBC+r.OnlySieve+r.Differing {
			t.Errorf("differences = %d, want %d or more", n, r.OnlySBC+r.OnlySieve+r.Differing)
		}
	})
}

func TestReasonsComeFromOPSAndFromTheRecord(t *testing.T) {
	at := func(after int) time.Time { return began.Add(time.Duration(after) * time.Second) }
	cover := NewCoverage("billing")
	for _, r := range []store.OpsRecord{
		{Kind: store.Ledger, Sensor: "s1", From: at(-600), To: at(100)},
		{Kind: store.SensorStop, Sensor: "s1", From: at(-600), To: at(100)},
		{Kind: store.SensorStart, Sensor: "s1", From: at(100), To: at(200)},
		{Kind: store.LossWindow, Sensor: "s1", From: at(149), To: at(205), Reason: "source_down"}, // overlaps the gap
		{Kind: store.SensorCrash, Sensor: "s1", From: at(300), To: at(310)},
		{Kind: store.Ledger, Sensor: "s1", From: at(200), To: at(300)},
		{Kind: store.Ledger, Sensor: "s1", From: at(310), To: at(600)},
		{Kind: store.LossWindow, Sensor: "s1", From: at(400), To: at(410), Count: 7, Reason: "overflow"},
		{Kind: store.LossWindow, Sensor: "s1", From: at(450), To: at(460), Purpose: "fraud"},
		{Kind: store.LossWindow, Sensor: "s1", From: at(450), To: at(455), Purpose: "billing", Reason: "full"},
	} {
		cover.Add(&r)
	}
	file := simple + row("fine", 0, 5, 200) + row("down", 150, 5, 200) + row("crashed", 290, 60, 200) + row("lost", 395, 8, 200) +
		row("full", 451, 1, 200) + row("covered", 457, 1, 200) + row("after", 700, 5, 200) + row("old", -86400, 5, 200)
	c := newTest(t, "generic", "", func(s *Settings) { s.Expired = at(-3600) })
	c.Explain(cover.Gaps(at(-600), at(1000)))
	restarted := answered("crashed", 290, 70000)
	restarted.Missing = []string{"restart_gap"}
	_, list := reported(t, c, []string{file}, answered("fine", 0, 5000), restarted)
	sameLines(t, brief(list), []string{
		`only_sbc  1:3 down "5.000s" "" sensor_down,loss_window`,
		`only_sbc  1:5 lost "8.000s" "" loss_window`,
		`only_sbc  1:6 full "1.000s" "" loss_window`,
		`only_sbc  1:7 covered "1.000s" "" unexplained`,
		`only_sbc  1:8 after "5.000s" "" not_covered`,
		`only_sbc  1:9 old "5.000s" "" expired`,
		`differs duration 1:4 crashed "60.000s" "70.000s" restart_gap`,
	})
	if want := "loss_window of s1 2026-11-24T10:06:40.000Z to 2026-11-24T10:06:50.000Z (overflow 7)"; list[1].Detail != want {
		t.Errorf("detail = %s, want %s", list[1].Detail, want)
	}
	if cover.Records != 10 {
		t.Errorf("records of OPS = %d", cover.Records)
	}
}
