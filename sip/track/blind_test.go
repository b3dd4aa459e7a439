package track

import (
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
)

const hungUp = answeredCall + `
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE
`

// at returns the time text of a ladder.
func at(seconds float64) time.Time {
	return ladderStart.Add(time.Duration(seconds * float64(time.Second)))
}

// missing plays ms, and reports the loss between from and to before the first message that is not before to.
func missing(t *testing.T, ms []sip.Message, from, to time.Time) []*event.Call {
	t.Helper()
	tr := New(DefaultLimits())
	tr.PublishAt(event.StagesOf(event.Correction))
	var events []event.Event
	reported := false
	for i := range ms {
		if !reported && !ms[i].Time.Before(to) {
			tr.Missed(from, to)
			reported = true
		}
		events = tr.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
	}
	if !reported {
		events = tr.Advance(events, to.Add(-time.Nanosecond))
		tr.Missed(from, to)
	}
	return last(tr.Finish(tr.Advance(events, to.Add(time.Hour))))
}

func TestLossMarksTheCallsThatWereOpen(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to float64
		marked   bool
	}{
		{"in the middle", 20, 21, true},
		{"from before the call", -10, 1, true},
		{"up to the first message", -10, 0, false},
		{"until after the call", 64, 90, true},
		{"around the call", -10, 90, true},
		{"after the call", 65, 66, false},
		{"between the BYE and its answer", 64.91, 64.92, true},
	} {
		got := one(t, missing(t, play(t, hungUp), at(c.from), at(c.to)))
		if marked := got.Missing&event.LossWindow != 0; marked != c.marked {
			t.Errorf("%s: marked = %v, want %v", c.name, marked, c.marked)
		}
		if got.Completeness != 100 || got.Missing&^event.LossWindow != 0 || got.Status == event.Complete == c.marked {
			t.Errorf("%s: %s", c.name, lineOf(got))
		}
	}
}

func TestLossMarksNoCallThatWasClosedByTime(t *testing.T) {
	ms := play(t, "00:00.000  alice -> bob INVITE\n00:01.000  alice <- bob 180\n")
	if c := one(t, missing(t, ms, at(240), at(242))); c.Missing&event.LossWindow == 0 {
		t.Errorf("open in the window: %s", lineOf(c))
	}
	if c := one(t, missing(t, ms, at(241.5), at(242))); c.Missing&event.LossWindow != 0 {
		t.Errorf("closed before the window: %s", lineOf(c))
	}
}

// stepped observes ms as they are timed by a clock that jumps just before message n, and reports the jump.
func stepped(t *testing.T, ms []sip.Message, n int, by time.Duration) []event.Event {
	t.Helper()
	tr := New(DefaultLimits())
	tr.PublishAt(event.StagesOf(event.Start, event.Answer, event.Stop))
	var events []event.Event
	for i, m := range ms {
		if i >= n {
			m.Time = m.Time.Add(by)
		}
		if i == n {
			tr.Stepped(m.Time, by)
		}
		wall, before := m.Time, len(events)
		events = tr.Observe(events, &m, testKeyer.Of(&m))
		if !m.Time.Equal(wall) {
			t.Fatal("the Message's time was changed")
		}
		if len(events) > before && events[len(events)-1].Time.After(m.Time) {
			t.Errorf("published at %v, want %v at most", events[len(events)-1].Time, m.Time)
		}
	}
	return tr.Finish(events)
}

func TestSteppedClockChangesNoDuration(t *testing.T) {
	ms := play(t, hungUp+`
00:00.500  carol -> dave  INVITE
00:01.000  carol <- dave  486
00:01.100  carol -> dave  ACK
02:00.000  erin -> frank  INVITE
02:01.000  erin <- frank  486
02:01.100  erin -> frank  ACK`)
	for _, by := range []time.Duration{-time.Hour, time.Hour, -time.Minute, 5 * time.Hour} {
		for n := range ms {
			cs := callsIn(stepped(t, ms, n, by))
			if len(cs) != 3 {
				t.Fatalf("%d records, want 3", len(cs))
			}
			for _, c := range cs {
				across := n > 0 && !ms[n].Time.After(ladderStart.Add(64950*time.Millisecond))
				if across != (c.Missing&event.ClockStep != 0) && c.Disposition == event.Answered {
					t.Errorf("step of %v before message %d: %s", by, n, lineOf(c))
				}
				if talk := c.End.Sub(c.Answer); c.Disposition == event.Answered && talk != time.Minute {
					t.Errorf("step of %v before message %d: %v long, want 1m", by, n, talk)
				}
				if wait := c.End.Sub(c.Setup); c.Disposition == event.Busy && wait > time.Second {
					t.Errorf("step of %v before message %d: %v until the refusal", by, n, wait)
				}
			}
		}
	}
}

func TestTimesAfterAStepAreThoseOfTheNewClock(t *testing.T) {
	ms := play(t, hungUp)
	cs := callsIn(stepped(t, append(play(t, "00:00.000  carol -> dave  INVITE\n"), ms...), 1, -time.Hour))
	if c := cs[0]; c.Disposition != event.Answered || !c.Setup.Equal(ladderStart.Add(-time.Hour)) || c.Missing != 0 {
		t.Errorf("a call after the step: %s", lineOf(c))
	}
	if c := cs[1]; !c.Setup.Equal(ladderStart) || c.Missing&event.ClockStep == 0 {
		t.Errorf("a call across the step: %s", lineOf(c))
	}
}

func TestStepLapsesNothingEarly(t *testing.T) {
	tr := New(DefaultLimits())
	ms := play(t, answeredCall)
	for i := range ms {
		tr.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
	}
	day := ladderStart.Add(24 * time.Hour)
	tr.Stepped(day.Add(10*time.Second), 24*time.Hour)
	if events := tr.Advance(nil, day.Add(4*time.Hour)); len(events) != 0 {
		t.Errorf("%d events within the longest silence, want 0", len(events))
	}
	events := tr.Advance(nil, day.Add(4*time.Hour+6*time.Second))
	if len(events) != 1 || !events[0].Time.Equal(day.Add(4*time.Hour+5*time.Second)) {
		t.Fatalf("%d events, want 1 four hours after the last message, on the new clock", len(events))
	}
}
