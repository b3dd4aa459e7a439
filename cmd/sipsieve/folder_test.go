package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture/pcap"
)

// TestFolderThatIsGoneIsToldOfOnce takes a folder away, brings it back and takes it away again.
func TestFolderThatIsGoneIsToldOfOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	f := folderAt(t, dir)
	for i, step := range []struct{ there, told bool }{{false, true}, {false, false}, {true, false}, {false, true}} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if step.there {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.news(f.look()) != nil; got != step.told {
			t.Errorf("step %d: told = %v, want %v", i, got, step.told)
		}
	}
}

// TestFolderThatIsGoneIsWaitedFor asks a folder that is gone for its next file: only the end of the wait ends it.
func TestFolderThatIsGoneIsWaitedFor(t *testing.T) {
	f := folderAt(t, filepath.Join(t.TempDir(), "spool"))
	if _, _, err := f.next(context.Background()); err == nil {
		t.Error("a folder that is not there: no error")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := f.next(ctx); ctx.Err() == nil {
		t.Errorf("the second look came back at once with %v", err)
	}
}

// TestAFileThatTheSystemRefusesIsReadAtTheNextStart has a disk that fails in the middle of one file of two.
func TestAFileThatTheSystemRefusesIsReadAtTheNextStart(t *testing.T) {
	dir, capture := t.TempDir(), append([]byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00"), make([]byte, 16)...)
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"1.pcap", "2.pcap"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, append(capture, name...), 0o600), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	f := folderAt(t, dir)
	ended := []error{fmt.Errorf("pcap: after frame 7: %w", syscall.EIO), pcap.ErrTruncated}
	if err := f.look(); err != nil || len(f.ready) != len(ended) {
		t.Fatalf("ready = %d, err = %v, want 2, nil", len(f.ready), err)
	}
	for i, path := range f.ready {
		if err := f.done(path, ended[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.look(); err != nil || len(f.ready) != 0 {
		t.Errorf("in the same run: ready = %d, err = %v, want 0, nil", len(f.ready), err)
	}
	f.left = map[string]bool{} // as at the next start
	if err := f.look(); err != nil || len(f.ready) != 1 || filepath.Base(f.ready[0]) != "1.pcap" {
		t.Errorf("at the next start: ready = %d, err = %v, want the first file", len(f.ready), err)
	}
}

func folderAt(t *testing.T, path string) *folder {
	t.Helper()
	cfg := pcap.DefaultDirConfig()
	cfg.Path, cfg.State = path, filepath.Join(t.TempDir(), "read")
	dir, err := pcap.OpenDir(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &folder{dir: dir, given: map[string]bool{}, left: map[string]bool{}}
}
