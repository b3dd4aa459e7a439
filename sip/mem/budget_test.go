package mem

import "testing"

// TestABudgetIsNeverExceededAndNobodyIsLeftWithout has one member take all it can before the others come.
func TestABudgetIsNeverExceededAndNobodyIsLeftWithout(t *testing.T) {
	for _, c := range []struct{ total, members, greedy int }{{100, 1, 100}, {100, 2, 75}, {100, 4, 64}, {7, 3, 5}, {1, 1, 1}} {
		b, has := NewBudget(c.total, c.members), make([]int, c.members)
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
		if has[0] = 0; b.left.Load() != int64(c.total-b.each*c.members) {
			t.Errorf("%d for %d: %d are left of the rest when all is given back", c.total, c.members, b.left.Load())
		}
	}
}
