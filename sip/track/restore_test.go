package track

import (
	"slices"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// twoForks is an INVITE that two phones answer, the second of which hangs up last.
const twoForks = `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180 tag=one
00:00.200  alice <- bob   180 tag=two
00:00.300  alice <- bob   180 tag=three
00:05.000  alice <- bob   200 INVITE tag=one
00:05.020  alice -> bob   ACK tag=one
00:05.100  alice <- bob   200 INVITE tag=two
00:05.120  alice -> bob   ACK tag=two
00:06.000  alice -> bob   BYE tag=one
00:06.040  alice <- bob   200 BYE tag=one
01:16.000  alice -> bob   BYE tag=two
01:16.040  alice <- bob   200 BYE tag=two
`

// TestForksSurviveARestart restarts once both forks have answered: each keeps its own times and the count of all, also
// when the first has been published, or is forgotten.
func TestForksSurviveARestart(t *testing.T) {
	ms := play(t, twoForks)
	want := outcomes(t, ms, time.Minute)
	if len(want) != 2 || want[1].Forks != 3 || want[1].Flags&event.SecondFork == 0 {
		t.Fatalf("%d calls: the test shows nothing", len(want))
	}
	for cut := 7; cut <= len(ms); cut++ {
		events, _ := restarted(t, ms, cut, time.Minute)
		got := last(events)
		if len(got) != 2 {
			t.Errorf("cut at %d: %d calls, want 2", cut, len(got))
			continue
		}
		for i := range got {
			if a, b := withGap(got[i], 0), withGap(want[i], got[i].Missing&event.RestartGap); a != b {
				t.Errorf("cut at %d:\n got %s\nwant %s", cut, lineOf(got[i]), lineOf(want[i]))
			}
		}
	}
}

// TestAForkThatAnswersAfterTheRestartIsKnownByItsBYEOnly: the texts that its id would be made of are gone.
func TestAForkThatAnswersAfterTheRestartIsKnownByItsBYEOnly(t *testing.T) {
	ms := play(t, twoForks)
	events, n := restarted(t, ms, 6, time.Minute)
	got := last(events)
	if len(got) != 2 || n.Orphans != 2 || got[0].Missing != event.RestartGap || got[1].Missing != event.NoInvite|event.NoFinal|event.NoAck {
		t.Errorf("calls = %v, orphans = %d, want one with the gap, one of a BYE alone, and 2", inWords(got), n.Orphans)
	}
}

// TestStepsAndLossesBeforeARestartAreKnownAfterIt sets the clock and loses frames while a call is up.
func TestStepsAndLossesBeforeARestartAreKnownAfterIt(t *testing.T) {
	ms := play(t, hungUp)
	for i := 5; i < len(ms); i++ {
		ms[i].Time = ms[i].Time.Add(time.Hour)
	}
	outcome := func(restart bool) *event.Call {
		tr := New(DefaultLimits())
		tr.Save(testKeyer)
		j := newJournal()
		var events []event.Event
		for i := range ms {
			if i == 5 {
				j.take(tr.Changed(nil))
				tr.Stepped(ms[i].Time.Add(-time.Second), time.Hour)
				tr.Missed(ms[i].Time.Add(-2*time.Second), ms[i].Time.Add(-time.Second))
				j.take(tr.Changed(nil))
				if restart {
					tr = j.into(t, event.StagesOf(event.Stop))
				}
			}
			events = tr.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
		}
		return callsIn(tr.Finish(events))[0]
	}
	got, want := outcome(true), outcome(false)
	if want.Missing != event.ClockStep|event.LossWindow {
		t.Fatalf("missing = %b: the test shows nothing", want.Missing)
	}
	if a, b := withGap(got, 0), withGap(want, event.RestartGap); a != b {
		t.Errorf("got  %s\nwant %s", a, b)
	}
}

// revisions returns those of the calls that are published at stages when message cut comes after a restart from what
// was saved before message saved.
func revisions(t *testing.T, stages event.Stages, saved, cut int) (before, after []int) {
	ms := play(t, hungUp)
	tr := New(DefaultLimits())
	tr.PublishAt(stages)
	tr.Save(testKeyer)
	j := newJournal()
	var events []event.Event
	for i := range ms[:cut] {
		if i == saved {
			j.take(tr.Changed(nil))
		}
		events = tr.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
	}
	for _, e := range events {
		before = append(before, e.Revision)
	}
	tr = j.into(t, stages)
	events = nil
	for i := cut; i < len(ms); i++ {
		events = tr.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
	}
	for _, e := range tr.Finish(tr.Advance(events, ladderStart.Add(24*time.Hour))) {
		after = append(after, e.Revision)
	}
	return before, after
}

// TestNoRevisionIsPublishedTwiceAfterARestart: what was published and not saved any more has other revisions than what
// follows, if the call goes on. A call whose end was published and that is never heard of again has no higher one.
func TestNoRevisionIsPublishedTwiceAfterARestart(t *testing.T) {
	stages := event.StagesOf(event.Start, event.Answer, event.Stop)
	before, after := revisions(t, stages, 3, 5) // saved while it rang, killed after the answer
	if !slices.Equal(before, []int{1, 2}) || !slices.Equal(after, []int{3}) {
		t.Errorf("revisions = %v, then %v; want [1 2], then [3]", before, after)
	}
	before, after = revisions(t, stages, 5, 7) // saved while it was up, killed after the end
	if !slices.Equal(before, []int{1, 2, 3}) || !slices.Equal(after, []int{3}) {
		t.Errorf("revisions = %v, then %v; want [1 2 3], then [3]", before, after)
	}
	before, after = revisions(t, event.StagesOf(event.Stop), 5, 5)
	if len(before) != 0 || !slices.Equal(after, []int{1}) {
		t.Errorf("revisions = %v, then %v; want none, then [1]", before, after)
	}
}

// TestRestoredCallsKeepTheirDeadlines lets a session timer and the longest silence pass over a restart.
func TestRestoredCallsKeepTheirDeadlines(t *testing.T) {
	ms := play(t, answeredCall)
	j := newJournal()
	tr := New(DefaultLimits())
	tr.Save(testKeyer)
	for i := range ms {
		tr.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
	}
	j.take(tr.Changed(nil))
	tr = j.into(t, event.StagesOf(event.Stop))
	end := ms[len(ms)-1].Time.Add(DefaultLimits().Talk)
	if events := tr.Advance(nil, end.Add(-time.Millisecond)); len(events) != 0 {
		t.Errorf("published %v early", events[0].Time)
	}
	events := tr.Advance(nil, end.Add(time.Hour))
	if len(events) != 1 || !events[0].Time.Equal(end) || events[0].Call.Missing&event.RestartGap == 0 {
		t.Errorf("events = %d, want one, at the deadline, with the gap", len(events))
	}
}

// TestNoRoomForASavedCallIsAnError restores more than the limit.
func TestNoRoomForASavedCallIsAnError(t *testing.T) {
	j := newJournal()
	tr, _, _ := upCalls(t, 2)
	j.take(tr.Changed(nil))
	small := New(Limits{Calls: 1, Bindings: 1, Ring: time.Minute, Talk: time.Hour})
	small.Save(testKeyer)
	var errs []error
	for _, s := range j.saved {
		errs = append(errs, small.Restore(s, facts.Facts{}))
	}
	if len(errs) != 2 || errs[0] != nil || errs[1] != calls.ErrRoom {
		t.Errorf("errors = %v, want nil and ErrRoom", errs)
	}
}

// TestChangedReturnsNothingTwice asks again without a message in between.
func TestChangedReturnsNothingTwice(t *testing.T) {
	tr := New(DefaultLimits())
	tr.Save(testKeyer)
	ms := play(t, hungUp)
	for i := range ms {
		tr.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
		first := tr.Changed(nil)
		if again := tr.Changed(nil); len(first) != 1 || len(again) != 0 {
			t.Errorf("message %d: %d changes, then %d; want 1, then 0", i, len(first), len(again))
		}
	}
	tr.Finish(nil)
	if late := tr.Changed(nil); len(late) != 0 {
		t.Errorf("changes of what is over = %d, want 0", len(late))
	}
}

// upCalls returns a Tracker that saves n calls that are up, and of each a re-INVITE, its 2xx and its ACK.
func upCalls(t testing.TB, n int) (*Tracker, []sip.Message, []event.Keys) {
	all := play(t, answeredCall+`
00:10.000  alice -> bob   INVITE
00:10.100  alice <- bob   200 INVITE
00:10.200  alice -> bob   ACK`)
	tr := New(Limits{Calls: n, Bindings: 1, Ring: time.Minute, Talk: time.Hour})
	tr.Save(testKeyer)
	var ms []sip.Message
	var ks []event.Keys
	for i := range n {
		for j := range all {
			k := testKeyer.Of(&all[j])
			k.Call = event.Key{byte(i), byte(i >> 8), byte(i >> 16), 1}
			if all[j].Mark = 0; j < 5 {
				tr.Observe(nil, &all[j], k)
			} else {
				ms, ks = append(ms, all[j]), append(ks, k)
			}
		}
	}
	return tr, ms, ks
}

// BenchmarkChanged hands out 1000 of 100,000 calls that changed, as it comes once a second.
func BenchmarkChanged(b *testing.B) {
	tr, ms, ks := upCalls(b, 100_000)
	out := tr.Changed(nil)
	bytes, n := 0, 0
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		for j := range 1000 {
			k := (i*1000 + j) * 3 % len(ms)
			tr.Observe(nil, &ms[k], ks[k])
		}
		b.StartTimer()
		out = tr.Changed(out[:0])
		for j := range out {
			bytes += len(out[j].State)
			n++
		}
	}
	b.ReportMetric(float64(bytes)/float64(n), "state-B/call")
	b.ReportMetric(float64(n)/float64(b.N), "calls/op")
}

// TestAnAnswerAfterARestartNamesItsDialog: the store finds the rest of the call by Call-ID and both tags, wherever it
// was seen.
func TestAnAnswerAfterARestartNamesItsDialog(t *testing.T) {
	ms := play(t, hungUp)
	before, j := New(DefaultLimits()), newJournal()
	before.Save(testKeyer)
	for i := range ms[:2] {
		before.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
	}
	j.take(before.Changed(nil))
	for name := range j.facts { // what the store froze has no text in it
		var f facts.Facts
		f.Append(facts.Frozen, []byte("billing"))
		j.facts[name] = f
	}
	got := last(follow(t, j.into(t, event.StagesOf(event.Stop)), ms[2:], time.Minute))
	want := outcomes(t, ms, time.Minute)
	for _, f := range []facts.Fact{facts.CallIDText, facts.CallerTag, facts.CalleeTag} {
		if text := got[0].Facts.First(f); string(text) != string(want[0].Facts.First(f)) || text == nil {
			t.Errorf("fact %d = %q, want %q", f, text, want[0].Facts.First(f))
		}
	}
}
