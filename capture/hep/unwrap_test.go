package hep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/pcap"
	reader "sipsieve/sip"
)

const captures = "../../../shared/captures"

// feedFiles are the captures that hold HEP, and what they hold beside SIP in HEP.
var feedFiles = map[string]struct {
	wire    int // messages that are not in HEP
	refused map[capture.Reason]uint64
}{
	"generated/g25-hep3-core": {wire: 30},
	"public/hepws-hep":        {refused: map[capture.Reason]uint64{capture.HEPType: 2}},
}

// A row is one message of a truth file: what tshark reads from what another program took out of HEP.
type row [15]any

func (r row) String() string {
	return fmt.Sprintf("%.6f %v:%v > %v:%v %v, CSeq %v %v, %v", r[1], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10])
}

func eachFeed(t *testing.T, test func(t *testing.T, name string, src capture.Source, want []row)) {
	t.Helper()
	for name := range feedFiles {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(captures, name)
			text, err := os.ReadFile(path + ".inner.truth.json")
			if errors.Is(err, os.ErrNotExist) {
				t.Skip("no captures beside this checkout")
			}
			var truth struct {
				Rows []row `json:"message_list"`
			}
			if err := errors.Join(err, json.Unmarshal(text, &truth)); err != nil {
				t.Fatal(err)
			}
			src, err := pcap.Open(path+".pcap", pcap.DefaultConfig())
			if err != nil {
				t.Fatal(err)
			}
			test(t, name, src, truth.Rows)
		})
	}
}

// rows reads the messages of p as a truth file has them.
func rows(r *reader.Reader, p *capture.Packet) (list []row) {
	r.Read(p, func(m *reader.Message) {
		what := any(m.Method)
		if !m.Request() {
			what = m.Status
		}
		list = append(list, row{1: float64(m.Time.UnixMicro()) / 1e6, 3: m.Flow.Src.Addr(), 4: m.Flow.Src.Port(),
			5: m.Flow.Dst.Addr(), 6: m.Flow.Dst.Port(), 7: what, 8: m.CSeq, 9: m.Method,
			10: string(m.Value(reader.CallID))})
	})
	return list
}

func compare(t *testing.T, got, want []row) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d messages, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i].String() != want[i].String() {
			t.Errorf("message %d: got = %s, want %s", i, got[i], want[i])
		}
	}
}

// onlyHEP leaves out what is not in HEP.
type onlyHEP struct{ capture.Source }

func (o onlyHEP) Next() (p capture.Packet, err error) {
	for p, err = o.Source.Next(); err == nil && !hasMagic(p.Payload); {
		p, err = o.Source.Next()
	}
	return p, err
}

func TestFilesOfFeedsAgreeWithTheTruth(t *testing.T) {
	eachFeed(t, func(t *testing.T, name string, src capture.Source, want []row) {
		s := Unwrapped(onlyHEP{src}, 0)
		r := reader.NewReader(reader.Selection{}, reader.DefaultLimits())
		var got []row
		for {
			p, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Point != "file" || p.ID != 0 || p.Link != [6]byte{} {
				t.Errorf("point %s, id %d, link %x", p.Point, p.ID, p.Link)
			}
			got = append(got, rows(r, &p)...)
		}
		compare(t, got, want)
		refusedInAll(t, s, feedFiles[name].refused)
	})
}

func refusedInAll(t *testing.T, s capture.Source, want map[capture.Reason]uint64) {
	t.Helper()
	for r, n := range s.Drops().Refused {
		if n != want[capture.Reason(r)] {
			t.Errorf("refused %s = %d, want %d", capture.Reason(r), n, want[capture.Reason(r)])
		}
	}
}

// TestLiveFeedsAgreeWithTheTruth sends what the files hold to a Source that accepts old stamps.
func TestLiveFeedsAgreeWithTheTruth(t *testing.T) {
	eachFeed(t, func(t *testing.T, name string, src capture.Source, want []row) {
		s := opened(t, func(c *Config) { c.Skew = math.MaxInt64 })
		conn := dial(t, s, 0)
		r := reader.NewReader(reader.Selection{}, reader.DefaultLimits())
		var got []row
		for {
			p, err := onlyHEP{src}.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			before := s.Drops().Seen
			send(t, conn, p.Payload)
			await(t, "it comes", func() bool { return s.Drops().Seen+uint64(s.Stats().Waiting) > before })
			if s.Stats().Waiting > 0 {
				p, _ := next(s)
				got = append(got, rows(r, &p)...)
			}
		}
		compare(t, got, want)
		balanced(t, s, len(want), feedFiles[name].refused)
	})
}

func TestUnwrappingLeavesTheRestAlone(t *testing.T) {
	eachFeed(t, func(t *testing.T, name string, src capture.Source, want []row) {
		s := Unwrapped(src, 0)
		r := reader.NewReader(reader.Selection{}, reader.DefaultLimits())
		messages := 0
		for p, err := s.Next(); err == nil; p, err = s.Next() {
			messages += len(rows(r, &p))
		}
		if wire := messages - len(want); wire != feedFiles[name].wire {
			t.Errorf("messages on the wire = %d, want %d", wire, feedFiles[name].wire)
		}
	})
}

// A slice of packets is a Source.
type slice struct {
	packets []capture.Packet
	capture.Source
}

func (s *slice) Next() (p capture.Packet, err error) {
	if len(s.packets) == 0 {
		return p, io.EOF
	}
	p, s.packets = s.packets[0], s.packets[1:]
	return p, nil
}

func (s *slice) Drops() (d capture.Drops) { return d }

// TestMetadataOfAFrameIsThatOfItsMessage has a frame and a sender that differ.
func TestMetadataOfAFrameIsThatOfItsMessage(t *testing.T) {
	frame := capture.Packet{Time: noon.Add(time.Hour), ID: 7, VLAN: 9, Point: "file", Origin: capture.File}
	of := func(b []byte, missed uint64) capture.Packet {
		p := frame
		if p.Payload = b; missed > 0 {
			p.Missed, p.MissedSince = missed, noon.Add(-time.Duration(missed)*time.Second)
		}
		return p
	}
	unstamped := mirror()
	unstamped.stamp = time.Time{}
	src := &slice{packets: []capture.Packet{of(packed(mirror()), 0), of(packed(unstamped), 0),
		of(instead(chunkMicros, u32(1e6)), 0), of([]byte("HEP3"), 5), of([]byte("HEP3\x00\x05"), 2),
		of(packed(mirror()), 1), of(options, 0), of(append(packed(mirror()), 0), 0)}}
	s := Unwrapped(src, 0)
	ps := take(t, s, 6)
	for i, want := range []time.Time{noon, frame.Time, frame.Time, noon, frame.Time, noon} {
		if !ps[i].Time.Equal(want) || ps[i].Origin != capture.File || ps[i].Point != "file" || ps[i].Mirrored != (i != 4) {
			t.Errorf("packet %d: got = %+v, want time %s", i, ps[i], want)
		}
	}
	if string(ps[0].Payload) != string(options) || string(ps[0].Correlation) != "1-legs@192.0.2.1" || ps[0].VLAN != 0 {
		t.Errorf("got = %+v, want the message", ps[0])
	}
	if ps[4].ID != 7 {
		t.Error("what is no datagram of HEP was changed")
	}
	if ps[3].Missed != 8 || !ps[3].MissedSince.Equal(noon.Add(-5*time.Second)) {
		t.Errorf("missed = %d since %s, want 8: refused packets' too", ps[3].Missed, ps[3].MissedSince)
	}
	refusedInAll(t, s, map[capture.Reason]uint64{capture.Short: 1, capture.Malformed: 1})
	if st := s.Stats(); st.Skewed != 1 || st.Unstamped != 1 || st.Trailing != 1 {
		t.Errorf("skewed = %d, unstamped = %d, trailing = %d, want 1 each", st.Skewed, st.Unstamped, st.Trailing)
	}
}

// TestPortOfAFeedMakesItsDatagramsHEP: versions 1 and 2 look like other datagrams elsewhere.
func TestPortOfAFeedMakesItsDatagramsHEP(t *testing.T) {
	to := netip.MustParseAddrPort("192.0.2.9:9060")
	packets := func() *slice {
		return &slice{packets: []capture.Packet{{Payload: oldPacket(1, mirror()), Flow: capture.Flow{Dst: to}},
			{Payload: oldPacket(2, mirror()), Flow: capture.Flow{Src: to}}, {Payload: oldPacket(2, mirror())},
			{Payload: options, Flow: capture.Flow{Dst: to}}}}
	}
	for port, want := range map[uint16]int{9060: 2, 9061: 0, 0: 0} {
		n := 0
		for _, p := range take(t, Unwrapped(packets(), port), 4) {
			if p.Mirrored {
				n++
			}
		}
		if n != want {
			t.Errorf("port %d: messages in HEP = %d, want %d", port, n, want)
		}
	}
}

// segments returns stream as the segments of one direction of a connection, cut at those places.
func segments(number uint64, stream []byte, cuts ...int) (ps []capture.Packet) {
	from := 0
	for i, to := range append(cuts, len(stream)) {
		ps = append(ps, capture.Packet{Time: noon.Add(time.Duration(i) * time.Second), Stream: number, Point: "file",
			Origin: capture.File, Payload: stream[from:to]})
		from = to
	}
	return ps
}

// TestFeedInAStreamIsRead cuts a stream of three packets at every place, and shows it whole.
func TestFeedInAStreamIsRead(t *testing.T) {
	one, other, last := mirror(), mirror(), mirror()
	other.payload, last.payload = []byte("ACK sip:b@h SIP/2.0\r\n\r\n"), []byte("BYE sip:b@h SIP/2.0\r\n\r\n")
	last.stamp = time.Time{}
	stream := slices.Concat(packed(one), packed(other), packed(last))
	for cut := header; cut < len(stream); cut++ { // the first segment begins with the head of a packet
		ps := take(t, Unwrapped(&slice{packets: segments(4, stream, cut)}, 0), 3)
		for i, want := range []*mirrored{one, other, last} {
			at := want.stamp
			if at.IsZero() {
				at = noon.Add(time.Second)
			}
			if string(ps[i].Payload) != string(want.payload) || !ps[i].Time.Equal(at) || ps[i].Stream != 0 {
				t.Fatalf("cut at %d, message %d: got = %+v, want %q", cut, i, ps[i], want.payload)
			}
		}
	}
}

// TestStreamsOfAFeedAreFoundAgain loses a piece, joins a stream late, and ends one in the middle of a packet.
func TestStreamsOfAFeedAreFoundAgain(t *testing.T) {
	b := packed(mirror())
	body := len(b) - len(options)
	lost := segments(4, slices.Concat(b, b[:len(b)-20], b[9:], b), len(b), 2*len(b)-20)
	lost[2].Lost = true
	ended := segments(4, slices.Concat(b, b[:body+10]))
	ended[0].Ended = true
	joined := segments(4, slices.Concat(b[20:], b))
	joined[0].Flow.Dst = netip.MustParseAddrPort("192.0.2.9:9060")
	plain := segments(6, options)
	for name, c := range map[string]struct {
		packets []capture.Packet
		want    []string
		cut     int // which of them is cut, -1 for none
	}{
		"lost":    {lost, []string{string(options), string(options[:len(options)-20]), string(options)}, 1},
		"ended":   {ended, []string{string(options), string(options[:10])}, 1},
		"joined":  {joined, []string{string(options)}, -1},
		"not HEP": {plain, []string{string(options)}, -1},
	} {
		s := Unwrapped(&slice{packets: c.packets}, 9060)
		for i, want := range c.want {
			p, err := s.Next()
			if err != nil || string(p.Payload) != want || p.Cut != (i == c.cut) {
				t.Errorf("%s: message %d = %q, cut = %t, %v, want %q", name, i, p.Payload, p.Cut, err, want)
			}
		}
		if p, err := s.Next(); err != io.EOF {
			t.Errorf("%s: got = %+v, %v, want the end", name, p, err)
		}
	}
}

// TestStreamsOfAFeedAreBounded opens more streams than are remembered, each in the middle of a packet.
func TestStreamsOfAFeedAreBounded(t *testing.T) {
	b := packed(mirror())
	src := &slice{}
	for i := range uint64(3 * mostFeeds) {
		src.packets = append(src.packets, segments(i+1, b[:40])...)
	}
	src.packets = append(src.packets, segments(3*mostFeeds, b[40:])...)
	s := Unwrapped(src, 0)
	if p, err := s.Next(); err != nil || string(p.Payload) != string(options) || len(s.feeds.all) != mostFeeds {
		t.Errorf("got = %+v, %v, streams = %d, want the message of the last", p, err, len(s.feeds.all))
	}
	if n := s.Drops().Lost[capture.StreamEvicted]; n != 2*mostFeeds {
		t.Errorf("lost = %d, want the %d packets that were begun and forgotten", n, 2*mostFeeds)
	}
}

// TestAFileIsGivenWhenNoMessageIsLeft has segments that hold three messages and a half: between them it is not.
func TestAFileIsGivenWhenNoMessageIsLeft(t *testing.T) {
	b := packed(mirror())
	stream := bytes.Repeat(b, 4)
	src := &slice{packets: segments(1, stream, 3*len(b)+len(b)/2)}
	s := Unwrapped(src, 0)
	for i, want := range []bool{false, false, true, true} {
		if p, err := s.Next(); err != nil || string(p.Payload) != string(options) || s.Given() != want {
			t.Errorf("message %d: %v, given = %t, want %t", i, err, s.Given(), want)
		}
	}
}
