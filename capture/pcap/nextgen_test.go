package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/decode"
)

// TestEveryBlockOfASectionIsReadOrSteppedOver is a file with all that the format has, in both orders.
func TestEveryBlockOfASectionIsReadOrSteppedOver(t *testing.T) {
	frame := firstFrame(t)
	raw := frame[14:]
	secrets := bytes.Repeat([]byte("CLIENT_RANDOM "), 200_000) // more than a packet block can have
	for _, o := range []binary.AppendByteOrder{littleEndian, bigEndian} {
		f := (&blockFile{o: o}).section().
			face(1, 0, option{optionName, []byte("eth0\x00")}).
			face(101, 262144, option{optionName, []byte("tun0")}, option{optionPrecision, []byte{9}}).
			face(1, 0, option{optionPrecision, []byte{0x80 | 20}}, option{optionOffset, uint64(1_000_000)}).
			block(4, uint16(1), uint16(9), []byte{192, 0, 2, 1, 'h', 'o', 's', 't', 0}, uint32(0)). // names of hosts
			block(10, uint32(0x544c534b), uint32(len(secrets)), secrets).                           // secrets for decryption
			enhanced(0, 1_700_000_000_000_001, frame).
			enhanced(1, 1_700_000_000_000_000_002, raw, option{1, []byte("a comment")}).
			enhanced(2, 3<<20|1<<19, frame).
			block(blockSimple, uint32(2000), frame). // cut, though the interface has no limit
			block(blockPacket, uint16(0), uint16(0xffff), uint32(396_000), uint32(5), uint32(len(frame)), uint32(2000), frame).
			block(0x0bad, []byte("custom")).
			section().face(228, 20).enhanced(0, 7, raw).block(blockSimple, uint32(len(raw)), raw)
		at := func(sec, nanos int64) time.Time { return time.Unix(sec, nanos).UTC() }
		whole, ip := string(frame), string(raw)
		want := []seen{
			{at(1_700_000_000, 1000), decode.Ethernet, len(frame), "eth0", false, whole},
			{at(1_700_000_000, 2), decode.Raw, len(raw), "tun0", false, ip},
			{at(1_000_003, 500_000_000), decode.Ethernet, len(frame), "file", false, whole},
			{time.Time{}, decode.Ethernet, 2000, "eth0", true, whole + strings.Repeat("\x00", -len(frame)&3)},
			{at(1_700_807_049, 216_005_000), decode.Ethernet, 2000, "eth0", false, whole},
			{at(0, 7000), decode.IPv4Only, len(raw), "file", false, ip},
			{time.Time{}, decode.IPv4Only, len(raw), "file", true, ip[:20]},
		}
		got := wholly(t, f.b)
		for i := range want {
			if want[i].undated && i < len(got) {
				got[i].at = time.Time{} // what the reader left there does not matter
			}
			if i >= len(got) || got[i] != want[i] {
				t.Errorf("%v: frame %d of %d is not what was written", o, i+1, len(got))
			}
		}
	}
}

func TestSimplePacketBearsTheTimeOfTheFrameBefore(t *testing.T) {
	frame := firstFrame(t)
	f := section().face(1, 0).enhanced(0, 5_000_000, frame).block(blockSimple, uint32(len(frame)), frame)
	s, err := New("test", bytes.NewReader(f.b), DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if p, err := s.Next(); err != nil || p.Time.Unix() != 5 {
			t.Errorf("time of packet %d = %v, %v, want 5 s", i+1, p.Time, err)
		}
	}
	if s.Undated() != 1 {
		t.Errorf("undated = %d, want 1", s.Undated())
	}
}

// TestResolutionOfTimeIsExact compares with arithmetic that has no rounding to hide.
func TestResolutionOfTimeIsExact(t *testing.T) {
	for _, c := range []struct {
		precision byte
		stamp     uint64
		sec, nano int64
		ok        bool
	}{
		{0, 1_700_000_000, 1_700_000_000, 0, true},
		{3, 1_700_000_000_999, 1_700_000_000, 999_000_000, true},
		{6, 1_700_000_000_999_999, 1_700_000_000, 999_999_000, true},
		{9, 1_700_000_000_999_999_999, 1_700_000_000, 999_999_999, true},
		{12, 1_700_000_999_999_999_999, 1_700_000, 999_999_999, true},
		{19, math.MaxUint64, 1, 844_674_407, true},
		{20, 5, 0, 0, false},
		{64, 5, 0, 0, false}, // 10 to the 64th is 0 in 64 bits
		{127, 5, 0, 0, false},
		{0x80 | 10, 1023, 0, 999_023_437, true},
		{0x80 | 32, 1<<32 | 1<<31, 1, 500_000_000, true},
		{0x80 | 63, 1 << 62, 0, 500_000_000, true},
		{0x80 | 64, 5, 0, 0, false},
		{0, math.MaxUint64, 0, 0, false},
		{0, lastSecond, lastSecond, 0, true},
		{0, lastSecond + 1, 0, 0, false},
	} {
		got, ok := clock{units: resolution(c.precision)}.time(c.stamp)
		if want := time.Unix(c.sec, c.nano); ok != c.ok || ok && !got.Equal(want) {
			t.Errorf("precision %#x, %d: time = %v, %v, want %v, %v", c.precision, c.stamp, got, ok, want, c.ok)
		}
	}
	if got, ok := (clock{units: 1, offset: math.MinInt64}).time(5); ok {
		t.Errorf("lowest offset: time = %v, want none", got)
	}
	if got, ok := (clock{units: 1, offset: math.MaxInt64}).time(lastSecond); ok {
		t.Errorf("highest offset: time = %v, want none", got)
	}
}

// statistics adds the losses of an interface: for want of room, and in the operating system.
func (f *blockFile) statistics(face uint32, noRoom, noRoomOS uint64) *blockFile {
	return f.block(blockStatistics, slices.Concat([]any{face, uint64(0)},
		f.options(option{optionNoRoom, noRoom}, option{optionNoRoomOS, noRoomOS}))...)
}

// obsolete adds a frame in a Packet Block, with how many were lost before it.
func (f *blockFile) obsolete(face, drops uint16, stamp uint32, frame []byte) *blockFile {
	n := uint32(len(frame))
	return f.block(blockPacket, face, drops, uint32(0), stamp, n, n, frame)
}

// TestLossesThatAFileReportsAreCounted: by packet, and by interface, where both speak of the same frames. The next
// packet reports how many, and since when.
func TestLossesThatAFileReportsAreCounted(t *testing.T) {
	frame, silent := firstFrame(t), []byte("a frame that gives no packet")
	name := func(s string) option { return option{optionName, []byte(s)} }
	drops := option{optionDrops, uint64(3)}
	f := section().face(1, 0, name("eth0")).face(1, 0, name("eth1")).
		enhanced(0, 1_000_000, frame).enhanced(1, 1_500_000, frame).
		enhanced(0, 2_000_000, frame, drops).
		statistics(0, 10, 2).
		enhanced(1, 3_000_000, frame).enhanced(0, 4_000_000, frame).
		statistics(0, 12, 3).
		enhanced(0, 5_000_000, frame).
		enhanced(1, 5_500_000, silent, drops).enhanced(1, 6_000_000, frame, drops).
		obsolete(1, 0xffff, 7_000_000, frame).obsolete(1, 2, 8_000_000, frame).
		statistics(1, 13, 0)
	s := opened(t, f.b)[0]
	var got []string
	for p, err := s.Next(); err == nil; p, err = s.Next() {
		if p.Missed > 0 {
			got = append(got, fmt.Sprintf("%d: %d at %s since %.1f", p.Time.Unix(), p.Missed, p.Point,
				float64(p.MissedSince.UnixMilli())/1000))
		}
	}
	want := "2: 3 at eth0 since 1.0, 4: 9 at eth0 since 1.0, 5: 3 at eth0 since 2.0, 6: 6 at eth1 since 3.0, " +
		"8: 2 at eth1 since 7.0"
	if all := strings.Join(got, ", "); all != want {
		t.Errorf("missed = %s, want %s", all, want)
	}
	if n := s.Drops().Kernel; n != 15+13 {
		t.Errorf("kernel = %d, want 28", n)
	}
}

// TestStreamsGiveWhatTheyHoldBeforeABadBlock: a message behind a hole comes out with the time and the interface of
// the last good frame.
func TestStreamsGiveWhatTheyHoldBeforeABadBlock(t *testing.T) {
	ladder, err := capturetest.Ladder([]byte(`transport tcp
00:01.000  alice -> bob  OPTIONS
00:02.000  alice -> bob  OPTIONS unseen
00:03.000  alice -> bob  OPTIONS
`))
	if err != nil {
		t.Fatal(err)
	}
	f := section().face(1, 0, option{optionName, []byte("eth0")})
	for _, x := range ladder {
		f.enhanced(0, uint64(x.Time.UnixMicro()), x.Data)
	}
	s := opened(t, f.enhanced(1, 0, nil).b)[0]
	var last capture.Packet
	n := 0
	for ; err == nil; n++ {
		var p capture.Packet
		if p, err = s.Next(); err == nil {
			last = p
		}
	}
	want := ladder[len(ladder)-1].Time
	if !errors.Is(err, errBlock) || n != 3 || !last.Lost || last.Point != "eth0" || !last.Time.Equal(want) {
		t.Errorf("packets = %d, last at %q %v, lost %v, %v, want 2 at eth0 %v, a loss and errBlock",
			n-1, last.Point, last.Time, last.Lost, err, want)
	}
}

func TestContradictionsEndTheFileBehindWhatWasReadable(t *testing.T) {
	frame := firstFrame(t)
	begun := func() *blockFile { return section().face(1, 0).enhanced(0, 1, frame) }
	cut := begun().face(1, 0, option{optionName, []byte("eth0")})
	littleEndian.PutUint16(cut.b[len(cut.b)-14:], 100) // an option longer than its block
	sizes := begun().enhanced(0, 2, frame)
	sizes.b[len(sizes.b)-4]++
	version := begun().block(blockSection, uint32(0x1a2b3c4d), uint16(2), uint16(0), ^uint64(0))
	long := begun().enhanced(0, 2, frame).enhanced(0, 3, nil)
	littleEndian.PutUint32(long.b[len(long.b)-12:], 8) // of a frame that has no bytes
	long.enhanced(0, 4, frame)
	for name, c := range map[string]struct {
		file []byte
		want error
		n    int
	}{
		"no such interface":     {begun().enhanced(1, 2, frame).b, errBlock, 1},
		"interface of before":   {begun().section().enhanced(0, 2, frame).b, errBlock, 1},
		"simple without":        {section().block(blockSimple, uint32(4), frame[:4]).b, errBlock, 0},
		"statistics of none":    {begun().block(blockStatistics, uint32(1), uint64(0)).b, errBlock, 1},
		"short statistics":      {begun().block(blockStatistics, uint32(0)).b, errBlock, 1},
		"short packet":          {begun().block(blockEnhanced, uint32(0)).b, errBlock, 1},
		"short precision":       {begun().face(1, 0, option{optionPrecision, []byte{}}).b, errBlock, 1},
		"long option":           {cut.b, errBlock, 1},
		"sizes differ":          {sizes.b, errBlock, 2},
		"longer than its block": {long.b, errLength, 2},
		"odd size":              {append(begun().b, 6, 0, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0), errLength, 1},
		"version":               {version.b, errVersion, 1},
	} {
		got, end := framesOf(bytes.NewReader(c.file))
		if len(got) != c.n || !errors.Is(end, c.want) {
			t.Errorf("%s: frames = %d, err = %v, want %d and %v", name, len(got), end, c.n, c.want)
		}
	}
}

// TestInterfacesOfAFileAreBounded: in a section, and their names in a file, however many sections it has.
func TestInterfacesOfAFileAreBounded(t *testing.T) {
	many, named, alike := section(), &blockFile{o: littleEndian}, &blockFile{o: littleEndian}
	for i := range 50_000 {
		many.face(1, 0)
		named.section().face(1, 0, option{optionName, fmt.Appendf(nil, "eth%d", i)})
		alike.section().face(1, 0, option{optionName, []byte("eth0")})
	}
	for name, f := range map[string]*blockFile{"in a section": many, "names": named} {
		var end error
		room := allocated(func() { _, end = packets(f.b, DefaultConfig()) })
		if room > 4<<20 || !errors.Is(end, errInterfaces) {
			t.Errorf("%s: %d bytes of room, %v, want less than 4 MiB and errInterfaces", name, room, end)
		}
	}
	if _, end := packets(alike.b, DefaultConfig()); !errors.Is(end, io.EOF) {
		t.Errorf("alike: err = %v, want the end", end)
	}
}

func TestNameThatIsNoneIsFile(t *testing.T) {
	g := &nextGeneration{points: map[string]string{}}
	for name, want := range map[string]string{"eth0": "eth0", "eth0\x00\x00": "eth0", "": "file", "\x00": "file",
		"a\nb": "file", "\xff": "file", strings.Repeat("x", maxName+1): "file",
		`\Device\NPF_{0E7C6A2B-1D8E-4C3B-9F10-2A3B4C5D6E7F}`: `\Device\NPF_{0E7C6A2B-1D8E-4C3B-9F10-2A3B4C5D6E7F}`} {
		if got := g.point([]byte(name)); got != want {
			t.Errorf("point of %q = %q, want %q", name, got, want)
		}
	}
}

// TestGopacketWritesWhatWeRead has another hand write the file: interfaces, names, precisions.
func TestGopacketWritesWhatWeRead(t *testing.T) {
	frame := firstFrame(t)
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{Name: "eth0", LinkType: layers.LinkTypeEthernet,
		TimestampResolution: 9, SnapLength: 65535}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := w.AddInterface(pcapgo.NgInterface{Name: "tun0", LinkType: layers.LinkTypeRaw, TimestampResolution: 9})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000, 123_456_789).UTC()
	ci := func(n, face int) (c gopacket.CaptureInfo) {
		c.Timestamp, c.CaptureLength, c.Length, c.InterfaceIndex = at, n, n, face
		return c
	}
	if err := errors.Join(w.WritePacket(ci(len(frame), 0), frame), w.WritePacket(ci(len(frame)-14, raw), frame[14:]),
		w.WriteInterfaceStats(0, pcapgo.NgInterfaceStatistics{PacketsReceived: 9, PacketsDropped: 4}),
		w.Flush()); err != nil {
		t.Fatal(err)
	}
	want := []seen{{at, decode.Ethernet, len(frame), "eth0", false, string(frame)},
		{at, 101, len(frame) - 14, "tun0", false, string(frame[14:])}}
	got := wholly(t, b.Bytes())
	if !slices.Equal(got, want) {
		t.Errorf("frames = %d, want the 2 that were written", len(got))
	}
	s, err := New("test", &b, DefaultConfig())
	for err == nil {
		_, err = s.Next()
	}
	if d := s.Drops(); d.Kernel != 4 || d.Seen != 2 {
		t.Errorf("kernel = %d, seen = %d, want 4 and 2", d.Kernel, d.Seen)
	}
}
