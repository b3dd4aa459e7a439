package pcap

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
)

// talk is the frames of two calls by TCP, cut into segments, and one by UDP in fragments.
func talk(t testing.TB) []capturetest.Frame {
	t.Helper()
	ladder := ""
	for i, how := range []string{"transport tcp\nmtu 576", "transport udp\nmtu 600", "transport tcp\nmtu 640"} {
		ladder += fmt.Sprintf("%s\ncallid call%d\n00:%02d.000  a%d -> b%d   INVITE sdp\n    Subject: %s\n"+
			"00:%02d.300  a%d <- b%d   200 INVITE sdp\n"+
			"00:%02d.500  a%d -> b%d   ACK\n00:%02d.500  a%d -> b%d   BYE\n00:%02d.700  a%d <- b%d   200 BYE\n",
			how, i, i, i, i, strings.Repeat("long ", 500), i, i, i, i, i, i, i+3, i, i, i+3, i, i)
	}
	frames, err := capturetest.Ladder([]byte("start 2026-03-01T09:00:00Z\n" + ladder))
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

// A rotation writes frames into n files of a folder and returns them as a Dir would.
func rotation(t testing.TB, frames []capturetest.Frame, n int) (files []*File) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("%02d.pcap", i))
		w, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		some := frames[len(frames)*i/n : len(frames)*(i+1)/n]
		if err := errors.Join(capturetest.WritePcap(w, some), w.Close()); err != nil {
			t.Fatal(err)
		}
		files = append(files, fileAt(t, path))
	}
	return files
}

func fileAt(t testing.TB, path string) *File {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &File{Path: path, Mark: markOf(st)}
	b, err := begin(path)
	if err != nil {
		t.Fatal(err)
	}
	b.describe(&f.Mark)
	return f
}

// said is what a test compares of a packet.
func said(p *capture.Packet) string {
	return fmt.Sprintf("%v %v %v %v %x", p.Time.UnixNano(), p.Flow, p.Lost, p.Ended, p.Payload)
}

// drain reads s until it has no more, and returns what was not given before a restart.
func drain(t testing.TB, s *Series, most int) (all []string) {
	t.Helper()
	for len(all) < most {
		p, err := s.Next()
		switch {
		case errors.Is(err, ErrIdle), errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		case !p.Bare() && !s.Again():
			all = append(all, said(&p))
		}
	}
	return all
}

const everything = 1 << 30

// TestARotationReadsLikeOneFile wants streams and fragments to go on from file to file, however many there are.
func TestARotationReadsLikeOneFile(t *testing.T) {
	frames := talk(t)
	want := drain(t, newSeries(rotation(t, frames, 1)...), everything)
	if len(want) < 15 {
		t.Fatalf("packets = %d: the test shows nothing", len(want))
	}
	for n := 2; n < 12; n++ {
		if got := drain(t, newSeries(rotation(t, frames, n)...), everything); !slices.Equal(got, want) {
			t.Errorf("%d files: packets = %d, want %d, or otherwise", n, len(got), len(want))
		}
	}
}

func newSeries(files ...*File) *Series {
	s := NewSeries(DefaultConfig())
	s.Add(time.Time{}, files...)
	return s
}

// TestACutLosesAndRepeatsNothing restarts at every packet, and between any two frames, of a rotation: what was given
// before it and what is given after it are what one run gives.
func TestACutLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	frames := talk(t)
	want := drain(t, newSeries(rotation(t, frames, 1)...), everything)
	r := rand.New(rand.NewPCG(3, 8))
	written := map[int][]*File{} // rotations by their number of files, as they are before they are read
	rotated := func(n int) (files []*File) {
		if written[n] == nil {
			written[n] = rotation(t, frames, n)
		}
		for _, f := range written[n] {
			unread := *f
			files = append(files, &unread)
		}
		return files
	}
	for i := range len(want) + len(frames) {
		files, most, some := rotated(1+r.IntN(8)), i, everything
		if i >= len(want) { // at the end of what may be read so far, which is within a message
			files, most, some = rotated(len(frames)), everything, i-len(want)
		}
		s := newSeries(files[:min(some, len(files))]...)
		got := drain(t, s, most)
		if _, ok := s.Cut(); !ok {
			continue
		}
		var before, after []*File
		for _, f := range files {
			next := *f // as a restart knows it
			if f.Offset > 0 {
				before = append(before, &next)
			} else {
				after = append(after, &next)
			}
		}
		s = NewSeries(DefaultConfig())
		s.Resume(time.Time{}, before...)
		s.Add(time.Time{}, after...)
		if got = append(got, drain(t, s, everything)...); !slices.Equal(got, want) {
			t.Fatalf("cut %d: %d packets in all, want %d, or otherwise", i, len(got), len(want))
		}
	}
}

// mixed returns frames within a second of their places; those of one time stay in order.
func mixed(frames []capturetest.Frame, r *rand.Rand) []capturetest.Frame {
	late := map[time.Time]time.Duration{}
	for _, f := range frames {
		late[f.Time] = time.Duration(r.Int64N(int64(900 * time.Millisecond)))
	}
	return slices.SortedStableFunc(slices.Values(frames), func(a, b capturetest.Frame) int {
		return a.Time.Add(late[a.Time]).Compare(b.Time.Add(late[b.Time]))
	})
}

// TestWhatWaitedIsReadWithoutTheRestOfItsFile goes on from a cut with nothing read again, as when a folder was away at
// the start: datagrams need nothing of what came before.
func TestWhatWaitedIsReadWithoutTheRestOfItsFile(t *testing.T) {
	t.Parallel()
	frames := capturetest.Corpus(10, 2)
	want := drain(t, newSeries(rotation(t, frames, 1)...), everything)
	r := rand.New(rand.NewPCG(6, 8))
	waited := 0
	for most := range len(want) {
		files := rotation(t, mixed(frames, r), 1+r.IntN(3))
		s := newSeries(files...)
		got := drain(t, s, most)
		if _, ok := s.Cut(); !ok {
			t.Fatal("no cut behind a datagram")
		}
		s = NewSeries(DefaultConfig())
		for _, f := range files {
			waited += len(f.Held)
			next := *f
			if next.Whole = false; f.Whole && len(f.Held) == 0 {
				continue
			}
			s.Add(time.Time{}, &next)
		}
		if got = append(got, drain(t, s, everything)...); !slices.Equal(got, want) {
			t.Fatalf("cut after %d: %d packets in all, want %d, or otherwise", most, len(got), len(want))
		}
	}
	if waited == 0 {
		t.Error("nothing waits: the test shows nothing")
	}
}

// TestACutOfFramesOutOfOrderLosesAndRepeatsNothing is the same with frames that lie within a second of their places, as
// dumpcap writes those of several interfaces.
func TestACutOfFramesOutOfOrderLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	frames := talk(t)
	want := drain(t, newSeries(rotation(t, frames, 1)...), everything)
	r := rand.New(rand.NewPCG(5, 8))
	for i := range 4 * len(want) {
		files := rotation(t, mixed(frames, r), 1+r.IntN(4))
		s := newSeries(files...)
		got := drain(t, s, i%len(want))
		if _, ok := s.Cut(); !ok {
			continue
		}
		var before, after []*File
		for _, f := range files {
			next := *f
			next.Held = slices.Clone(f.Held)
			if f.Offset > 0 {
				before = append(before, &next)
			} else {
				after = append(after, &next)
			}
		}
		s = NewSeries(DefaultConfig())
		s.Resume(time.Time{}, before...)
		s.Add(time.Time{}, after...)
		if got = append(got, drain(t, s, everything)...); !slices.Equal(got, want) {
			t.Fatalf("cut %d: %d packets in all, want %d, or otherwise", i, len(got), len(want))
		}
	}
}

// TestAFileThatGrewIsReadOn appends frames to a file that was read, plain and compressed, and cut within a frame.
func TestAFileThatGrewIsReadOn(t *testing.T) {
	frame := firstFrame(t)
	whole := pcapOf(1)
	for i := range 8 {
		whole.frame(uint32(i), 0, frame)
	}
	size := 24 + 4*(16+len(frame))
	for name, kind := range map[string]func([]byte) []byte{"a.pcap": slices.Clone[[]byte], "a.pcap.gz": gzipped} {
		for _, cut := range []int{size, size + 9, size + 30} {
			path := filepath.Join(t.TempDir(), name)
			write := func(b []byte) {
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(kind(whole.b[:cut]))
			f := fileAt(t, path)
			s := newSeries(f)
			n := count(t, s)
			write(kind(whole.b))
			next := fileAt(t, path)
			b, err := begin(path)
			if err != nil || !next.continues(&f.Mark, &b) {
				t.Fatalf("%s: %v, not known again", name, err)
			}
			next.follow(&f.Mark)
			if s.Add(time.Time{}, next); n != 4 || next.Whole {
				t.Errorf("%s, %d bytes: packets = %d, whole = %v", name, cut, n, next.Whole)
			}
			if n = count(t, s); n != 4 {
				t.Errorf("%s, %d bytes: packets of what it grew by = %d, want 4", name, cut, n)
			}
		}
	}
}

// count returns how many packets s has, whatever ends a file.
func count(t testing.TB, s *Series) (n int) {
	t.Helper()
	for {
		p, err := s.Next()
		var of *FileError
		switch {
		case errors.Is(err, ErrIdle):
			return n
		case errors.As(err, &of):
		case err != nil:
			t.Fatal(err)
		case !p.Bare():
			n++
		}
	}
}

// TestFilesThatOverlapAreMerged splits one capture by turns into files of two capturers that rotate.
func TestFilesThatOverlapAreMerged(t *testing.T) {
	frames := talk(t)
	want := drain(t, newSeries(rotation(t, frames, 1)...), everything)
	var sides [2][]capturetest.Frame
	for i, f := range frames {
		sides[i%2] = append(sides[i%2], f)
	}
	files := append(rotation(t, sides[0], 3), rotation(t, sides[1], 4)...)
	if got := drain(t, newSeries(files...), everything); !slices.Equal(got, want) {
		t.Errorf("packets = %d, want %d, or otherwise", len(got), len(want))
	}
}

// TestWhatIsLaterWaitsForAFileThatIsStillWritten holds back what follows the beginning of another file.
func TestWhatIsLaterWaitsForAFileThatIsStillWritten(t *testing.T) {
	frames := talk(t)
	files := rotation(t, frames, 1)
	s := NewSeries(DefaultConfig())
	until := frames[len(frames)/2].Time
	s.Add(until, files...)
	drain(t, s, everything)
	if s.Latest().After(until) || s.Reading() != 1 {
		t.Errorf("latest = %v, want %v at most; reading = %d, want 1", s.Latest(), until, s.Reading())
	}
	s.Add(time.Time{})
	s.End()
	if drain(t, s, everything); !s.Latest().Equal(frames[len(frames)-1].Time) || s.Reading() != 0 {
		t.Errorf("latest = %v, reading = %d, want all", s.Latest(), s.Reading())
	}
}

// TestAFileThatIsNoneIsReportedAndTheOthersAreRead puts one that is no capture file between two that are.
func TestAFileThatIsNoneIsReportedAndTheOthersAreRead(t *testing.T) {
	files := rotation(t, talk(t), 3)
	if err := os.WriteFile(files[1].Path, []byte("no capture file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSeries(files...)
	failed := 0
	for {
		_, err := s.Next()
		var of *FileError
		if errors.As(err, &of) {
			if failed++; of.File != files[1] || of.Passing() || !of.File.Whole {
				t.Errorf("%s: %v, passing = %v", of.File.Name, of, of.Passing())
			}
			continue
		}
		if errors.Is(err, ErrIdle) {
			break
		}
	}
	if failed != 1 || !files[0].Whole || !files[2].Whole {
		t.Errorf("errors = %d, want 1, and the others read", failed)
	}
}

// TestAFileThatFailsInItsMiddleIsReadOnFromThere has a disk that refuses a file after any packet, and gives it later.
func TestAFileThatFailsInItsMiddleIsReadOnFromThere(t *testing.T) {
	frames := talk(t)
	want := drain(t, newSeries(rotation(t, frames, 1)...), everything)
	for most := range len(want) {
		f := rotation(t, frames, 1)[0]
		s := newSeries(f)
		got := drain(t, s, most)
		if len(s.parts) > 0 {
			s.parts[0].ready, s.parts[0].ended = false, fmt.Errorf("pcap: read: %w", syscall.EIO)
			var of *FileError
			for of == nil {
				p, err := s.Next()
				switch errors.As(err, &of); {
				case err == nil && !p.Bare():
					got = append(got, said(&p))
				case err != nil && (of == nil || of.File != f || !of.Passing() || f.Whole):
					t.Fatalf("err = %v, whole = %v, want a passing one of the file", err, f.Whole)
				}
			}
			s.Add(time.Time{}, f)
		}
		if got = append(got, drain(t, s, everything)...); !slices.Equal(got, want) || !f.Whole {
			t.Fatalf("failed after %d packets: %d in all, want %d, or otherwise", most, len(got), len(want))
		}
	}
}
