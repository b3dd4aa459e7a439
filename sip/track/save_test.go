package track

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/calls"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// A journal keeps what Trackers hand out, as the collector does; Facts stand for what the store would freeze.
type journal struct {
	names []event.Key
	saved map[event.Key]calls.Saved
	facts map[event.Key]facts.Facts
	clock *calls.Saved
}

func (j *journal) take(changed []calls.Saved) {
	for _, s := range changed {
		switch {
		case s.Name == event.Key{}:
			j.clock = &s
		case s.Gone:
			delete(j.saved, s.Name)
		default:
			if j.names = append(j.names, s.Name); s.Event != nil {
				j.facts[s.Name] = s.Event.Call.Facts
			}
			j.saved[s.Name] = s
		}
	}
}

func newJournal() *journal {
	return &journal{saved: map[event.Key]calls.Saved{}, facts: map[event.Key]facts.Facts{}}
}

// into restores all of j in a new Tracker that publishes at stages.
func (j *journal) into(t testing.TB, stages event.Stages) *Tracker {
	t.Helper()
	tr := New(DefaultLimits())
	tr.PublishAt(stages)
	tr.Save(testKeyer)
	if j.clock != nil {
		if err := tr.Restore(*j.clock, facts.Facts{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, head := range []bool{true, false} {
		for _, name := range j.names {
			s, ok := j.saved[name]
			if !ok || s.Head() != head {
				continue
			}
			delete(j.saved, name)
			if err := tr.Restore(s, j.facts[name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return tr
}

// restarted shows ms to a Tracker, another one from message cut on, waits, and returns the Events of both.
func restarted(t testing.TB, ms []sip.Message, cut int, wait time.Duration) (events []event.Event, n Counts) {
	t.Helper()
	stages := event.StagesOf(event.Stop, event.Correction)
	j := newJournal()
	before := New(DefaultLimits())
	before.PublishAt(stages)
	before.Save(testKeyer)
	for i := range ms[:cut] {
		events = before.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
		j.take(before.Changed(nil))
	}
	after := j.into(t, stages)
	for i := cut; i < len(ms); i++ {
		events = after.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
		after.Changed(nil)
	}
	if wait > 0 {
		events = after.Advance(events, ms[len(ms)-1].Time.Add(wait))
	}
	return after.Finish(events), after.Counts()
}

// withGap returns what is published of c with gap: RestartGap or nothing.
func withGap(c *event.Call, gap event.Missing) string {
	d := *c
	if d.Missing |= gap; gap != 0 && d.Status == event.Complete {
		d.Status = event.Partial
	}
	return fmt.Sprint(lineOf(&d), d.Facts.Bytes())
}

// notSaved are stories of what is no call yet when the restart comes: a BYE or a re-INVITE of an unknown call that
// waits for its 2xx.
var notSaved = []string{"only the BYE and its answer are seen", "a call is taken up after its ACK",
	"a call is taken up at a re-INVITE"}

// betweenCopies reports whether the message at cut is the second copy of one packet: what copies are known by is lost.
func betweenCopies(ms []sip.Message, cut int) bool {
	return cut > 0 && cut < len(ms) && ms[cut].Mark != 0 && ms[cut].Mark == ms[cut-1].Mark
}

// TestARestartChangesNothingButTheGap restarts at every message of every story.
func TestARestartChangesNothingButTheGap(t *testing.T) {
	t.Parallel()
	for _, s := range allStories() {
		ms := play(t, s.ladder)
		if len(ms) == 0 {
			continue
		}
		want := outcomes(t, ms, s.wait)
		for cut := range len(ms) + 1 {
			if betweenCopies(ms, cut) || cut == 1 && slices.Contains(notSaved, s.name) ||
				cut > 0 && strings.Contains(s.ladder, "INVITE tag=two") && strings.Contains(s.ladder, "INVITE tag=one") {
				continue // a fork that answers after the restart has a test of its own
			}
			events, _ := restarted(t, ms, cut, s.wait)
			got := last(events)
			if len(got) != len(want) {
				t.Errorf("%s, cut at %d: %d calls, want %d", s.name, cut, len(got), len(want))
				continue
			}
			for i := range got {
				if a, b := withGap(got[i], 0), withGap(want[i], got[i].Missing&event.RestartGap); a != b {
					t.Errorf("%s, cut at %d:\n got %s\nwant %s", s.name, cut, lineOf(got[i]), lineOf(want[i]))
				}
			}
		}
	}
}

func TestAStateOfAnotherVersionIsRefused(t *testing.T) {
	tr := New(DefaultLimits())
	tr.Save(testKeyer)
	ms := play(t, answeredCall)
	for i := range ms {
		tr.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
	}
	s := tr.Changed(nil)[0]
	for cut := range len(s.State) {
		one := calls.Saved{Name: s.Name, State: s.State[:cut]}
		if err := tr.Restore(one, facts.Facts{}); !errors.Is(err, dialog.ErrState) {
			t.Errorf("cut at %d: err = %v, want ErrState", cut, err)
		}
	}
	s.State = slices.Clone(s.State)
	s.State[0]++
	if err := tr.Restore(s, facts.Facts{}); !errors.Is(err, dialog.ErrState) {
		t.Errorf("err = %v, want ErrState", err)
	}
}

// TestNothingOfAnAddressIsInAState looks for the addresses and ports of a ladder.
func TestNothingOfAnAddressIsInAState(t *testing.T) {
	tr := New(DefaultLimits())
	tr.Save(testKeyer)
	ms := play(t, answeredCall)
	for i := range ms {
		tr.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
	}
	for _, s := range tr.Changed(nil) {
		for _, end := range []string{ms[0].Flow.Src.Addr().String(), ms[0].Flow.Dst.Addr().String()} {
			if bytes.Contains(s.State, []byte(end)) {
				t.Error("an address in text")
			}
		}
		src, dst := ms[0].Flow.Src.Addr().AsSlice(), ms[0].Flow.Dst.Addr().AsSlice()
		if bytes.Contains(s.State, src) || bytes.Contains(s.State, dst) {
			t.Error("an address in bytes")
		}
	}
}
