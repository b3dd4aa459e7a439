package collector

import (
	"testing"

	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/sip/event"
)

// TestWhatIsLiveShedsTheLeastImportantAndCountsIt fills a bus that takes nothing.
func TestWhatIsLiveShedsTheLeastImportantAndCountsIt(t *testing.T) {
	s := demoSetup(t, "../../../configs/quickstart-policy.toml")
	c := New(configOf(s))
	for i := range s.Purposes { // billing is the most important, the others are alike
		if s.Purposes[i].Name == "billing" && s.Purposes[i].Priority >= s.Purposes[(i+1)%len(s.Purposes)].Priority {
			t.Fatal("the shipped policy shows nothing here")
		}
	}
	var events []*event.Event
	follow(t, 300, func(ev *event.Event) { e := *ev; events = append(events, &e) })
	tellAll := func(made uint64) {
		for l := ledger.New(); l.Excerpts["billing"].Made < made; c.AddTo(l) {
			for _, ev := range events {
				c.emit(ev)
			}
		}
	}
	tellAll(shedLimit)
	l := ledger.New()
	c.AddTo(l)
	if got := l.Excerpts["billing"].Suppressed.Total(); got != 0 {
		t.Errorf("billing: %d are gone, want none while others can go", got)
	}
	tellAll(10 * shedLimit)
	l = ledger.New()
	c.AddTo(l)
	if l.Excerpts["billing"].Suppressed["overflow"] == 0 {
		t.Error("billing: none is gone, and memory has a limit")
	}
	gone := uint64(0)
	for _, x := range l.Excerpts {
		gone += x.Suppressed["overflow"]
	}
	announced := uint64(0)
	for _, loss := range c.losses.pending {
		if loss != nil {
			announced += loss.Count
		}
	}
	if gone == 0 || announced != gone || len(c.live.pending) >= shedLimit+putLimit || len(c.live.out) != queueLimit {
		t.Errorf("gone = %d, announced = %d, waiting = %d beside %d batches", gone, announced, len(c.live.pending), len(c.live.out))
	}
	if err := l.Balance(false); err != nil {
		t.Error(err)
	}
}
