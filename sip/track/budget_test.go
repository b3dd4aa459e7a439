package track

import (
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
	"testing"
	"time"
)

// TestABudgetIsNeverExceededAndNobodyIsLeftWithout has one member take all it can before the others come.
func TestABudgetIsNeverExceededAndNobodyIsLeftWithout(t *testing.T) {
	for _, c := range []struct{ total, members, greedy int }{{100, 1, 100}, {100, 2, 75}, {100, 4, 64}, {7, 3, 5}, {1, 1, 1}} {
		b, has := mem.NewBudget(c.total, c.members), make([]int, c.members)
		fill := func(i int) {
			for b.Take(has[i]) {
				has[i]++
			}
		}
		fill(0)
		if has[0] != c.greedy {
			t.Errorf("%d for %d: one has %d, want %d", c.total, c.members, has[0], c.greedy)
		}
		sum := 0
		for i := range has {
			fill(i)
			if sum += has[i]; has[i] == 0 {
				t.Errorf("%d for %d: member %d has none", c.total, c.members, i)
			}
		}
		if sum != c.total {
			t.Errorf("%d for %d: together %d", c.total, c.members, sum)
		}
		for i := range has {
			b.GiveAll(has[i])
		}
		if has[0] = 0; b.Left.Load() != int64(c.total-b.Each*c.members) {
			t.Errorf("%d for %d: %d are left of the rest when all is given back", c.total, c.members, b.Left.Load())
		}
	}
}

// TestDevicesAndLegsShareTheHostsRoom has two domains with more of both than the host remembers.
func TestDevicesAndLegsShareTheHostsRoom(t *testing.T) {
	b := NewBudgets(Limits{Calls: 40, Bindings: 40}, 40, 2, 1)
	known, remembered := uint64(0), uint64(0)
	for range 2 {
		ds, l := NewDevices(40, testKeyer), NewLegs(DefaultLegLimits(40))
		ds.Share(b.Devices)
		l.Share(b.Legs)
		for i := range 100 {
			ds.open(event.Key{byte(i), 1}, int64(i))
			l.open(&event.Event{Time: time.Unix(int64(i), 0), Key: event.Key{byte(i)}, Evidence: &event.Evidence{Leg: event.Key{byte(i)}}})
		}
		known += ds.Counts().Known
		remembered += l.Counts().Remembered
	}
	if known != 40 || remembered != 40 {
		t.Errorf("devices = %d, legs = %d, want 40 of both", known, remembered)
	}
}
