package store

import "sipsieve/store/policy"

// A Place is a partition: a purpose and the day all of it expires.
type Place struct {
	Purpose string
	Expires policy.Date
}

// PlaceOf returns the partition of x.
func PlaceOf(x policy.Excerpt) Place { return Place{x.Purpose, x.Expires} }

// Next returns the place so many days later.
func (p Place) Next(days int) Place {
	return Place{p.Purpose, policy.DateOf(p.Expires.Time().AddDate(0, 0, days))}
}

// SortOut returns the partitions of xs in the order of their first excerpt, and refuses purposes that are no names.
func SortOut(xs []policy.Excerpt) (order []Place, byPlace map[Place][]policy.Excerpt, refused Refused) {
	byPlace = map[Place][]policy.Excerpt{}
	for _, x := range xs {
		if err := CheckName(x.Purpose); err != nil {
			refused = append(refused, Refusal{Purpose: x.Purpose, Count: 1, Err: err, Excerpts: []policy.Excerpt{x}})
			continue
		}
		p := PlaceOf(x)
		if byPlace[p] == nil {
			order = append(order, p)
		}
		byPlace[p] = append(byPlace[p], x)
	}
	return order, byPlace, refused
}
