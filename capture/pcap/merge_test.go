package pcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"sipsieve/capture"
)

// opened opens files that lie in memory.
func opened(t testing.TB, files ...[]byte) (all []capture.Source) {
	t.Helper()
	for i, b := range files {
		s, err := New(fmt.Sprint(i), bytes.NewReader(b), DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// pull reads all of a Source: times with payloads, and what ended it.
func pull(s capture.Source) (all []string, end error) {
	for {
		p, err := s.Next()
		if err != nil {
			return all, err
		}
		all = append(all, p.Time.String()+string(p.Payload))
	}
}

// split deals the frames of a file to n files.
func split(t testing.TB, b []byte, n int) [][]byte {
	deal := rand.New(rand.NewPCG(1, uint64(n)))
	parts := make([]*classicFile, n)
	for i := range parts {
		parts[i] = &classicFile{o: littleEndian, magic: 0xa1b23c4d, link: 1}
		parts[i].begin()
	}
	for _, f := range wholly(t, b) {
		parts[deal.IntN(n)].frame(uint32(f.at.Unix()), uint32(f.at.Nanosecond()), []byte(f.bytes))
	}
	var out [][]byte
	for _, p := range parts {
		out = append(out, p.b)
	}
	return out
}

// TestMergeOfASplitCaptureIsTheCapture deals one file to up to twenty, some of which stay empty.
func TestMergeOfASplitCaptureIsTheCapture(t *testing.T) {
	whole := file(t, "rejected.pcap")
	want, _ := packets(whole, DefaultConfig())
	for n := range 20 {
		m := capture.Merge(opened(t, split(t, whole, n+1)...)...)
		got, end := pull(m)
		if !slices.Equal(got, want) || !errors.Is(end, io.EOF) {
			t.Errorf("%d files: packets = %d, %v, want the %d of the capture", n+1, len(got), end, len(want))
		}
		if seen := m.Drops().Seen; seen != uint64(len(want)) {
			t.Errorf("%d files: seen = %d, want %d", n+1, seen, len(want))
		}
	}
}

func TestPacketsOfOneTimeComeInTheOrderOfTheirFiles(t *testing.T) {
	frame := firstFrame(t)
	var files [][]byte
	for i := range 9 {
		f := pcapOf(1)
		for sec := range 5 {
			f.frame(uint32(sec), 0, append(bytes.Clone(frame[:len(frame)-1]), byte('0'+i)))
		}
		files = append(files, f.b)
	}
	got, _ := pull(capture.Merge(opened(t, files...)...))
	for i, p := range got {
		if want := byte('0' + i%9); p[len(p)-1] != want {
			t.Fatalf("packet %d is of file %c, want %c", i, p[len(p)-1], want)
		}
	}
	if len(got) != 45 {
		t.Errorf("packets = %d, want 45", len(got))
	}
}

func TestMergeReturnsWhatEndedAFileWhenAllHaveEnded(t *testing.T) {
	whole := file(t, "rejected.pcap")
	m := capture.Merge(opened(t, whole[:300], whole, pcapOf(1).frame(1, 0, nil).b[:30])...)
	got, end := pull(m)
	if len(got) != 9 || !errors.Is(end, ErrTruncated) {
		t.Errorf("packets = %d, %v, want 9 and ErrTruncated", len(got), end)
	}
	if _, again := m.Next(); !errors.Is(again, ErrTruncated) {
		t.Errorf("next = %v, want the same again", again)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := capture.Merge().Next(); !errors.Is(err, io.EOF) {
		t.Errorf("nothing merged: err = %v, want the end", err)
	}
}
