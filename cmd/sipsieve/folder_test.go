package main

import (
	"context"
	"os"
	"path/filepath"
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

func folderAt(t *testing.T, path string) *folder {
	t.Helper()
	cfg := pcap.DefaultDirConfig()
	cfg.Path, cfg.State = path, filepath.Join(t.TempDir(), "read")
	dir, err := pcap.OpenDir(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &folder{dir: dir, given: map[string]bool{}}
}
