package track

import (
	"slices"
	"testing"
	"time"

	"sipsieve/sip/event"
)

// TestLossPutsOffTheExpiryOfBindings has a loss while a binding may have been refreshed.
func TestLossPutsOffTheExpiryOfBindings(t *testing.T) {
	const granted = 3600
	for _, c := range []struct {
		name     string
		from, to float64 // of the loss, seconds; none if both are 0
		expired  float64 // when the binding expires, as published
	}{
		{"no loss", 0, 0, granted},
		{"a loss when it would have been refreshed", 50 * 60, 59 * 60, 59*60 + granted},
		{"a loss over its end", 59 * 60, granted + 20, granted + 20 + granted},
		{"a short loss", 1800, 1800.001, 1800.001 + granted},
		{"a loss before it", -60, -30, granted},
		{"a loss after its expiry was published", granted + 100, granted + 200, granted},
	} {
		tr := New(DefaultLimits())
		var events []event.Event
		for _, m := range play(t, first) {
			events = tr.Observe(events, &m, testKeyer.Of(&m))
		}
		if c.to != 0 {
			events = tr.Advance(events, at(c.to).Add(-time.Millisecond/2))
			tr.Missed(at(c.from), at(c.to))
		}
		events = tr.Advance(events, ladderStart.Add(24*time.Hour))
		i := slices.IndexFunc(events, func(e event.Event) bool {
			return e.Kind == event.RegistrationKind && e.Registration.State == event.Expired
		})
		if i < 0 {
			t.Errorf("%s: never expired", c.name)
			continue
		}
		if got, want := events[i].Registration.At, at(c.expired); got.Sub(want).Abs() > 20*time.Millisecond {
			t.Errorf("%s: expired at %v, want %v", c.name, got.Sub(ladderStart), want.Sub(ladderStart))
		}
	}
}

// TestAStepBackExpiresNothingAtOnce reads a call whose times lie before the clock: another call was read first.
func TestAStepBackExpiresNothingAtOnce(t *testing.T) {
	for _, back := range []time.Duration{time.Minute, time.Hour, 26 * time.Hour} {
		for name, want := range map[string]string{
			hungUp: answeredWords,
			"00:00.000  alice -> bob INVITE\n00:01.000  alice <- bob 486\n00:01.100  alice -> bob ACK\n": "0s: busy complete",
			answeredUnseen + "01:00.000  alice <- bob BYE\n01:00.100  alice -> bob 200 BYE\n":            "never first 60s: answered",
		} {
			tr := New(DefaultLimits())
			events := tr.Advance(nil, ladderStart.Add(back))
			ms := play(t, name)
			for i := range ms {
				before := len(events)
				events = tr.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
				if len(events) > before && i < len(ms)-2 {
					t.Errorf("back %v: published at message %d", back, i+1)
				}
			}
			events = tr.Finish(events)
			c := one(t, callsIn(events))
			if got := lineOf(c); len(got) < len(want) || got[:len(want)] != want {
				t.Errorf("back %v: got %s, want %s", back, got, want)
			}
		}
	}
}

const answeredWords = "0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100%"
