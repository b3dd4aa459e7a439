package daemon

import (
	"bytes"
	enc "encoding/binary"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/config"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// demoSetup returns the defaults with the demonstration keys and that policy.
func demoSetup(t *testing.T, policyFile string) *config.Setup {
	t.Helper()
	c := config.Default()
	c.Keys.Demo, c.Rules.File = true, policyFile
	s, err := config.Resolve(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// daemonOf returns a Daemon with a bus that is not running yet. It is closed with the test.
func daemonOf(t *testing.T, extra string) *Daemon {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sipsieve.toml")
	text := "site = \"here\"\nsensor = \"sensor-1\"\nstate = \"" + t.TempDir() + "\"\n[keys]\ndemo = true\n[bus]\n" + extra
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := config.Resolve(c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(t.Context(), s, Options{Log: slog.New(slog.DiscardHandler), Out: io.Discard, Version: "of a test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func fileSource(path string) string { return "[[source]]\ntype = \"file\"\npath = \"" + path + "\"\n" }

// until waits until done reports true.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: does not come", what)
		}
	}
}

// ladderFile returns the path of a capture file of a ladder.
func ladderFile(t *testing.T, ladder string) string {
	t.Helper()
	frames, err := capturetest.Ladder([]byte(ladder))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ladder.pcap")
	if err := os.WriteFile(path, pcapFile(t, frames), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// corpusSource returns a capture file of so many calls.
func corpusSource(t *testing.T, calls int) *pcap.Source {
	t.Helper()
	s, err := pcap.New("corpus", bytes.NewReader(pcapFile(t, capturetest.Corpus(calls, 1))), pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// storm is messages of every method that makes no record, with bodies, to and from a trunk; and a call with digits.
const storm = `
phone is +13035550101 at 10.0.0.9
sbc is +13035550104 at 192.0.2.20
gw is +13035550102 at 203.0.113.5
00:00.000  gw -> sbc   OPTIONS
00:00.002  gw <- sbc   200 OPTIONS
00:01.000  sbc -> gw   OPTIONS
00:01.040  sbc <- gw   404 OPTIONS
00:02.000  phone -> sbc   OPTIONS
00:03.000  phone -> gw   MESSAGE
    Content-Type: text/plain
    | CANARY
00:03.100  phone <- gw   202 MESSAGE
00:04.000  phone -> sbc   INVITE
00:04.100  phone <- sbc   200 INVITE
00:04.200  phone -> sbc   ACK
00:05.000  phone -> sbc   INFO
    Content-Type: application/dtmf-relay
    | Signal=CANARY
00:05.100  phone <- sbc   200 INFO
00:09.000  phone -> sbc   BYE
00:09.100  phone <- sbc   200 BYE
00:40.000  phone -> sbc   SUBSCRIBE
00:40.100  phone <- sbc   489 SUBSCRIBE
`

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
