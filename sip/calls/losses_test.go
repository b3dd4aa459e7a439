package calls

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestLossWindowsStayFewAndHoldEveryLoss(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	var l losses
	var said []window
	for range 2000 {
		from := r.Int64N(1 << 40)
		w := window{from, from + r.Int64N(1<<30)}
		said = append(said, w)
		l = l.with(w)
		apart := func(a, b window) int { return int(min(max(a.from-b.to, -1), 1)) }
		if len(l) > mostLosses || !slices.IsSortedFunc(l, apart) {
			t.Fatalf("%d windows, want %d at most, in order and apart", len(l), mostLosses)
		}
	}
	for _, w := range said {
		if !l.meet(w.from, w.from) || !l.meet(w.to-1, w.to) || !l.meet(w.from-1, w.to+1) {
			t.Fatal("a loss that was said is not held")
		}
	}
	if l.meet(-100, -1) || l.meet(1<<42, 1<<43) {
		t.Error("a loss that was not said is held")
	}
}
