package daemon

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/source"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/hep"
	"sipsieve/capture/pcap"
)

// folderAt returns the Source of a folder, and what is logged of it.
func folderAt(t *testing.T, path string) (*folderSource, *bytes.Buffer) {
	t.Helper()
	s := demoSetup(t, "")
	s.State = t.TempDir()
	s.Source = []config.Source{{Type: "directory", Path: path, Settle: "1m"}}
	said := new(bytes.Buffer)
	dir, err := source.OpenDir(&s.Source[0], "")
	if err != nil {
		t.Fatal(err)
	}
	f := &folder{setup: s, troubles: newTroubles(&s.Config, slog.New(slog.NewTextHandler(said, nil))), key: "source.0", source: &s.Source[0], dir: dir, retrying: map[*pcap.File]*retry{}}
	f.idle.Store(true)
	series := pcap.NewSeries(pcap.DefaultConfig())
	source := &folderSource{Source: series, folder: f, series: series, closed: make(chan struct{}), active: time.Now()}
	source.base.Store(new(folderCounts))
	return source, said
}

// TestFolderThatIsGoneIsReportedOnce takes a folder away, brings it back and takes it away again.
func TestFolderThatIsGoneIsReportedOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s, said := folderAt(t, dir)
	for i, step := range []struct {
		there  bool
		report string
	}{{false, "not read"}, {false, ""}, {true, "read again"}, {true, ""}, {false, "not read"}} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if step.there {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		said.Reset()
		if s.look(); (said.Len() > 0) != (step.report != "") || !strings.Contains(said.String(), step.report) {
			t.Errorf("step %d: said = %q, want %q", i, said, step.report)
		}
		if trouble := s.folder.troubles.Troubles()["source.0"]; (trouble != "") == step.there {
			t.Errorf("step %d: trouble = %q, with a folder: %v", i, trouble, step.there)
		}
	}
}

// TestFolderThatIsGoneIsWaitedFor asks a folder that is gone for a packet: only Close ends the wait.
func TestFolderThatIsGoneIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := folderAt(t, filepath.Join(t.TempDir(), "spool"))
		began := time.Now()
		time.AfterFunc(time.Hour, func() { _ = s.Close() })
		if _, err := s.Next(); !errors.Is(err, io.EOF) || time.Since(began) < time.Hour {
			t.Errorf("err = %v after %v, want the end after an hour", err, time.Since(began))
		}
	})
}

// spool writes frames into files of a folder that have settled, and returns their paths.
func spool(t *testing.T, dir string, frames []capturetest.Frame, files int) (paths []string) {
	t.Helper()
	for i := range files {
		path := filepath.Join(dir, string(rune('a'+i))+".pcap")
		some := frames[len(frames)*i/files : len(frames)*(i+1)/files]
		if err := os.WriteFile(path, pcapFile(t, some), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func pcapFile(t *testing.T, frames []capturetest.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readFolder reads s until nothing is at hand for a while, and returns the times of the packets.
func readFolder(t *testing.T, s *folderSource) (times []time.Time) {
	t.Helper()
	timer := time.AfterFunc(30*time.Minute, func() { _ = s.Close() })
	defer timer.Stop()
	for {
		p, err := s.Next()
		if err != nil {
			return times
		}
		if !p.Bare() {
			times = append(times, p.Time)
		}
	}
}

// TestAFileThatTheSystemRefusesIsReadAgain has a disk that fails at one file of two: for a while the other file waits,
// so that packets stay in order; then the other is read, and the file once it can be.
func TestAFileThatTheSystemRefusesIsReadAgain(t *testing.T) {
	frames := capturetest.Corpus(20, 1)
	for _, c := range []struct {
		fails   time.Duration
		ordered bool
	}{{10 * time.Second, true}, {5 * time.Minute, false}} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			paths := spool(t, dir, frames, 2)
			s, said := folderAt(t, dir)
			l, err := s.folder.dir.Poll(time.Now().Add(time.Hour))
			if err != nil || len(l.Ready) != 2 {
				t.Fatalf("ready = %d, %v", len(l.Ready), err)
			}
			link := func(name, to string) string {
				path := filepath.Join(dir, name)
				if err := os.Symlink(to, path); err != nil {
					t.Error(err)
				}
				return path
			}
			l.Ready[0].Path = link("disk", "/proc/self/mem") // EIO
			time.AfterFunc(c.fails, func() {
				if err := os.Rename(link("mended", paths[0]), l.Ready[0].Path); err != nil {
					t.Error(err)
				}
			})
			times := readFolder(t, s)
			if len(times) != len(frames) || slices.IsSortedFunc(times, time.Time.Compare) != c.ordered {
				t.Errorf("%v: packets = %d, want %d, in order: %v", c.fails, len(times), len(frames), c.ordered)
			}
			cause := strings.Contains(said.String(), "input/output error")
			if n := strings.Count(said.String(), "read again"); n != 1 || !cause {
				t.Errorf("%v: said = %q, want the cause once", c.fails, said)
			}
			if s.Cut(); len(s.folder.troubles.Troubles()) != 0 {
				t.Errorf("%v: troubles = %v, want none once the file is read", c.fails, s.folder.troubles.Troubles())
			}
		})
	}
}

// TestAFileOfAnotherKindIsReportedAndReadNoMore puts one that is no capture file beside one that is.
func TestAFileOfAnotherKindIsReportedAndReadNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		frames := capturetest.Corpus(5, 1)
		paths := spool(t, dir, frames, 2)
		if err := os.WriteFile(paths[0], []byte("no capture file"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, said := folderAt(t, dir)
		times := readFolder(t, s)
		if n := strings.Count(said.String(), "not a capture file"); n != 1 || len(times) != len(frames)-len(frames)/2 {
			t.Errorf("packets = %d, said %d times: %s", len(times), n, said)
		}
		if l, _ := s.folder.dir.Poll(time.Now()); len(l.Ready) != 0 {
			t.Errorf("ready = %d, want 0", len(l.Ready))
		}
	})
}

// TestALongSilenceEndsAFolder wants the end of a domain after as long as a call may last, not before.
func TestALongSilenceEndsAFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		spool(t, dir, capturetest.Corpus(5, 1), 1)
		s, _ := folderAt(t, dir)
		began := time.Now()
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
		if took, talk := time.Since(began), s.folder.setup.Limits.Talk; took < talk || took > talk+time.Minute {
			t.Errorf("end after %v, want %v", took, talk)
		}
	})
}

// TestTheLogOfAFolderIsItsOwn moves a source in the configuration, and takes one out.
func TestTheLogOfAFolderIsItsOwn(t *testing.T) {
	s := demoSetup(t, "")
	s.State = t.TempDir()
	dirs := []config.Source{{Type: "directory", Path: t.TempDir()}, {Type: "directory", Path: t.TempDir()}}
	var last *feed
	logs := func(sources ...config.Source) (names []string) {
		s.Source = sources
		log := slog.New(slog.DiscardHandler)
		opened := openCheckpoints(s, log)
		for i := range sources {
			var err error
			if last, err = openFolder(i, opened, newTroubles(&s.Config, log)); err != nil {
				t.Fatal(err)
			}
		}
		names, _ = filepath.Glob(filepath.Join(s.State, "folder-*.checkpoint"))
		return names
	}
	both := logs(dirs...)
	if len(both) != 2 {
		t.Fatalf("logs = %d, want 2", len(both))
	}
	if moved := logs(dirs[1], dirs[0]); !slices.Equal(moved, both) {
		t.Errorf("logs = %v, want the same two", moved)
	}
	if one := logs(dirs[1]); len(one) != 1 || filepath.Base(one[0]) != dirs[1].CheckpointName() {
		t.Errorf("logs = %d, want that of the folder that is left", len(one))
	}
	log := filepath.Join(s.State, dirs[1].CheckpointName())
	if err := errors.Join(os.Remove(log), os.Symlink(log, log)); err != nil { // reading it is ELOOP
		t.Fatal(err)
	}
	logs(dirs[1])
	for range 2 {
		if _, _, err := last.open(t.Context()); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("a log that cannot be read: err = %v, want %v: its files would be read again", err, syscall.ELOOP)
		}
	}
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	d, _, err := last.open(t.Context())
	if err != nil {
		t.Fatalf("once it can be read: %v", err)
	}
	_ = d.Close()
}

// oneSegment is a Source of one TCP segment.
type oneSegment struct {
	capture.Source
	packet capture.Packet
}

func (s *oneSegment) Next() (p capture.Packet, err error) {
	if p = s.packet; p.Stream == 0 {
		return p, pcap.ErrIdle
	}
	s.packet = capture.Packet{}
	return p, nil
}

// TestACutWaitsForAllMessagesOfASegment has a segment that holds three packets of a HEP feed: a cut between two of them
// would count the rest as read before the next start.
func TestACutWaitsForAllMessagesOfASegment(t *testing.T) {
	dir := t.TempDir()
	s, _ := folderAt(t, dir)
	inner := hepOf(&capture.Packet{Flow: capture.Flow{Src: netip.MustParseAddrPort("192.0.2.1:5060"),
		Dst: netip.MustParseAddrPort("192.0.2.2:5060")}, Payload: []byte("OPTIONS sip:x SIP/2.0\r\n\r\n")})
	s.Source = hep.Unwrapped(&oneSegment{packet: capture.Packet{Stream: 1, Origin: capture.File,
		Payload: bytes.Repeat(inner, 3)}}, 0)
	s.looked = true
	s.folder.idle.Store(false)
	for i := range 3 {
		if p, err := s.Next(); err != nil || len(p.Payload) == 0 {
			t.Fatalf("message %d: %+v, %v", i, p, err)
		}
		if _, ok := s.Cut(); ok != (i == 2) {
			t.Errorf("after message %d: cut = %v, want one after the last", i, ok)
		}
	}
}
