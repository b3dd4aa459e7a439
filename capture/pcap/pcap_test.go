package pcap

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"sipsieve/capture"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packets reads all of a file: payloads, and what ended it.
func packets(b []byte, cfg Config) (payloads []string, end error) {
	s, err := New("test", bytes.NewReader(b), cfg)
	if err != nil {
		return nil, err
	}
	for {
		p, err := s.Next()
		if err != nil {
			return payloads, err
		}
		payloads = append(payloads, p.Time.String()+string(p.Payload))
	}
}

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

// TestCutFileGivesAPrefixAndSaysSo cuts a file at every byte.
func TestCutFileGivesAPrefixAndSaysSo(t *testing.T) {
	for _, name := range []string{"rejected.pcap", "rejected.pcapng"} {
		whole := file(t, name)
		all, _ := packets(whole, DefaultConfig())
		clean := 0
		for n := range len(whole) {
			got, end := packets(whole[:n], DefaultConfig())
			if len(got) > len(all) || strings.Join(got, "\x00") != strings.Join(all[:len(got)], "\x00") {
				t.Fatalf("%s cut at %d: not a prefix", name, n)
			}
			switch {
			case errors.Is(end, io.EOF):
				clean++
			case !errors.Is(end, ErrTruncated) && !errors.Is(end, ErrEmpty):
				t.Fatalf("%s cut at %d: err = %v", name, n, end)
			}
		}
		if clean > len(all)+4 {
			t.Errorf("%s: %d cuts look like clean ends", name, clean)
		}
	}
}

func TestByteOrderAndPrecisionAreToldByTheMagic(t *testing.T) {
	want, _ := packets(file(t, "rejected.pcap"), DefaultConfig())
	for _, nanos := range []bool{false, true} {
		got, end := packets(rewrite(file(t, "rejected.pcap"), binary.BigEndian, nanos), DefaultConfig())
		if !errors.Is(end, io.EOF) || strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Errorf("nanos %v: packets = %d, %v, want %d as before", nanos, len(got), end, len(want))
		}
	}
}

// rewrite writes a little-endian microsecond file in another order or precision.
func rewrite(b []byte, order binary.AppendByteOrder, nanos bool) (out []byte) {
	little := binary.LittleEndian
	magic, factor := uint32(0xa1b2c3d4), uint32(1)
	if nanos {
		magic, factor = 0xa1b23c4d, 1000
	}
	out = order.AppendUint32(out, magic)
	out = order.AppendUint16(order.AppendUint16(out, 2), 4)
	out = append(out, make([]byte, 8)...) // a snapshot length of 0 is legal
	out = order.AppendUint32(out, 0)
	out = order.AppendUint32(out, little.Uint32(b[20:]))
	for b = b[24:]; len(b) > 0; {
		n := little.Uint32(b[8:])
		out = order.AppendUint32(out, little.Uint32(b))
		out = order.AppendUint32(out, little.Uint32(b[4:])*factor)
		out = order.AppendUint32(out, n)
		out = order.AppendUint32(out, little.Uint32(b[12:]))
		out = append(out, b[16:16+n]...)
		b = b[16+n:]
	}
	return out
}

func TestCompressionIsToldByTheMagic(t *testing.T) {
	plain := file(t, "rejected.pcap")
	want, _ := packets(plain, DefaultConfig())
	for name, b := range map[string][]byte{"gzip": gzipped(plain), "zstd": zstandard(t, plain)} {
		got, end := packets(b, DefaultConfig())
		if !errors.Is(end, io.EOF) || len(got) != len(want) {
			t.Errorf("%s: packets = %d, %v, want %d", name, len(got), end, len(want))
		}
		cut, end := packets(b[:len(b)/2], DefaultConfig())
		if errors.Is(end, io.EOF) || len(cut) >= len(want) {
			t.Errorf("%s cut: packets = %d, %v, want fewer and an error", name, len(cut), end)
		}
	}
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func zstandard(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func TestDecompressedSizeIsBounded(t *testing.T) {
	bomb := append(file(t, "rejected.pcap"), make([]byte, 8<<20)...)
	if _, end := packets(gzipped(bomb), DefaultConfig()); !errors.Is(end, ErrTooLarge) {
		t.Errorf("ratio: err = %v, want ErrTooLarge", end)
	}
	cfg := DefaultConfig()
	cfg.Decompressed = 100
	if _, end := packets(gzipped(file(t, "rejected.pcap")), cfg); !errors.Is(end, ErrTooLarge) {
		t.Errorf("size: err = %v, want ErrTooLarge", end)
	}
}

func TestLengthThatNoFrameHasIsRefusedBeforeRoomIsMade(t *testing.T) {
	classic := bytes.Clone(file(t, "rejected.pcap"))
	binary.LittleEndian.PutUint32(classic[24+8:], 512<<20)
	next := bytes.Clone(file(t, "rejected.pcapng"))
	at := bytes.Index(next, []byte{6, 0, 0, 0})
	binary.LittleEndian.PutUint32(next[at+20:], 512<<20)
	for name, b := range map[string][]byte{"pcap": classic, "pcapng": next} {
		room := testing.Benchmark(func(b2 *testing.B) {
			for b2.Loop() {
				if _, end := packets(b, DefaultConfig()); !errors.Is(end, ErrLength) {
					t.Errorf("%s: err = %v, want ErrLength", name, end)
					return
				}
			}
		}).AllocedBytesPerOp()
		if room > 4<<20 {
			t.Errorf("%s: %d bytes of room, want less than 4 MiB", name, room)
		}
	}
}

func TestWhatIsNoCaptureFileIsNamed(t *testing.T) {
	if _, end := packets(nil, DefaultConfig()); !errors.Is(end, ErrEmpty) {
		t.Errorf("empty: err = %v", end)
	}
	_, end := packets([]byte("\xa1\xb2\xcd\x34 and more"), DefaultConfig())
	if end == nil || !strings.Contains(end.Error(), "0xa1b2cd34") {
		t.Errorf("magic: err = %v, want its magic", end)
	}
}

func TestMergedFilesComeInTheOrderOfTime(t *testing.T) {
	want, _ := packets(file(t, "rejected.pcap"), DefaultConfig())
	var sources []capture.Source
	for range 2 {
		s, err := New("test", bytes.NewReader(file(t, "rejected.pcap")), DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, s)
	}
	cut, err := New("cut", bytes.NewReader(file(t, "rejected.pcap")[:300]), DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	m := capture.Merge(append(sources, cut)...)
	var last capture.Packet
	n := 0
	for {
		p, err := m.Next()
		if err != nil {
			if !errors.Is(err, ErrTruncated) {
				t.Errorf("err = %v, want what ended the cut file", err)
			}
			break
		}
		if p.Time.Before(last.Time) {
			t.Errorf("packet %d goes back in time", n)
		}
		last, n = p, n+1
	}
	if n != 2*len(want) || m.Drops().Seen != uint64(n) {
		t.Errorf("packets = %d, seen = %d, want %d", n, m.Drops().Seen, 2*len(want))
	}
}

// FuzzFile states that no file makes the reader panic, hang, or take more room than the file has bytes and some.
func FuzzFile(f *testing.F) {
	f.Add(file(f, "rejected.pcap"))
	f.Add(file(f, "rejected.pcapng"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, end := packets(b, DefaultConfig())
		if end == nil || len(got) > len(b) {
			t.Errorf("packets = %d of %d bytes, err = %v", len(got), len(b), end)
		}
	})
}
