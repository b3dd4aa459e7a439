package source

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
)

func corpus(t *testing.T, calls int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, capturetest.Corpus(calls, 1)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestProgressGoesFromNothingToTheWholeOfAllFiles asks before and after, of several files, and of one without a size.
func TestProgressGoesFromNothingToTheWholeOfAllFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.pcap")
	if err := os.WriteFile(path, corpus(t, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := OpenFiles([]string{path, path, path}, HEP{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, err = c.Next(); err == nil; {
		_, err = c.Next()
	}
	if read, size := c.Progress(); read != 3*st.Size() || size != read {
		t.Errorf("progress = %d of %d, want %d of it", read, size, 3*st.Size())
	}
	piped, err := pcap.New("standard input", bytes.NewReader(corpus(t, 1)), pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	c.each = append(c.each, piped)
	if _, size := c.Progress(); size != -1 {
		t.Errorf("size with one that has none = %d, want -1", size)
	}
}
