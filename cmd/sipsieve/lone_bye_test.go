package main

import (
	"bytes"
	"testing"

	"sipsieve/capture/capturetest"
)

// TestBYEsAloneOfOneDialogHaveIDsOfTheirOwn has a dialog of which BYEs are seen, hours apart and from both sides:
// records of one id and revision would replace each other.
func TestBYEsAloneOfOneDialogHaveIDsOfTheirOwn(t *testing.T) {
	frames, err := capturetest.Ladder([]byte(`
00:00.000  alice -> bob   BYE
00:00.020  alice <- bob   200 BYE
02:00:00.000  alice <- bob   BYE
02:00:00.020  alice -> bob   200 BYE
04:00:00.000  alice -> bob   BYE
    CSeq: 77 BYE
04:00:00.020  alice <- bob   200 BYE
    CSeq: 77 BYE
`))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := capturetest.WritePcap(&file, frames); err != nil {
		t.Fatal(err)
	}
	ids := idsOf(t, replayed(t, livePolicy, "", written(t, file.Bytes())))
	if n := len(ids["billing"]); n != 2 { // the first names one tag only
		t.Errorf("records of billing = %d, want 2", n)
	}
}
