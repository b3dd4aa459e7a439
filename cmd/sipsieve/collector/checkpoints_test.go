package collector

import (
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"testing"
	"time"
)

// TestTheJournalDoesNotMakeTheWireWait has a bus that takes nothing while calls change.
func TestTheJournalDoesNotMakeTheWireWait(t *testing.T) {
	s := demoSetup(t, "../../../configs/quickstart-policy.toml")
	s.Limits.Calls = 1000
	config := configOf(s)
	config.Checkpoints = new(checkpoint.Log)
	c := New(config)
	for range queueLimit {
		c.live.out <- batch{}
	}
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		for i := range 20_000 {
			name := event.Key{byte(i), byte(i >> 8)}
			c.keep(&calls.Saved{Name: name, State: []byte{1}})
			c.keep(&calls.Saved{Name: name, State: []byte{2}})
			if i >= 100 {
				c.keep(&calls.Saved{Name: name, Gone: true})
			}
			c.save()
		}
	}()
	select {
	case <-saved:
	case <-time.After(patience):
		t.Fatal("the collector waits for the bus")
	}
	if n, most := len(c.saved.entries), 3*s.Limits.Calls; n > most || checkpoint.Reported(config.Checkpoints).Failed == 0 {
		t.Errorf("saved = %d, failed = %d, want %d at most, and counted", n, checkpoint.Reported(config.Checkpoints).Failed, most)
	}
	<-c.live.out
	c.save()
	if len(c.saved.entries) != 0 {
		t.Errorf("saved = %d with room again, want 0", len(c.saved.entries))
	}
}
