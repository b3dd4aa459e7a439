package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
)

// TestLogsThatWereSetAsideExpire has files set aside before and after the shortest bus_retain of the policy, one that is
// not of a log, and what a log that nobody reads any more has left.
func TestLogsThatWereSetAsideExpire(t *testing.T) {
	s := demoSetup(t, "")
	s.State, s.Source, s.Calls.Journal = filepath.Join(t.TempDir(), "[a]*?%23"), []config.Source{{Type: "interface"}}, true
	if err := os.Mkdir(s.State, 0o700); err != nil {
		t.Fatal(err)
	}
	c := openCheckpoints(s, slog.New(slog.DiscardHandler))
	retain := s.Policy.ShortestBusRetain().Shortest()
	for _, p := range s.Policy.Purposes() {
		if retain > p.BusRetain.Shortest() || retain > p.Retain.Shortest() || retain == 0 {
			t.Errorf("files are kept for %v, longer than bus_retain or retain of %s", retain, p.Name)
		}
	}
	ages := map[string]time.Duration{liveLogName + ".other-key-1": retain + time.Minute,
		liveLogName + ".other-key-2": retain - time.Minute, "folder-1.checkpoint.other-version-1": retain + time.Minute,
		liveLogName + ".new": retain + time.Minute, "other": 2 * retain, "folder-1.checkpoint": 0,
		"folder-1.checkpoint.mark": 0, "folder-1.checkpoint.new": 0}
	now := time.Now()
	for name, age := range ages {
		path := filepath.Join(s.State, name)
		if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chtimes(path, now, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	c.clear(now)
	there, err := os.ReadDir(s.State)
	var names []string
	for _, e := range there {
		names = append(names, e.Name())
	}
	want := []string{liveLogName, liveLogName + ".mark", liveLogName + ".other-key-2", excerptsLogName,
		excerptsLogName + ".mark", "other"}
	if slices.Sort(names); err != nil || !slices.Equal(names, want) {
		t.Errorf("files = %v, %v, want %v", names, err, want)
	}
}

// TestALogThatCannotBeOpenedKeepsNobodyFromStarting has a folder where the log of live sources would be, and one that is
// not empty where a log would have to go.
func TestALogThatCannotBeOpenedKeepsNobodyFromStarting(t *testing.T) {
	s := demoSetup(t, "")
	s.State, s.Source, s.Calls.Journal = t.TempDir(), []config.Source{{Type: "interface"}}, true
	stuck := filepath.Join(s.State, "folder-1.checkpoint", "x")
	if err := errors.Join(os.Mkdir(filepath.Join(s.State, liveLogName), 0o700), os.MkdirAll(stuck, 0o700)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := openCheckpoints(s, slog.New(slog.NewTextHandler(&log, nil)))
	for _, path := range []string{filepath.Join(s.State, liveLogName), filepath.Dir(stuck)} {
		if err := c.trouble(); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(log.String(), path) {
			t.Errorf("trouble = %v, log %q, want %s", err, log.String(), path)
		}
	}
	if r := c.report(); r.Failed == 0 {
		t.Errorf("%+v, want that it is counted", *r)
	}
	if err := errors.Join(os.RemoveAll(filepath.Dir(stuck)), os.Remove(filepath.Join(s.State, liveLogName))); err != nil {
		t.Fatal(err)
	}
	c.clear(time.Now())
	if err := c.live.Reopen(); err != nil || c.trouble() != nil {
		t.Errorf("once the disk is well: %v, trouble = %v, want none", err, c.trouble())
	}
}
