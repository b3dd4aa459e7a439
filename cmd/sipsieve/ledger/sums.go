package ledger

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Sums are counts by a word of a closed set, or by a name that the operator gave.
type Sums map[string]uint64

// Add adds n to the count of key. A count of 0 has no key.
func (s Sums) Add(key string, n uint64) {
	if n > 0 {
		s[key] += n
	}
}

// Total returns the sum of all counts.
func (s Sums) Total() (n uint64) {
	for _, m := range s {
		n += m
	}
	return n
}

// Words returns the counts as text, such as "gre 3, vxlan 4", in the order of their keys.
func (s Sums) Words() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		list = append(list, fmt.Sprintf("%s %d", name, s[name]))
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

// A Peak is the highest value that was seen: two together are the higher of both.
type Peak uint64

// plus adds the counts of b to those of a, which are structs or maps of counts: a Peak becomes the higher of both.
func plus[T any](a, b *T) { plusValue(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()) }

func plusValue(a, b reflect.Value) {
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			plusValue(a.Field(i), b.Field(i))
		}
	case reflect.Uint64:
		if a.Type() == reflect.TypeFor[Peak]() {
			a.SetUint(max(a.Uint(), b.Uint()))
			return
		}
		a.SetUint(a.Uint() + b.Uint())
	case reflect.Map:
		plusMap(a, b)
	}
}

func plusMap(a, b reflect.Value) {
	if a.IsNil() {
		a.Set(reflect.MakeMap(a.Type()))
	}
	for _, key := range b.MapKeys() {
		sum := reflect.New(a.Type().Elem()).Elem()
		if have := a.MapIndex(key); have.IsValid() {
			sum.Set(have)
		}
		plusValue(sum, b.MapIndex(key))
		a.SetMapIndex(key, sum)
	}
}

// A balance collects the sums that do not come out.
type balance struct {
	inFlight bool // messages may be between a reader and a shard: a part may be less than the whole
	errs     []error
}

// equal requires got to be want.
func (b *balance) equal(name string, got, want uint64) {
	if got != want {
		b.errs = append(b.errs, fmt.Errorf("ledger: %s: %d is not %d", name, got, want))
	}
}

// whole requires the parts to make up all, and no more than that while some are in flight.
func (b *balance) whole(name string, all, parts uint64) {
	if !b.inFlight || parts > all {
		b.equal(name, all, parts)
	}
}

// atMost requires part to be no more than all.
func (b *balance) atMost(name string, part, all uint64) {
	if part > all {
		b.errs = append(b.errs, fmt.Errorf("ledger: %s: %d of %d", name, part, all))
	}
}

func (b *balance) err() error { return errors.Join(b.errs...) }
