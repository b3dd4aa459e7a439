package capturetest

import (
	"slices"
	"testing"

	"sipsieve/capture"
)

// everyLadder returns the answered call over each transport and family.
func everyLadder(t *testing.T) (frames []Frame) {
	t.Helper()
	for _, options := range []string{"", "transport tcp\n", "ipv6\n", "transport tcp\nipv6\n"} {
		more, err := Ladder([]byte(options + answered))
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, more...)
	}
	return frames
}

// TestTsharkFindsTheSameCallsInEveryEncapsulation makes one capture of each kind, with each transport and family in
// it, and has tshark count what it finds, without a complaint.
func TestTsharkFindsTheSameCallsInEveryEncapsulation(t *testing.T) {
	plain := everyLadder(t)
	find := func(frames []Frame) []string {
		return tshark(t, frames, "sip or "+faulty, "sip.Call-ID", "sip.CSeq", "_ws.expert.message")
	}
	want := find(plain)
	if len(want) != 44 {
		t.Fatalf("messages = %d, want 4 calls of 11", len(want))
	}
	for kind := range capture.Encapsulations {
		for _, v6 := range []bool{false, true} {
			if v6 && kind < capture.IPIP {
				continue // without addresses of its own
			}
			if got := find(Encapsulate(plain, Wrapping{Kind: kind, IPv6: v6})); !slices.Equal(got, want) {
				t.Errorf("%v (IPv6 %v): messages = %d, want the %d of the plain form: %q", kind, v6, len(got), len(want), got)
			}
		}
	}
}

func TestEncapsulationsAreTheSameEveryTime(t *testing.T) {
	plain := everyLadder(t)
	for kind := range capture.Encapsulations {
		a, b := Encapsulate(plain, Wrapping{Kind: kind}), Encapsulate(plain, Wrapping{Kind: kind})
		if !slices.EqualFunc(a, b, func(x, y Frame) bool { return string(x.Data) == string(y.Data) && x.Link == y.Link }) {
			t.Errorf("%v: two captures differ", kind)
		}
		other := Encapsulate(plain, Wrapping{Kind: kind, ID: 5})
		if slices.EqualFunc(a, other, func(x, y Frame) bool { return string(x.Data) == string(y.Data) }) &&
			kind != capture.CookedV1 && kind != capture.CookedV2 && kind != capture.IPIP && kind != capture.ERSPAN1 {
			t.Errorf("%v: the identifier makes no difference", kind)
		}
	}
}
