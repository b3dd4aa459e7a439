package ledger

import (
	"reflect"
	"testing"
)

func TestLedgersOfTwoDomainsAddUp(t *testing.T) {
	one := func(n uint64) *Ledger {
		l := New()
		l.Sources["source.0"] = Source{Seen: n, LastLoss: Peak(n), OtherKinds: Sums{"rtp": n}}
		l.Others["a"] = Others{"OPTIONS": Sums{"request": n, "2xx": 1}}
		l.Options["a"] = Options{Answered: n, Sum: n, Max: Peak(n), Within: Sums{"1000": n}}
		l.Devices.Known = n
		return l
	}
	sum := New()
	for _, n := range []uint64{2, 5, 3} {
		sum.Add(one(n))
	}
	want := one(10)
	want.Sources["source.0"] = Source{Seen: 10, LastLoss: 5, Refused: Sums{}, OtherKinds: Sums{"rtp": 10}}
	want.Others["a"]["OPTIONS"]["2xx"] = 3
	want.Options["a"] = Options{Answered: 10, Sum: 10, Max: 5, Within: Sums{"1000": 10}}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("got = %+v, want %+v", sum, want)
	}
}
