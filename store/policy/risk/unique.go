// This file has methods of sheet because they are about one purpose by itself.

package risk

import (
	"cmp"
	"slices"
)

// mostNamed is how many columns a list of a Report names.
const mostNamed = 5

// uniqueness returns the figures of t. Rows with equal sums are taken for equal: a chance of 1 in 10^11 at the limit.
func (t *sheet) uniqueness(purpose, kind string) Uniqueness {
	u := Uniqueness{Purpose: purpose, Kind: kind, Records: len(t.rows), Without: []Without{}}
	sums := make([]uint64, len(t.rows))
	for i := range t.rows {
		for c, v := range t.rows[i].values {
			sums[i] += mix(uint64(c)<<32 | uint64(v))
		}
	}
	sizes := setSizes(sums)
	u.Unique = percent(ones(sizes), len(sizes))
	slices.Sort(sizes)
	u.Median, u.Small = sizes[len(sizes)/2], sizes[len(sizes)/20]
	rest := make([]uint64, len(sums))
	for c, name := range t.columns {
		for i := range t.rows {
			rest[i] = sums[i] - mix(uint64(c)<<32|uint64(t.rows[i].values[c]))
		}
		if p := percent(ones(setSizes(rest)), len(rest)); p < u.Unique {
			u.Without = append(u.Without, Without{name, p})
		}
	}
	u.Without = strongest(u.Without)
	return u
}

// setSizes returns for each sum how many are equal to it.
func setSizes(sums []uint64) []int {
	count := map[uint64]int{}
	for _, s := range sums {
		count[s]++
	}
	sizes := make([]int, len(sums))
	for i, s := range sums {
		sizes[i] = count[s]
	}
	return sizes
}

func ones(sizes []int) (n int) {
	for _, size := range sizes {
		if size == 1 {
			n++
		}
	}
	return n
}

// strongest returns those that leave least, mostNamed at most.
func strongest(all []Without) []Without {
	slices.SortStableFunc(all, func(a, b Without) int { return cmp.Compare(a.Percent, b.Percent) })
	return all[:min(len(all), mostNamed)]
}

// mix returns a number that looks random and is always the same for x (SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
