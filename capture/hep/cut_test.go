package hep

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"sipsieve/capture"
)

// TestPayloadThatIsCutIsReadAsFarAsItGoes cuts packets anywhere behind the beginning of their payload, by their bytes,
// by the length of the chunk, and in what stands behind the payload.
func TestPayloadThatIsCutIsReadAsFarAsItGoes(t *testing.T) {
	whole := packed(mirror())
	body := len(whole) - len(options)
	for n := body + 1; n < len(whole); n++ {
		claims := bytes.Clone(whole[:n])
		binary.BigEndian.PutUint16(claims[len(magic):], uint16(n))
		for name, b := range map[string][]byte{"the packet": whole[:n], "the chunk": claims} {
			var m mirrored
			if why, ok := new(decoder).decode(b, &m); !ok || !m.cut || string(m.payload) != string(options[:n-body]) {
				t.Fatalf("%s cut at %d: refused = %s, cut = %t, payload = %q", name, n, why, m.cut, m.payload)
			}
		}
	}
	refusedAll(t, []refusal{{"nothing of it", whole[:body], capture.Short},
		{"not its head", whole[:body-3], capture.Short}})
	behind := with(mirror(), part{9, 9, []byte("more")})
	for n := len(whole); n < len(behind); n++ {
		var m mirrored
		if why, ok := new(decoder).decode(behind[:n], &m); !ok || m.cut || string(m.payload) != string(options) {
			t.Fatalf("cut behind the payload at %d: refused = %s, cut = %t", n, why, m.cut)
		}
	}
}

// TestCompressedPayloadThatIsCutIsReadAsFarAsItGoes: what cannot be distinguished from a broken one is refused.
func TestCompressedPayloadThatIsCutIsReadAsFarAsItGoes(t *testing.T) {
	z := mirror()
	z.payload, z.compressed = nil, deflated(t, bytes.Repeat(options, 20))
	whole := packed(z)
	var m mirrored
	why, ok := new(decoder).decode(whole[:len(whole)-12], &m)
	if !ok || !m.cut || !bytes.HasPrefix(m.payload, options[:20]) {
		t.Errorf("refused = %s, cut = %t, payload = %.40q", why, m.cut, m.payload)
	}
}

// TestStampsThatAreNoneAreNotBelieved: a million microseconds or more, in each version that has them.
func TestStampsThatAreNoneAreNotBelieved(t *testing.T) {
	v2 := oldPacket(2, mirror())
	binary.LittleEndian.PutUint32(v2[oldIPv4+4:], 1e6)
	bare := mirror()
	bare.stamp = time.Time{}
	for name, b := range map[string][]byte{"a million": instead(chunkMicros, u32(1e6)), "version 2": v2,
		"nanoseconds":      instead(chunkMicros, u32(999_999_999)),
		"all bits":         instead(chunkMicros, u32(1<<32-1)),
		"without a second": with(bare, part{0, chunkMicros, u32(5)})} {
		var m mirrored
		why, ok := new(decoder).decode(b, &m)
		if misdated := name != "without a second"; !ok || !m.stamp.IsZero() || m.misdated != misdated {
			t.Errorf("%s: refused = %s, stamp = %s, misdated = %t", name, why, m.stamp, m.misdated)
		}
	}
	var m mirrored
	if _, ok := new(decoder).decode(instead(chunkMicros, u32(999_999)), &m); !ok || m.misdated || m.stamp.IsZero() {
		t.Error("the last microsecond of a second is refused")
	}
}
