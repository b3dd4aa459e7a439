package afpacket

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sipsieve/capture"
)

var _ capture.Source = (*Source)(nil)

// sourceOf opens a Source, and closes it should the test take too long.
func sourceOf(t *testing.T, c Config) *Source {
	t.Helper()
	all, err := Open(c) // of one ring
	if err != nil {
		t.Fatal(err)
	}
	s := all[0]
	late := time.AfterFunc(patience, func() { _ = s.Close() })
	t.Cleanup(func() {
		late.Stop()
		_ = s.Close()
		for _, err := next(s); err == nil; _, err = next(s) {
		}
	})
	return s
}

func TestMessagesComeWholeFromTheWire(t *testing.T) {
	cases := []struct {
		name     string
		messages int // by the capture's truth
		vlan     uint16
	}{
		{"g01-answered-caller-bye-access", 42, 0},
		{"g18-ipv6-udp-core", 30, 0},
		{"g20-ipv4-fragments-access", 28, 0},
		{"d1-vlan100", 36, 100},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			frames := fileFrames(t, filepath.Join("../../../shared/captures/generated", c.name+".pcap"))
			namespace(t)
			cfg := config("far")
			cfg.Ports = spans(5060, 5080)
			s := sourceOf(t, cfg)
			wireOf(t, "near").send(frames...)
			for i := range c.messages {
				p, err := next(s)
				if err != nil {
					t.Fatalf("after %d messages of %d: %v; %+v", i, c.messages, err, s.Drops())
				}
				if !bytes.Contains(p.Payload, []byte("SIP/2.0")) || p.VLAN != c.vlan || p.Point != "far" || p.Cut {
					t.Errorf("message %d: %d bytes, VLAN %d at %s, cut %v", i, len(p.Payload), p.VLAN, p.Point, p.Cut)
				}
			}
			time.AfterFunc(5*cfg.Retire, func() { _ = s.Close() })
			if p, err := next(s); err != io.EOF {
				t.Errorf("one packet more, of %d bytes (%v)", len(p.Payload), err)
			}
			if d := s.Drops(); d.Kernel != 0 || d.Seen != s.Stats().Packets {
				t.Errorf("seen = %d, dropped = %d, want %d and none", d.Seen, d.Kernel, s.Stats().Packets)
			}
		})
	}
}

func TestMembersNumberTheirStreamsApart(t *testing.T) {
	namespace(t)
	c := config("far")
	c.Fanout, c.Decode.StreamBase = 2, 7<<56
	all, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	streams := make(map[uint64]int)
	w := wireOf(t, "near")
	for port := range 64 { // segments of 64 connections
		w.send(segment(uint16(20000+port), "OPTIONS sip:a SIP/2.0\r\n\r\n"))
	}
	var mu sync.Mutex
	var readers sync.WaitGroup
	for member, s := range all {
		readers.Go(func() {
			for p, err := next(s); err == nil; p, err = next(s) {
				mu.Lock()
				if _, ok := streams[p.Stream]; ok || p.Stream < 7<<56 {
					t.Errorf("member %d: stream %#x was there before, or lies below its base", member, p.Stream)
				}
				streams[p.Stream] = member
				mu.Unlock()
			}
		})
	}
	t.Cleanup(func() {
		for _, s := range all {
			_ = s.Close()
		}
		readers.Wait()
	})
	eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(streams) == 64
	})
}

func TestEveryMistakeInTheSettingsIsReported(t *testing.T) {
	c := Config{Ports: spans(5061, 5060)}
	err := c.Validate()
	for _, key := range []string{"interface", "ports", "fanout", "blocks", "block_size", "retire", "skew"} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+key+": ") {
			t.Errorf("no error names %s: %v", key, err)
		}
	}
	c = DefaultConfig()
	c.Interface = "eth0"
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	c.Interface = "any"
	if _, err := Open(c); err == nil {
		t.Error("the word any was taken for an interface")
	}
}
