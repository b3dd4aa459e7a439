package oracle

import (
	"reflect"
	"testing"
)

// TestOracleAgreesWithTheStories holds the oracle against truth from elsewhere.
func TestOracleAgreesWithTheStories(t *testing.T) {
	stories, err := Stories()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stories {
		if d := s.Differs(Records(s.Call.Messages, s.Call.Until)); d != "" {
			t.Errorf("%s:\n%s", s.Name, d)
		}
	}
}

// TestTextOfACallIsTheCall reads again what was written.
func TestTextOfACallIsTheCall(t *testing.T) {
	for seed := range uint64(500) {
		c := Random(seed, AllKinds)
		again, _, err := Parse(c.String())
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
