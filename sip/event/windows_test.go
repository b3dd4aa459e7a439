package event

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestWindowsStayFewAndCoverEveryLoss(t *testing.T) {
	const join = time.Millisecond
	r := rand.New(rand.NewPCG(3, 5))
	var l Windows
	var added []Window
	for range 2000 {
		from := 1 + r.Int64N(1<<40)
		w := Window{from, from + r.Int64N(1<<30)}
		added = append(added, w)
		l.Add(w, join)
		apart := func(a, b Window) int {
			if a.From-b.To > int64(join) {
				return 1
			}
			return -1
		}
		if len(l) > mostWindows || !slices.IsSortedFunc(l, apart) {
			t.Fatalf("%d windows, want %d at most, in order and apart", len(l), mostWindows)
		}
	}
	for _, w := range added {
		if !l.Overlap(w.From, w.From) && w.From != w.To || !l.Overlap(w.To-1, w.To) || !l.Overlap(w.From-1, w.To+1) {
			t.Fatal("a loss is not covered")
		}
	}
	if l.Overlap(-100, -1) || l.Overlap(1<<42, 1<<43) {
		t.Error("a time without a loss is covered")
	}
}

func TestTheLastWindowCounts(t *testing.T) {
	var l Windows
	for i := range int64(100) {
		l.Add(Window{i * int64(time.Hour), i*int64(time.Hour) + 10}, time.Second)
	}
	if n := len(l); n != mostWindows {
		t.Errorf("%d windows, want %d", n, mostWindows)
	}
	if end := l.LastEnd(int64(time.Hour)/2, int64(99*time.Hour)+5); end != int64(99*time.Hour)+10 {
		t.Errorf("the last window ends at %d", end)
	}
	if l.LastEnd(int64(time.Hour)/2, 3*int64(time.Hour)/2) == 0 {
		t.Error("an old window is forgotten")
	}
	l = nil
	l.Add(Window{10, 20}, 5)
	l.Add(Window{25, 30}, 5)
	l.Add(Window{36, 40}, 5)
	l.Add(Window{50, 45}, 5)
	if want := (Windows{{10, 30}, {36, 40}}); !slices.Equal(l, want) {
		t.Errorf("windows = %v, want %v", l, want)
	}
}
