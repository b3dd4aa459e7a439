package source

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/hep"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// until waits until done reports true.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: does not come", what)
		}
	}
}

// awaitSeen calls Next until s has seen n packets.
func awaitSeen(t *testing.T, s *feed, n uint64) {
	t.Helper()
	for limit := time.Now().Add(patience); s.Drops().Seen < n; {
		if p, err := s.Next(); err != nil || !p.Bare() {
			t.Fatalf("bare %v, %v, want a bare packet", p.Bare(), err)
		}
		if time.Now().After(limit) {
			t.Fatalf("seen = %d, want %d", s.Drops().Seen, n)
		}
	}
}

// TestAFeedThatIsOpenedAgainKeepsItsCounts has a feed begin while its port is taken, and fail once.
func TestAFeedThatIsOpenedAgainKeepsItsCounts(t *testing.T) {
	t.Parallel()
	pid := os.Getpid() // of 22 bits; no other process has this address, and so none takes the port in between
	host := net.IPv4(127, 64|byte(pid>>16), byte(pid>>8), byte(pid)).String()
	first, err := net.ListenPacket("udp", host+":5060")
	if err != nil {
		t.Fatal(err)
	}
	c := hep.DefaultConfig()
	c.Insecure, c.Listen = true, []string{"udp://" + first.LocalAddr().String()}
	s := newFeed(c)
	t.Cleanup(func() { _ = s.Close() })
	if p, err := s.Next(); err != nil || !p.Bare() || s.Trouble() == nil {
		t.Errorf("bare %v, %v, trouble %v, want a bare packet and that the port is taken", p.Bare(), err, s.Trouble())
	}
	if _, ok := s.Watermark(); ok {
		t.Error("a feed that is not open has a watermark")
	}
	address := first.LocalAddr().String()
	_ = first.Close()
	until(t, "the feed", func() bool {
		_, err := s.Next()
		return err == nil && s.Trouble() == nil
	})
	for n := range uint64(2) {
		conn, err := net.Dial("udp", address)
		if err == nil {
			_, err = conn.Write([]byte("no HEP"))
		}
		if err != nil {
			t.Fatal(err)
		}
		awaitSeen(t, s, n+1)
		if d := s.Drops(); d.Refused[capture.Malformed]+d.Refused[capture.Short] != n+1 {
			t.Errorf("refused = %v, want %d malformed", d.Refused, n+1)
		}
		now, _ := s.current()
		s.retire(now, errors.New("the socket failed"))
		if s.Trouble() == nil {
			t.Error("a feed that failed has no trouble")
		}
		until(t, "the feed after a failure", func() bool {
			_, err := s.Next()
			return err == nil && s.Trouble() == nil
		})
		if _, ok := s.Watermark(); !ok {
			t.Error("a feed that is open has no watermark")
		}
	}
	_ = s.Close()
	for range 2 {
		if _, err := s.Next(); err != io.EOF {
			t.Errorf("err = %v, want EOF", err)
		}
	}
}
