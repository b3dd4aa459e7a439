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
	})
}

// ladder turns a ladder into a capture file: ladder IN OUT.
func ladder() {
	src, err := os.ReadFile(os.Args[1])
	if err == nil {
		frames, problem := capturetest.Ladder(src)
		err = problem
		var b bytes.Buffer
		if err == nil {
			err = capturetest.WritePcap(&b, frames)
		}
		if err == nil {
			err = os.WriteFile(os.Args[2], b.Bytes(), 0o600)
		}
	}
	if err != nil {
		_, _ = os.Stderr.WriteString("ladder: " + err.Error() + "\n")
		os.Exit(2)
	}
}

// TestStories runs every story in testdata/script.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}
