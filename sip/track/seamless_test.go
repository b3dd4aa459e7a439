package track

import (
	"testing"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// TestASeamlessRestartChangesNoRecord restarts at any message and shows the Tracker the last messages before it, too:
// it reports every call as if there had been no restart.
func TestASeamlessRestartChangesNoRecord(t *testing.T) {
	ms := play(t, hungUp)
	want := outcomes(t, ms, time.Minute)
	for cut := 1; cut < len(ms); cut++ {
		for again := range cut {
			tr := New(DefaultLimits())
			tr.Save(testKeyer)
			j := newJournal()
			for i := range ms[:cut] {
				tr.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
			}
			j.take(tr.Changed(nil))
			next := New(DefaultLimits())
			next.Save(testKeyer)
			next.Seamless()
			for i := cut - again; i < cut; i++ {
				next.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
			}
			for _, s := range j.saved {
				if first := s.First(); !first.Equal(ms[0].Time) {
					t.Errorf("first = %v, want %v", first, ms[0].Time)
				}
				if err := next.Restore(s, facts.Facts{}); err != nil {
					t.Fatal(err)
				}
			}
			var events []event.Event
			for i := cut; i < len(ms); i++ {
				events = next.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
			}
			got := callsIn(next.Finish(next.Advance(events, ms[len(ms)-1].Time.Add(time.Hour))))
			if len(got) != 1 || lineOf(got[0]) != lineOf(want[0]) {
				t.Errorf("cut at %d, %d again: calls = %v, want %v", cut, again, inWords(got), inWords(want))
			}
			if n := next.Counts(); n.Live != 0 {
				t.Errorf("cut at %d, %d again: live = %d, want 0", cut, again, n.Live)
			}
		}
	}
}
