package bindings

import (
	"testing"
	"time"
)

func TestManyGapsAreRememberedAsFew(t *testing.T) {
	var b book
	for i := range int64(100) {
		b.blind(i*int64(time.Hour), i*int64(time.Hour)+1)
	}
	if n := len(b.gaps); n != mostGaps {
		t.Errorf("%d gaps, want %d", n, mostGaps)
	}
	if b.unseen(int64(time.Hour)/2, 3*int64(time.Hour)/2) == 0 {
		t.Error("an old gap is forgotten")
	}
}
