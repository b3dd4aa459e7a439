package pcap

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// allocated returns how many bytes f makes room for.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestCompressionIsRecognisedByTheMagic(t *testing.T) {
	plain := file(t, "rejected.pcap")
	want := wholly(t, plain)
	for name, b := range map[string][]byte{"gzip": gzipped(plain), "zstd": zstandard(t, plain)} {
		if got := wholly(t, b); !slices.Equal(got, want) {
			t.Errorf("%s: %d frames, want the %d of the plain file", name, len(got), len(want))
		}
	}
}

func TestGzipWithoutOrWithAWrongTrailerGivesAllAndAnError(t *testing.T) {
	b := gzipped(file(t, "rejected.pcap"))
	got, end := framesOf(bytes.NewReader(b[:len(b)-8]))
	if len(got) != 9 || !errors.Is(end, ErrTruncated) {
		t.Errorf("without: frames = %d, %v, want 9 and ErrTruncated", len(got), end)
	}
	b[len(b)-8] ^= 1
	got, end = framesOf(bytes.NewReader(b))
	if len(got) != 9 || end == nil || errors.Is(end, io.EOF) || errors.Is(end, ErrTruncated) {
		t.Errorf("wrong: frames = %d, %v, want 9 and an error of its own", len(got), end)
	}
}

func TestDecompressedSizeIsBounded(t *testing.T) {
	t.Parallel()
	bomb := append(file(t, "rejected.pcap"), make([]byte, 8<<20)...)
	for name, b := range map[string][]byte{"gzip": gzipped(bomb), "zstd": zstandard(t, bomb)} {
		got, end := framesOf(bytes.NewReader(b))
		if !errors.Is(end, errTooLarge) || len(got) < 9 {
			t.Errorf("%s: frames = %d, err = %v, want 9 or more and errTooLarge", name, len(got), end)
		}
	}
	cfg := DefaultConfig()
	cfg.Decompressed = 100
	if _, end := packets(gzipped(file(t, "rejected.pcap")), cfg); !errors.Is(end, errTooLarge) {
		t.Errorf("size: err = %v, want errTooLarge", end)
	}
}

func TestZstandardWindowIsBounded(t *testing.T) {
	long := make([]byte, 17<<20)
	copy(long, file(t, "rejected.pcap"))
	b := zstandard(t, long, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
	var end error
	room := allocated(func() { _, end = framesOf(bytes.NewReader(b)) })
	if !errors.Is(end, errWindow) || room > 4<<20 {
		t.Errorf("err = %v and %d bytes of room, want errWindow and less than 4 MiB", end, room)
	}
}
