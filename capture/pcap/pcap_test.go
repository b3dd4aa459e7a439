package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
)

func TestBothKindsOfFileGiveTheSamePackets(t *testing.T) {
	classic, end := packets(file(t, "rejected.pcap"), DefaultConfig())
	next, endNext := packets(file(t, "rejected.pcapng"), DefaultConfig())
	if len(classic) != 9 || !errors.Is(end, io.EOF) || !errors.Is(endNext, io.EOF) {
		t.Fatalf("packets = %d, %v and %v, want 9 and the end", len(classic), end, endNext)
	}
	if strings.Join(classic, "\x00") != strings.Join(next, "\x00") {
		t.Error("pcap and pcapng differ")
	}
}

func TestPacketsSayThatTheyComeFromAFile(t *testing.T) {
	s, err := Open("testdata/rejected.pcap", DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Next()
	if err != nil || p.Origin != capture.File || p.Point != "file" {
		t.Errorf("origin = %v at %q, err = %v, want file at \"file\"", p.Origin, p.Point, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestCutFileGivesAPrefixAndAnError cuts files at every byte: the frames that are whole come out, then an error with
// the number of the last of them. A cut between two frames of a plain file is a clean end.
func TestCutFileGivesAPrefixAndAnError(t *testing.T) {
	t.Parallel()
	classic, next := file(t, "rejected.pcap"), file(t, "rejected.pcapng")
	for name, c := range map[string]struct {
		whole []byte
		clean int // ends between frames, or between blocks
	}{
		"pcap": {classic, 9}, "pcapng": {next, 10},
		"big-endian nanoseconds": {rewrite(t, classic, bigEndian, true), 9},
		"gzip":                   {gzipped(classic), 0}, "gzip of pcapng": {gzipped(next), 0},
		"zstd": {zstandard(t, classic), 0}, "zstd of pcapng": {zstandard(t, next), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, clean := wholly(t, c.whole), 0
			for n := range len(c.whole) {
				got, end := framesOf(bytes.NewReader(c.whole[:n]))
				if len(got) > len(all) || !slices.Equal(got, all[:len(got)]) {
					t.Fatalf("cut at %d: not a prefix", n)
				}
				switch {
				case errors.Is(end, io.EOF):
					clean++
				case n == 0 && errors.Is(end, errEmpty):
				case !errors.Is(end, ErrTruncated):
					t.Fatalf("cut at %d: err = %v, want ErrTruncated", n, end)
				}
			}
			if clean != c.clean {
				t.Errorf("%d cuts look like clean ends, want %d", clean, c.clean)
			}
		})
	}
}

func TestCutErrorNamesTheFrameBefore(t *testing.T) {
	whole := file(t, "rejected.pcap")
	got, end := packets(whole[:len(whole)-1], DefaultConfig())
	if want := "pcap: test: after frame 8: "; len(got) != 8 || !errors.Is(end, ErrTruncated) ||
		!strings.HasPrefix(end.Error(), want) {
		t.Errorf("packets = %d, err = %v, want 8 and %q", len(got), end, want)
	}
}

func TestByteOrderAndPrecisionAreReadFromTheMagic(t *testing.T) {
	want := wholly(t, file(t, "rejected.pcap"))
	for _, nanos := range []bool{false, true} {
		for _, o := range []binary.AppendByteOrder{littleEndian, bigEndian} {
			f := rewrite(t, file(t, "rejected.pcap"), o, nanos)
			if got := wholly(t, f); !slices.Equal(got, want) {
				t.Errorf("%v, nanoseconds %v: %d frames differ from those before", o, nanos, len(got))
			}
		}
	}
}

func TestNanosecondSurvives(t *testing.T) {
	f := &classicFile{o: littleEndian, magic: 0xa1b23c4d, link: 1}
	f.begin().frame(1_700_000_000, 999_999_999, firstFrame(t))
	s, err := New("test", bytes.NewReader(f.b), DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Next()
	if want := time.Unix(1_700_000_000, 999_999_999).UTC(); err != nil || !p.Time.Equal(want) {
		t.Errorf("time = %v, %v, want %v", p.Time, err, want)
	}
}

// TestTimeThatIsNotBelievedIsThatOfTheFrameBefore: the clock of a file is its packets, so one absurd stamp must not
// age its calls.
func TestTimeThatIsNotBelievedIsThatOfTheFrameBefore(t *testing.T) {
	frame := firstFrame(t)
	classic := pcapOf(1).frame(0, 1_000_000, frame).frame(1000, 999_999, frame).frame(1001, 4_294_967_295, frame)
	next := section().face(1, 0, option{optionPrecision, []byte{0}}, option{optionOffset, ^uint64(0)}).
		enhanced(0, 0, frame).enhanced(0, 1001, frame).enhanced(0, 1<<40, frame) // -1 s, 1000 s, year 36812
	for name, c := range map[string]struct {
		file []byte
		want time.Time
	}{"pcap": {classic.b, time.Unix(1000, 999_999_000)}, "pcapng": {next.b, time.Unix(1000, 0)}} {
		s, err := New("test", bytes.NewReader(c.file), DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Time{time.Unix(0, 0), c.want, c.want} {
			if p, err := s.Next(); err != nil || !p.Time.Equal(want) {
				t.Errorf("%s: time of frame %d = %v, %v, want %v", name, i+1, p.Time, err, want)
			}
		}
		if n := s.Undated(); n != 2 {
			t.Errorf("%s: undated = %d, want 2", name, n)
		}
	}
}

func TestLengthThatNoFrameHasIsRefusedBeforeRoomIsMade(t *testing.T) {
	frame := firstFrame(t)
	long := func(b []byte, at int) []byte { littleEndian.PutUint32(b[at:], 512<<20); return b }
	all := section().face(1, 0xffffffff) // a snapshot length that pcapgo makes room for
	head := len(all.b)
	for name, b := range map[string][]byte{
		"pcap":            long(bytes.Clone(file(t, "rejected.pcap")), 24+8),
		"enhanced packet": long(bytes.Clone(all.enhanced(0, 0, frame).b), head+20),
		"obsolete packet": long(section().face(1, 0).obsolete(0, 0, 0, frame).b, head+20),
		"block":           long(section().face(1, 0).block(blockSimple, uint32(9), frame).b, head+4),
		"simple packet":   section().face(1, 0).block(blockSimple, uint32(512<<20), make([]byte, maxFrame+4)).b,
	} {
		var end error
		room := allocated(func() { _, end = packets(b, DefaultConfig()) })
		if !errors.Is(end, errLength) && !errors.Is(end, ErrTruncated) || errors.Is(end, ErrTruncated) && name != "block" {
			t.Errorf("%s: err = %v, want errLength", name, end)
		}
		if room > 4<<20 {
			t.Errorf("%s: %d bytes of room, want less than 4 MiB", name, room)
		}
	}
}

func TestWhatIsNoCaptureFileIsNamed(t *testing.T) {
	if _, end := packets(nil, DefaultConfig()); !errors.Is(end, errEmpty) {
		t.Errorf("empty: err = %v, want errEmpty", end)
	}
	version := pcapOf(1)
	version.b[4] = 3
	for want, b := range map[string]string{
		"modified pcap (Kuznetzov) (it begins with 0xa1b2cd34)": "\xa1\xb2\xcd\x34 and more",
		"modified pcap (Kuznetzov) (it begins with 0x34cdb2a1)": "\x34\xcd\xb2\xa1 and more",
		"xz (it begins with 0xfd377a58)":                        "\xfd7zXZ\x00",
		"not a capture file: it begins with 0x494e5649":         "INVITE sip:alice@example.com SIP/2.0",
		"not a capture file: it begins with 0x00000000":         "\x00\x00\x00\x00\x00\x00\x00\x00",
		"the file is of a version that is not read":             string(version.b),
		"a block contradicts itself":                            "\n\r\r\n\x1c\x00\x00\x00notmagic",
	} {
		if _, end := packets([]byte(b), DefaultConfig()); end == nil || !strings.Contains(end.Error(), want) {
			t.Errorf("err = %v, want %q in it", end, want)
		}
	}
}

func TestErrorNamesAFileByItsLastElement(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for want, path := range map[string]string{
		"pcap: folder: is a directory":            dir,
		"pcap: x.pcap: no such file or directory": filepath.Join(dir, "x.pcap"),
	} {
		if _, err := Open(path, DefaultConfig()); err == nil || err.Error() != want {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestFilesBehindEachOtherAreReadAsOne(t *testing.T) {
	classic, next := file(t, "rejected.pcap"), file(t, "rejected.pcapng")
	other := rewrite(t, classic, bigEndian, true)
	one := wholly(t, classic)
	const skipped = "\x50\x2a\x4d\x18\x04\x00\x00\x00skip" // a frame that decoders step over
	for name, b := range map[string][]byte{
		"pcap":       slices.Concat(classic, other, classic),
		"pcapng":     slices.Concat(next, next, next),
		"gzip":       slices.Concat(gzipped(classic), gzipped(other), gzipped(classic)),
		"zstd":       slices.Concat(zstandard(t, next), zstandard(t, next), zstandard(t, next)),
		"pzstd":      append([]byte(skipped), zstandard(t, slices.Concat(next, next, next))...),
		"empty ones": slices.Concat(bytes.Repeat(pcapOf(1).b, 100_000), classic, classic, classic, pcapOf(1).b),
	} {
		if got := wholly(t, b); !slices.Equal(got, slices.Concat(one, one, one)) {
			t.Errorf("%s: %d frames, want 3 times %d", name, len(got), len(one))
		}
	}
}

func TestProgressIsThatOfTheFileOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pcap.gz")
	b := gzipped(file(t, "rejected.pcap"))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = s.Next()
	}
	if read, size := s.Progress(); read != int64(len(b)) || size != int64(len(b)) {
		t.Errorf("progress = %d of %d, want %d of as many", read, size, len(b))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestStandardInputEndsByItselfAndByClose reads a pipe in a process of its own.
func TestStandardInputEndsByItselfAndByClose(t *testing.T) {
	if os.Getenv("PCAP_TEST_STDIN") != "" {
		readStandardInput()
	}
	for _, held := range []bool{false, true} { // held: the pipe stays open after the last frame
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=TestStandardInputEndsByItselfAndByClose$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("PCAP_TEST_STDIN=%v", held))
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(file(t, "rejected.pcap")); err != nil {
			t.Fatal(err)
		}
		if !held {
			_ = in.Close()
		}
		if err := cmd.Wait(); err != nil || out.String() != "9 packets, size -1, EOF\n" {
			t.Errorf("held %v: %q, %v, want 9 packets of size -1 and the end", held, out.String(), err)
		}
	}
}

// readStandardInput returns what it read. A pipe that is held open is closed by another goroutine.
func readStandardInput() {
	s, err := Open("-", DefaultConfig())
	n := 0
	for err == nil {
		if _, err = s.Next(); err == nil {
			n++
		}
		if n == 9 && os.Getenv("PCAP_TEST_STDIN") == "true" {
			go func() { _ = s.Close() }()
		}
	}
	_, size := s.Progress()
	fmt.Printf("%d packets, size %d, %v\n", n, size, err)
	os.Exit(0)
}
