package hep

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
)

const patience = 60 * time.Second // for what ought to take a few milliseconds

// opened opens a Source on ports of loopback that are free, and closes it should the test take too long. A stamp of
// this hour is close to the arrival, however long a packet is on its way.
func opened(t testing.TB, change func(*Config)) *Source {
	t.Helper()
	c := DefaultConfig()
	c.Name, c.Listen, c.Skew = "proxies", []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0"}, time.Hour
	if change != nil {
		change(&c)
	}
	c.Insecure = c.KeyFile == ""
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { _ = s.Close() })
	t.Cleanup(func() {
		late.Stop()
		_ = s.Close()
	})
	return s
}

// dial connects to the i-th address of s. What is written then either arrives or fails the test.
func dial(t testing.TB, s *Source, i int) net.Conn {
	t.Helper()
	at := s.Addrs()[i]
	conn, err := net.Dial(at.Network(), at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send(t testing.TB, conn net.Conn, packets ...[]byte) {
	t.Helper()
	for _, b := range packets {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

// next returns the next packet of s that is not bare.
func next(s capture.Source) (p capture.Packet, err error) {
	for p, err = s.Next(); err == nil && p.Bare(); {
		p, err = s.Next()
	}
	return p, err
}

// take returns the next n packets of s, with payloads of their own.
func take(t testing.TB, s capture.Source, n int) (ps []capture.Packet) {
	t.Helper()
	for len(ps) < n {
		p, err := next(s)
		if err != nil {
			t.Fatalf("after %d packets of %d: %v", len(ps), n, err)
		}
		p.Payload, p.Correlation = bytes.Clone(p.Payload), bytes.Clone(p.Correlation)
		ps = append(ps, p)
	}
	return ps
}

// await waits until what holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// balanced fails the test unless what was seen is what was returned and what was refused.
func balanced(t testing.TB, s capture.Source, returned int, refused map[capture.Reason]uint64) {
	t.Helper()
	d := s.Drops()
	sum := uint64(returned)
	for r, n := range d.Refused {
		sum += n
		if want := refused[capture.Reason(r)]; n != want {
			t.Errorf("refused %s = %d, want %d", capture.Reason(r), n, want)
		}
	}
	if d.Seen != sum {
		t.Errorf("seen = %d, want %d", d.Seen, sum)
	}
}

// fresh is mirror with a stamp that is accepted, and number as its payload's first bytes.
func fresh(number byte) *mirrored {
	m := mirror()
	m.stamp = now().Truncate(time.Microsecond)
	m.payload = append([]byte{number}, options...)
	return m
}

func packed(m *mirrored) []byte { return build(parts(m)...) }

func TestFeedsBecomePackets(t *testing.T) {
	for i, network := range []string{"UDP", "TCP"} {
		t.Run(network, func(t *testing.T) {
			s := opened(t, nil)
			m := fresh(1)
			m.protocol = 6
			send(t, dial(t, s, i), packed(m))
			p := take(t, s, 1)[0]
			want := capture.Flow{Src: m.src, Dst: m.dst, Transport: capture.TCP}
			if p.Flow != want || !p.Time.Equal(m.stamp) || p.Point != "proxies" || p.Origin != capture.HEP ||
				p.Stream != 0 || p.ID != 0 || p.Missed != 0 || p.Cut {
				t.Errorf("got = %+v", p)
			}
			if !bytes.Equal(p.Payload, m.payload) || string(p.Correlation) != "1-legs@192.0.2.1" {
				t.Errorf("got = %q and %q", p.Payload, p.Correlation)
			}
			balanced(t, s, 1, nil)
			st := s.Stats()
			send(t, dial(t, s, i), packed(m))
			take(t, s, 1)
			if later := s.Stats(); st.Agents[2001] != 1 || later.Agents[2001] != 2 || later.Skewed != 0 {
				t.Errorf("stats = %+v, then %+v", st, later)
			}
		})
	}
}

func TestOnlyAllowedSendersAreHeard(t *testing.T) {
	s := opened(t, func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")} })
	send(t, dial(t, s, 0), packed(fresh(1)))
	await(t, "the stranger is counted", func() bool { return s.Drops().Seen == 1 })
	stranger := dial(t, s, 1)
	if _, err := stranger.Read(make([]byte, 1)); err == nil {
		t.Error("a stranger's connection stays open")
	}
	for i, from := range []net.Addr{&net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}} {
		at := s.Addrs()[i]
		conn, err := (&net.Dialer{LocalAddr: from}).Dial(at.Network(), at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		send(t, conn, packed(fresh(2)))
		if p := take(t, s, 1)[0]; p.Payload[0] != 2 {
			t.Errorf("%s: received %d, want 2", at.Network(), p.Payload[0])
		}
	}
	balanced(t, s, 2, map[capture.Reason]uint64{capture.HEPSource: 1})
	if st := s.Stats(); st.Strangers != 1 {
		t.Errorf("strangers = %d, want 1", st.Strangers)
	}
}

// TestIPv4SendersAreAllowedOnAnIPv6Socket has a socket that shows them as mapped addresses.
func TestIPv4SendersAreAllowedOnAnIPv6Socket(t *testing.T) {
	s := opened(t, func(c *Config) {
		c.Listen = []string{"udp://[::]:0", "tcp://[::]:0"}
		c.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for i, at := range s.Addrs() {
		_, port, _ := net.SplitHostPort(at.String())
		conn, err := net.Dial(at.Network(), "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		send(t, conn, packed(fresh(byte(i))))
		await(t, "it is judged", func() bool { return s.Stats().Waiting+int(s.Drops().Seen)+int(s.Stats().Strangers) > i })
	}
	_ = s.Close()
	take(t, s, 2)
}

func TestKeyIsThatOfTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("secret\r\nnot this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := opened(t, func(c *Config) { c.KeyFile = file })
	conn := dial(t, s, 1)
	for i, key := range []string{"", "guess", "secret\r", "secret"} {
		m := fresh(byte(i))
		m.key = []byte(key)
		send(t, conn, packed(m))
	}
	if p := take(t, s, 1)[0]; p.Payload[0] != 3 {
		t.Errorf("packet %d was let in", p.Payload[0])
	}
	balanced(t, s, 1, map[capture.Reason]uint64{capture.HEPKey: 3})
	if st := s.Stats(); st.Agents[2001] != 1 {
		t.Errorf("agent 2001 = %d, want 1: the others were refused", st.Agents[2001])
	}
}

func TestWhatIsNotSIPIsCountedByItsName(t *testing.T) {
	s := opened(t, nil)
	conn := dial(t, s, 1)
	for _, kind := range []uint8{5, 100, 5, 99, sip} {
		m := fresh(kind)
		m.kind = kind
		send(t, conn, packed(m))
	}
	take(t, s, 1)
	balanced(t, s, 1, map[capture.Reason]uint64{capture.HEPType: 4})
	if st := s.Stats(); st.Kinds["rtcp"] != 2 || st.Kinds["log"] != 1 || st.Kinds["other"] != 1 || len(st.Kinds) != 3 {
		t.Errorf("kinds = %v", st.Kinds)
	}
}

func TestAgentsBeyondTheLimitAreCountedTogether(t *testing.T) {
	var s Stats
	s.init()
	for n := range uint32(mostAgents + 10) {
		s.agent(n)
		s.agent(n)
	}
	if len(s.Agents) != mostAgents || s.OtherAgents != 20 || s.Agents[0] != 2 {
		t.Errorf("agents = %d, others = %d, want %d and 20", len(s.Agents), s.OtherAgents, mostAgents)
	}
}

// TestFullQueueRefusesAndCounts never calls Next while packets come: the sender does not wait, the first packets
// stay, and the first after the loss reports it.
func TestFullQueueRefusesAndCounts(t *testing.T) {
	s := opened(t, func(c *Config) { c.Queue = smallestQueue })
	conn := dial(t, s, 1)
	const packets, fit = 10, 4
	for i := range packets {
		m := fresh(byte(i))
		m.payload = append(m.payload, make([]byte, 60_000)...)
		send(t, conn, packed(m))
	}
	await(t, "the queue is full", func() bool { return s.Drops().Refused[capture.QueueFull] == packets-fit })
	if n := s.Stats().Waiting; n != fit {
		t.Errorf("waiting = %d, want %d", n, fit)
	}
	ps := take(t, s, fit)
	for i, p := range ps {
		if p.Payload[0] != byte(i) || p.Missed != 0 {
			t.Errorf("packet %d: got = %d, missed %d", i, p.Payload[0], p.Missed)
		}
	}
	send(t, conn, packed(fresh(99)), packed(fresh(100)))
	after := take(t, s, 2)
	if after[0].Missed != packets-fit || !after[0].MissedSince.Equal(ps[fit-1].Time) || after[1].Missed != 0 {
		t.Errorf("missed %d since %s, then %d, want %d since %s, then 0", after[0].Missed, after[0].MissedSince,
			after[1].Missed, packets-fit, ps[fit-1].Time)
	}
	balanced(t, s, fit+2, map[capture.Reason]uint64{capture.QueueFull: packets - fit})
}

// TestWhatTheKernelDroppedIsCounted holds up the one who reads the socket until it has overflowed.
func TestWhatTheKernelDroppedIsCounted(t *testing.T) {
	s := opened(t, func(c *Config) { c.Buffer = maxPacket })
	conn := dial(t, s, 0)
	const packets = 1000
	s.mu.Lock()
	for range packets {
		send(t, conn, packed(fresh(1)))
	}
	s.mu.Unlock()
	settled := func() bool {
		d := s.Drops()
		return d.Kernel > 0 && int(d.Kernel)+s.Stats().Waiting == packets
	}
	await(t, "all is queued or counted", settled)
	send(t, conn, packed(fresh(2)))
	dropped := int(s.Drops().Kernel)
	ps := take(t, s, packets-dropped+1)
	reported := 0
	for _, p := range ps {
		reported += int(p.Missed)
		if p.MissedSince.IsZero() != (p.Missed == 0) || p.MissedSince.After(p.Time.Add(time.Second)) {
			t.Errorf("one of %s misses %d since %s", p.Time, p.Missed, p.MissedSince)
		}
	}
	if reported != dropped {
		t.Errorf("the packets report %d, want %d", reported, dropped)
	}
	balanced(t, s, len(ps), nil)
}

func TestClosedSourceReturnsWhatWasQueuedThenEOF(t *testing.T) {
	s := opened(t, nil)
	conn := dial(t, s, 1)
	send(t, conn, packed(fresh(1)), packed(fresh(2)))
	await(t, "both are queued", func() bool { return s.Stats().Waiting == 2 })
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stays open: %v", err)
	}
	take(t, s, 2)
	for range 2 {
		if _, err := s.Next(); err != io.EOF {
			t.Errorf("err = %v, want EOF", err)
		}
	}
	balanced(t, s, 2, nil)
	if n := s.Stats().Connections; n != 0 {
		t.Errorf("connections = %d, want 0", n)
	}
}

// TestWatermarkFollowsArrivals has packets wait in the queue and then none come.
func TestWatermarkFollowsArrivals(t *testing.T) {
	s := opened(t, nil)
	came := time.Now().Add(-time.Minute)
	for i := range 2 {
		s.take(&decoder{}, packed(invite()), came.Add(time.Duration(i)*time.Second))
	}
	for i := range 2 {
		take(t, s, 1)
		if got, ok := s.Watermark(); !ok || !got.Equal(came.Add(time.Duration(i)*time.Second-200*time.Millisecond)) {
			t.Errorf("after packet %d: %s, %t, want its arrival less 200 ms: %s", i, got, ok, came)
		}
	}
	began := time.Now()
	p, err := s.Next()
	got, ok := s.Watermark()
	if err != nil || !p.Bare() || p.Flow.Src.IsValid() || !ok || got.Before(began.Add(-200*time.Millisecond)) {
		t.Errorf("in silence: bare %v, %v, watermark %s, %t, want one after %s", p.Bare(), err, got, ok, began)
	}
	_ = s.Close()
	if _, ok := s.Watermark(); ok {
		t.Error("a feed that has ended has a watermark")
	}
}

func TestCloseWakesWhoWaits(t *testing.T) {
	s := opened(t, nil)
	ended := make(chan error)
	go func() {
		_, err := next(s)
		ended <- err
	}()
	_ = s.Close()
	if err := <-ended; err != io.EOF {
		t.Errorf("err = %v, want EOF", err)
	}
}

func TestAddressInUseIsAnErrorThatLeavesNothingOpen(t *testing.T) {
	s := opened(t, nil)
	c := DefaultConfig()
	c.Insecure, c.Listen = true, []string{"udp://127.0.0.1:0", "tcp://" + s.Addrs()[1].String()}
	if _, err := Open(c); err == nil || !strings.HasPrefix(err.Error(), "hep: ") {
		t.Errorf("err = %v, want one of hep", err)
	}
}

// TestFourSendersAtOnceKeepTheirOrder has every packet of four connections and two sockets arrive once, in order.
func TestFourSendersAtOnceKeepTheirOrder(t *testing.T) {
	s := opened(t, nil)
	const each = 200
	for sender := range byte(4) {
		conn := dial(t, s, 1)
		go func() {
			for i := range each {
				m := fresh(sender)
				m.payload[1] = byte(i)
				_, _ = conn.Write(packed(m))
			}
		}()
	}
	var next [4]byte
	for range 4 * each {
		p := take(t, s, 1)[0]
		if sender := p.Payload[0]; p.Payload[1] != next[sender] {
			t.Fatalf("sender %d: packet %d, want %d", sender, p.Payload[1], next[sender])
		}
		next[p.Payload[0]]++
		_ = s.Stats()
	}
	balanced(t, s, 4*each, nil)
	if !slices.Equal(next[:], []byte{each, each, each, each}) {
		t.Errorf("got = %v, want %d of each", next, each)
	}
}
