package main

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sipsieve/capture/capturetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sipsieve": func() { os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
		"ladder":   ladder,
		"wrap":     wrap,
		"feed":     mirrorLadder,
		"cipher":   cipher,
	})
}

// ladder turns a ladder into a capture file: ladder IN OUT.
func ladder() {
	drawn(func(frames []capturetest.Frame) ([]capturetest.Frame, error) { return frames, nil })
}

// drawn turns the ladder that the first argument names into the capture file of the last, with its frames changed.
func drawn(change func([]capturetest.Frame) ([]capturetest.Frame, error)) {
	src, err := os.ReadFile(os.Args[1])
	var frames []capturetest.Frame
	if err == nil {
		frames, err = capturetest.Ladder(src)
	}
	if err == nil {
		frames, err = change(frames)
	}
	var b bytes.Buffer
	if err == nil {
		err = capturetest.WritePcap(&b, frames)
	}
	if err == nil {
		err = os.WriteFile(os.Args[len(os.Args)-1], b.Bytes(), 0o600)
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(os.Args[0] + ": " + err.Error() + "\n")
		os.Exit(2)
	}
}

// TestStories runs every story in testdata/script.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}
