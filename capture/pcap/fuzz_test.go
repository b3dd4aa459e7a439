package pcap

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzFile states of any file that
//   - reading it makes no more room than its bytes and what is read ahead, whatever it claims;
//   - it has the same frames and the same end plain, gzipped and as Zstandard;
//   - what is read of a part is a prefix of what is read of the whole.
func FuzzFile(f *testing.F) {
	frame := firstFrame(f)
	for _, b := range [][]byte{file(f, "rejected.pcap"), file(f, "rejected.pcapng"),
		rewrite(f, file(f, "rejected.pcap"), bigEndian, true), gzipped(file(f, "rejected.pcapng")),
		zstandard(f, file(f, "rejected.pcap")),
		pcapOf(113).frame(1, 2_000_000, frame).begin().b,
		section().face(1, 0, option{optionName, []byte("eth0")}, option{optionPrecision, []byte{0x94}}).
			enhanced(0, 7<<20, frame, option{optionDrops, uint64(3)}).block(blockSimple, uint32(len(frame)), frame).
			block(blockPacket, uint16(0), uint16(1), uint64(5), uint32(len(frame)), uint32(2000), frame).
			block(blockStatistics, uint32(0), uint64(0), uint16(optionNoRoom), uint16(8), uint64(9)).section().b} {
		f.Add(b, uint16(len(b)/2))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		all, end := framesOf(bytes.NewReader(b))
		if end == nil {
			t.Fatal("the file has no end")
		}
		if !packed(b) {
			alike(t, gzipped(b), all, end)
			alike(t, zstandard(t, b), all, end)
		}
		part, end := framesOf(bytes.NewReader(b[:min(int(cut), len(b))]))
		if end == nil || len(part) > len(all) || !slices.Equal(part, all[:len(part)]) {
			t.Errorf("cut at %d: frames = %d, %v, want a prefix of %d", cut, len(part), end, len(all))
		}
		const ahead = 4 << 20 // buffers, the decoder's tables, the frames as the test keeps them
		if n := allocated(func() { _, _ = packets(b, DefaultConfig()) }); !packed(b) && n > ahead+64*uint64(len(b)) {
			t.Errorf("%d bytes of room for a file of %d", n, len(b))
		}
	})
}

// packed reports whether b begins like a compressed file.
func packed(b []byte) bool {
	plain, err := decompress(&counted{r: bytes.NewReader(b)}, DefaultConfig())
	return err != nil || plain.packed
}

// alike wants a compressed file to read like the plain one.
func alike(t *testing.T, b []byte, want []seen, wantEnd error) {
	t.Helper()
	got, end := framesOf(bytes.NewReader(b))
	if !slices.Equal(got, want) || end.Error() != wantEnd.Error() {
		t.Errorf("compressed: frames = %d, %v, want %d, %v", len(got), end, len(want), wantEnd)
	}
}

// FuzzPackets states that no frame of a file makes the way to its packets panic, or give more packets than the file
// has bytes.
func FuzzPackets(f *testing.F) {
	f.Add(file(f, "rejected.pcap"))
	f.Add(file(f, "rejected.pcapng"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, end := packets(b, DefaultConfig())
		if end == nil || len(got) > len(b) {
			t.Errorf("packets = %d of %d bytes, err = %v", len(got), len(b), end)
		}
	})
}
