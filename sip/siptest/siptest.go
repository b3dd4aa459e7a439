// Package siptest reads ladders and captures for tests, as a sip.Reader reads them.
package siptest

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// Keyer is the Keyer of tests.
var Keyer = event.NewKeyer([16]byte{1, 2, 3})

// Start is the time of a ladder's 00:00.000.
var Start = time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC)

// Captures is the folder of captures, seen from a package two folders down. It need not be there.
const Captures = "../../../shared/captures"

// Everything selects every header that there is.
func Everything() (s sip.Selection) {
	for i := range s {
		s[i] = true
	}
	return s
}

// Play returns the messages of a ladder.
func Play(t testing.TB, ladder string) []sip.Message {
	t.Helper()
	frames, err := capturetest.Ladder([]byte(ladder))
	if err != nil {
		t.Fatal(err)
	}
	return Frames(t, frames)
}

// Frames returns the messages in frames.
func Frames(t testing.TB, frames []capturetest.Frame) []sip.Message {
	t.Helper()
	var file bytes.Buffer
	if err := capturetest.WritePcap(&file, frames); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ladder.pcap")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return Messages(t, path)
}

// Messages returns the messages in a capture file, with all headers that are known; X-Call-ID names other legs.
func Messages(t testing.TB, path string) []sip.Message {
	t.Helper()
	src, err := pcap.Open(path, pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	r := sip.NewReader(Everything(), sip.DefaultLimits())
	r.Links("x-call-id")
	b := &sip.Batch{}
	for {
		p, err := src.Next()
		if err != nil {
			if err != io.EOF {
				t.Log(err)
			}
			return b.Messages
		}
		r.Read(&p, b.Add)
	}
}
