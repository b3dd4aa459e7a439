package pcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"sipsieve/capture"
)

// many is a file with that many frames, a millisecond apart: the requests and responses of the test file, each with
// bytes of its own, so that it compresses no better than a capture does.
func many(tb testing.TB, n int) (classic, next []byte) {
	all := wholly(tb, file(tb, "rejected.pcap"))
	c, g := pcapOf(1), section().face(1, 0)
	for i := range n {
		frame := []byte(all[i%len(all)].bytes)
		copy(frame[len(frame)-16:], fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15))
		c.frame(uint32(i/1000), uint32(i%1000*1000), frame)
		g.enhanced(0, uint64(i)*1000, frame)
	}
	return c.b, g.b
}

const frameCount = 20_000

// BenchmarkFrames reads 20,000 frames and decodes none: the floor. Its unit is the frame.
func BenchmarkFrames(b *testing.B) {
	classic, next := many(b, frameCount)
	for _, c := range []struct {
		name string
		file []byte
	}{{"pcap", classic}, {"pcapng", next}, {"gzip", gzipped(classic)}, {"zstd", zstandard(b, classic)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				readFrames(b, c.file)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/frameCount, "ns/frame")
		})
	}
}

func readFrames(b *testing.B, file []byte) {
	s, err := New("test", bytes.NewReader(file), DefaultConfig())
	n := 0
	for ; err == nil; n++ {
		err = s.read.next(&s.coming)
	}
	if !errors.Is(err, io.EOF) || n != frameCount+1 {
		b.Fatalf("frames = %d, %v", n-1, err)
	}
}

// BenchmarkMerge reads 20,000 packets out of that many files.
func BenchmarkMerge(b *testing.B) {
	classic, _ := many(b, frameCount)
	for _, n := range []int{1, 8, 64} {
		files := split(b, classic, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m := capture.Merge(opened(b, files...)...)
				for _, err := m.Next(); err == nil; _, err = m.Next() {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/frameCount, "ns/packet")
		})
	}
}
