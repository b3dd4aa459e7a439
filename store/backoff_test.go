package store

import (
	"testing"
	"time"
)

func TestABackoffDoublesUpToItsLastAndIsSpread(t *testing.T) {
	b, seen := NewBackoff(), map[time.Duration]bool{}
	for range 50 {
		for _, most := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
			most *= time.Millisecond
			wait := b.Next()
			if seen[wait] = true; wait < most/2 || wait > most {
				t.Fatalf("wait = %v, want %v to %v", wait, most/2, most)
			}
		}
		b.Reset()
	}
	if len(seen) < 300 {
		t.Errorf("%d different waits of 400: not spread", len(seen))
	}
}
