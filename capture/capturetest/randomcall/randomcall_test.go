package randomcall

import (
	"reflect"
	"testing"

	"sipsieve/capture/capturetest/oracle"
)

// TestTextOfACallIsTheCall reads again what was written.
func TestTextOfACallIsTheCall(t *testing.T) {
	for seed := range uint64(500) {
		c := Random(seed, AllKinds)
		again, _, err := oracle.Parse(c.String())
		if err != nil {
			t.Fatal(err)
		}
		if again.Until != c.Until || !reflect.DeepEqual(again.Messages, c.Messages) && len(c.Messages) > 0 {
			t.Fatalf("seed %d: not the same when it is read again", seed)
		}
		if other := Random(seed, AllKinds); !reflect.DeepEqual(other, c) {
			t.Fatalf("seed %d: not the same call twice", seed)
		}
	}
}

// TestEveryKindIsDrawn finds each kind among the calls of the gate.
func TestEveryKindIsDrawn(t *testing.T) {
	var seen [KindCount]int
	for seed := range uint64(5000) {
		c := Random(seed+1, AllKinds)
		for k := range KindCount {
			if c.Kinds.Has(k) {
				seen[k]++
			}
		}
	}
	for k, n := range seen {
		if n < 50 {
			t.Errorf("%s: %d of 5000 calls", Kind(k), n)
		}
	}
}
