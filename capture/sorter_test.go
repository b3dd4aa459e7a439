package capture

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSorterGivesTheOrderOfAStableSort puts and takes at random and compares with a stable sort.
func TestSorterGivesTheOrderOfAStableSort(t *testing.T) {
	type one struct {
		time int64
		rank uint64
		came int
	}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var s Sorter[one]
		var held []one
		for i := range 2000 {
			if x := (one{int64(i) + r.Int64N(1+int64(seed)), r.Uint64N(3), i}); r.IntN(3) > 0 || len(held) == 0 {
				s.Put(x.time, x.rank, x)
				held = append(held, x)
				continue
			}
			slices.SortStableFunc(held, func(a, b one) int {
				return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.rank, b.rank))
			})
			first, ok := s.First()
			if got := s.Take(); got != held[0] || first != got.time || !ok {
				t.Fatalf("seed %d: first = %+v, want %+v", seed, got, held[0])
			}
			if held = held[1:]; s.Len() != len(held) {
				t.Fatalf("seed %d: %d are held, want %d", seed, s.Len(), len(held))
			}
		}
	}
}

// TestSorterAllocatesNothingOnceItIsLargeEnough fills and empties one.
func TestSorterAllocatesNothingOnceItIsLargeEnough(t *testing.T) {
	var s Sorter[int]
	if n := testing.AllocsPerRun(10, func() {
		for i := range 1000 {
			s.Put(int64(i)^3, 0, i)
		}
		for s.Len() > 0 {
			s.Take()
		}
	}); n != 0 {
		t.Errorf("allocations = %v, want 0", n)
	}
}
