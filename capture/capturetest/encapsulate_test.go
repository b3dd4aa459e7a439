package capturetest

import (
	"fmt"
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

// TestTsharkFindsTheSameCallsInEveryEncapsulation has tshark list what it finds in each kind, with each transport and
// family in it, without a complaint. All kinds of one link type are in one capture, hours apart and from other
// addresses.
func TestTsharkFindsTheSameCallsInEveryEncapsulation(t *testing.T) {
	t.Parallel()
	plain, wrapped := map[uint16][]Frame{}, map[uint16][]Frame{}
	names, n := map[string]string{}, 0
	for kind := range capture.Encapsulations {
		for _, v6 := range []bool{false, true} {
			if v6 && kind < capture.IPIP {
				continue // without addresses of its own
			}
			for _, options := range []string{"", "transport tcp\n", "ipv6\n", "transport tcp\nipv6\n"} {
				frames := calledFrom(t, n, options)
				inside := Encapsulate(frames, Wrapping{Kind: kind, IPv6: v6})
				link := inside[0].Link
				plain[link], wrapped[link] = append(plain[link], frames...), append(wrapped[link], inside...)
				names[fmt.Sprint(1+n)] = fmt.Sprintf("%v (IPv6 %v)", kind, v6)
				n++
			}
		}
	}
	find := func(frames []Frame) []string {
		return tshark(t, frames, "sip or "+faulty, "sip.Call-ID", "sip.CSeq", "_ws.expert.message")
	}
	found := 0
	for link := range plain {
		want, got := find(plain[link]), find(wrapped[link])
		found += len(got)
		if !slices.Equal(got, want) {
			t.Errorf("link type %d: messages = %d, want the %d of the plain form, first %q",
				link, len(got), len(want), firstOther(got, want))
		}
	}
	if found != 11*n {
		t.Errorf("messages = %d, want %d calls of 11; the last numbers of callers are of %v", found, n, names)
	}
}

// firstOther returns the first line of got that is not that of want.
func firstOther(got, want []string) string {
	for i, line := range got {
		if i == len(want) || line != want[i] {
			return line
		}
	}
	return ""
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
