package mem

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestListsAgreeWithSlices moves numbers between lists at random, and a model of plain slices with them.
func TestListsAgreeWithSlices(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var lists Lists
	model := make([][]uint32, 5)
	for step := range 20000 {
		n, to := uint32(1+random.IntN(40)), uint32(random.IntN(5))
		old := lists.Of(n)
		if lists.Move(n, to); old != to {
			model[old] = slices.DeleteFunc(model[old], func(m uint32) bool { return m == n })
			if to != 0 {
				model[to] = append(model[to], n)
			}
		}
		for list := uint32(1); list < 5; list++ {
			want := slices.Clone(model[list])
			slices.Reverse(want)
			var got []uint32
			for m := lists.Last(list); m != 0; m = lists.Before(m) {
				got = append(got, m)
			}
			if !slices.Equal(got, want) || lists.Len(list) != len(want) ||
				len(want) > 0 && lists.First(list) != want[len(want)-1] || len(want) == 0 && lists.First(list) != 0 {
				t.Fatalf("step %d: list %d is %v from its end, want %v", step, list, got, want)
			}
		}
	}
}

// TestListKeepsTheOrderOfAppend appends numbers, one of them again, and takes the first ones out.
func TestListKeepsTheOrderOfAppend(t *testing.T) {
	var list List
	for _, n := range []uint32{3, 1, 2, 3} {
		list.Append(n)
	}
	list.Remove(9)
	var got []uint32
	for n := list.First(); n != 0; n = list.First() {
		got = append(got, n)
		list.Remove(n)
	}
	if want := []uint32{1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("order = %v, want %v", got, want)
	}
}

// TestDeadlinesExpireInOrder sets, postpones, brings forward and stops timers at random.
func TestDeadlinesExpireInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var d Deadlines
	model := map[uint32]int64{}
	for now := int64(1); now < 5000; now++ {
		n := uint32(1 + random.IntN(60))
		if random.IntN(4) == 0 {
			d.Stop(n)
			delete(model, n)
		} else {
			model[n] = now + random.Int64N(200)
			d.Set(n, model[n])
		}
		for n, due, ok := d.Expired(now); ok; n, due, ok = d.Expired(now) {
			if model[n] != due || due > now || d.When(n) != 0 {
				t.Fatalf("%d expired at %d as of %d, want %d", n, due, now, model[n])
			}
			delete(model, n)
		}
		for n, due := range model {
			if due <= now || d.When(n) != due {
				t.Fatalf("at %d: %d's timer = %d, want %d", now, n, d.When(n), due)
			}
		}
	}
}

// TestArenaKeepsTexts puts texts of all lengths, in place of each other, and reads them again.
func TestArenaKeepsTexts(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var a Arena
	var texts [20]Text
	var want [20][]byte
	for step := range 5000 {
		i := random.IntN(len(texts))
		b := make([]byte, random.IntN(MaxText+100)>>random.IntN(12))
		for j := range b {
			b[j] = byte(step)
		}
		texts[i], want[i] = a.Put(texts[i], b), b[:min(len(b), MaxText)]
		if j := random.IntN(len(texts)); step%7 == 0 {
			a.Free(texts[j])
			texts[j], want[j] = Text{}, nil
		}
		for j := range texts {
			if string(a.Get(texts[j])) != string(want[j]) {
				t.Fatalf("step %d: text %d differs", step, j)
			}
		}
	}
}

// TestSlabGivesFreeNumbersAgain takes, frees and takes numbers.
func TestSlabGivesFreeNumbersAgain(t *testing.T) {
	var s Slab[int]
	for want := uint32(1); want <= 3*chunk; want++ {
		n := s.New()
		if n != want {
			t.Fatalf("number = %d, want %d", n, want)
		}
		*s.At(n) = int(n)
	}
	s.Free(chunk)
	n, other := uint32(chunk+1), uint32(0)
	s.Clear(&n)
	if *s.Ensure(&other) != 0 || other != chunk+1 || n != 0 || s.Len() != 3*chunk-1 || s.Top() != 3*chunk {
		t.Errorf("number %d after %d, %d in use of %d", other, n, s.Len(), s.Top())
	}
}
