package main

import (
	"bytes"
	enc "encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/daemon"
)

// hepOf returns p as a switch mirrors it, HEP version 3: without a stamp if p has no time.
func hepOf(p *capture.Packet) []byte {
	b := []byte("HEP3\x00\x00")
	chunk := func(kind uint16, value []byte) {
		b = enc.BigEndian.AppendUint32(b, uint32(kind))
		b = append(enc.BigEndian.AppendUint16(b, uint16(6+len(value))), value...)
	}
	src, dst := p.Flow.Src, p.Flow.Dst
	chunk(1, []byte{2})
	chunk(2, []byte{17})
	chunk(3, src.Addr().AsSlice())
	chunk(4, dst.Addr().AsSlice())
	chunk(7, enc.BigEndian.AppendUint16(nil, src.Port()))
	chunk(8, enc.BigEndian.AppendUint16(nil, dst.Port()))
	if !p.Time.IsZero() {
		chunk(9, enc.BigEndian.AppendUint32(nil, uint32(p.Time.Unix())))
		chunk(10, enc.BigEndian.AppendUint32(nil, uint32(p.Time.Nanosecond()/1000)))
	}
	chunk(11, []byte{1})
	chunk(15, p.Payload)
	enc.BigEndian.PutUint16(b[4:], uint16(len(b)))
	return b
}

// mirrored returns p as a HEP version 3 packet without a stamp: it comes when it comes.
func mirrored(p *capture.Packet) []byte {
	undated := *p
	undated.Time = time.Time{}
	return hepOf(&undated)
}

// awaitsFeed writes a configuration with a HEP feed at that address.
func (s *site) awaitsFeed(t *testing.T, address string) {
	t.Helper()
	text := fmt.Sprintf("site = \"here\"\nsensor = \"sensor-1\"\nstate = %q\npolicy = %q\n[keys]\ndemo = true\n"+
		"[[source]]\ntype = \"hep\"\ninsecure = true\nskew = \"1h\"\nlisten = [\"tcp://%s\"]\n[bus]\n[store]\ntype = \"sqlite\"\n[http]\nlisten = \"\"\n",
		filepath.Join(s.dir, "state"), s.atOnce(t), address)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ownAddress returns an address of loopback and a port that no other test has, of this process or another: the process
// number, of 22 bits at most, is in the address, and the port is below those that the system gives to sockets.
func ownAddress() string {
	pid := os.Getpid()
	host := net.IPv4(127, 64|byte(pid>>16), byte(pid>>8), byte(pid))
	return fmt.Sprintf("%s:%d", host, 20000+ports.Add(1))
}

// ports counts those that ownAddress has given.
var ports atomic.Uint32

// feed sends packets, each of one message, and waits until they are followed.
func (s *site) feed(t *testing.T, address string, packets []capture.Packet) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for i := range packets {
		if _, err := conn.Write(mirrored(&packets[i])); err != nil {
			t.Fatal(err)
		}
	}
	for limit := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if l := s.status(t).Ledger; l.Packets.Seen == uint64(len(packets)) &&
			l.Messages.Tracked+l.Messages.Duplicates == uint64(len(packets)) {
			return
		} else if time.Now().After(limit) {
			t.Fatalf("seen = %d, want %d; %+v", l.Packets.Seen, len(packets), l.Messages)
		}
	}
}

// TestCallsOfAFeedGoOnAfterAStop stops the daemon while all calls are up: each is published once, as answered.
func TestCallsOfAFeedGoOnAfterAStop(t *testing.T) {
	t.Parallel()
	packets := packetsOf(t, corpus(t, 60))
	s, address := newSite(t, 1), ownAddress()
	s.awaitsFeed(t, address)
	p := s.start(t)
	s.up(t)
	s.feed(t, address, packets[:len(packets)/2])
	before := s.status(t).Ledger.Calls
	if before.Live == 0 {
		t.Fatal("no call is up: the test shows nothing")
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	p = s.start(t)
	s.up(t)
	if got := s.status(t).Ledger.Calls.Live; got != before.Live {
		t.Errorf("calls that are up again = %d, want %d", got, before.Live)
	}
	s.feed(t, address, packets[len(packets)/2:])
	for limit := time.Now().Add(patience); s.status(t).Records["billing"] < 60; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("records = %v, want 60 of billing", s.status(t).Records)
		}
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	if got := outcomes(s.stored(t)); got["answered"] != 60 || len(got) != 1 {
		t.Errorf("records = %v, want 60 that are answered", got)
	}
}

// TestOneCallIsPublishedThoughOtherShardsHaveNone: a shard without packets does not delay the others.
func TestOneCallIsPublishedThoughOtherShardsHaveNone(t *testing.T) {
	t.Parallel()
	f := newFeeder(t, threeCalls, "shards = 16\n")
	p := f.begin(t)
	f.send(t, slices.DeleteFunc(slices.Clone(f.packets), func(p capture.Packet) bool {
		return !bytes.Contains(p.Payload, []byte("Call-ID: one"))
	}))
	f.await(t, "records", func(r *daemon.Status) bool { return r.Records["billing"] == 1 })
	p.stop(t, syscall.SIGTERM)
}
