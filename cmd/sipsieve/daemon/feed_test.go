package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/hep"
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/store/policy"
)

// TestAFeedThatCannotBeOpenedIsTriedAgain has the system refuse to open a feed four times: that is reported once, and
// the attempts are apart.
func TestAFeedThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s, to := demoSetup(t, ""), slog.New(slog.NewTextHandler(&log, nil))
		r := &reading{log: to, troubles: newTroubles(&s.Config, to)}
		attempts := 0
		r.feeds = []*feed{newFeed("source.0", s.Trunks, func(context.Context) (*pipeline.Domain, func(error) error, error) {
			if attempts++; attempts > 4 {
				return nil, nil, io.EOF
			}
			return nil, nil, syscall.EIO
		})}
		began := time.Now()
		r.follow(t.Context(), 0)
		const most = 100 * time.Millisecond * (1 + 2 + 4 + 8) // each wait is half of that, and some of the other half
		if took, n := time.Since(began), strings.Count(log.String(), "input/output error"); took < most/2 || took > most || n != 1 {
			t.Errorf("4 attempts took %v and were reported %d times, want %v to %v and once", took, n, most/2, most)
		}
	})
}

// TestAFolderWhoseLogCannotBeReadBeginsLater has the disk refuse the checkpoint log between the start and the first
// domain: the next attempt takes up what the first one would have.
func TestAFolderWhoseLogCannotBeReadBeginsLater(t *testing.T) {
	s, _ := folderAt(t, t.TempDir())
	f := s.folder
	f.setup.Calls.Journal = true
	logs := checkpoints{setup: f.setup, log: slog.New(slog.DiscardHandler)}
	logs.open("log", checkpoint.Config{Cuts: true})
	path := filepath.Join(f.setup.State, "log")
	if err := errors.Join(os.Rename(path, path+".kept"), os.Symlink(path, path)); err != nil {
		t.Fatal(err)
	}
	f.log = logs.open("log", checkpoint.Config{Cuts: true})
	if _, _, err := f.next(t.Context()); !errors.Is(err, syscall.ELOOP) || f.begun {
		t.Errorf("err = %v, begun = %v, want %v and no beginning", err, f.begun, syscall.ELOOP)
	}
	if err := os.Rename(path+".kept", path); err != nil {
		t.Fatal(err)
	}
	if dom, _, err := f.next(t.Context()); err != nil || dom == nil || !f.begun {
		t.Errorf("err = %v, begun = %v, want a domain", err, f.begun)
	}
}

// TestWhatAFeedInAFolderHasIsCountedOnce reads packets without SIP before and after the place of a restart: those
// before were counted by the run before it.
func TestWhatAFeedInAFolderHasIsCountedOnce(t *testing.T) {
	s, _ := folderAt(t, t.TempDir())
	packet := hepOf(&capture.Packet{Flow: capture.Flow{Src: netip.MustParseAddrPort("192.0.2.1:5060"),
		Dst: netip.MustParseAddrPort("192.0.2.2:5060")}, Payload: []byte("x")})
	packet = bytes.Replace(packet, []byte{0, 11, 0, 7, 1}, []byte{0, 11, 0, 7, 5}, 1) // RTCP
	segment := &oneSegment{Source: s.series, packet: capture.Packet{Stream: 1, Origin: capture.File,
		Payload: bytes.Repeat(packet, 3)}}
	f := hep.Unwrapped(segment, 0)
	s.Source = f
	_, _ = f.Next()
	s.base.Store(s.counted())
	segment.packet = capture.Packet{Stream: 1, Origin: capture.File, Payload: bytes.Repeat(packet, 2)}
	_, _ = f.Next()
	l := ledger.New()
	l.AddDomain(&pipeline.Counts{Sources: []pipeline.SourceCounts{{Source: s}}}, nil)
	if n := l.HEP.OtherKinds["rtcp"]; n != 2 || l.HEP.OtherKinds.Total() != 2 {
		t.Errorf("other kinds = %v, want rtcp 2", l.HEP.OtherKinds)
	}
}

// TestAFeedCountsWhatTheCollectorStillHas ends a file before anything of it has been collected.
func TestAFeedCountsWhatTheCollectorStillHas(t *testing.T) {
	s := demoSetup(t, "")
	source := corpusSource(t, 30)
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		r := &reading{log: log, troubles: newTroubles(&s.Config, log)}
		d := &Daemon{Setup: s, Options: Options{Log: log}, reading: r, logs: &checkpoints{}, keeping: &keeping{}}
		r.collector = d.newCollector(discard{})
		dom := pipeline.New([]capture.Source{source}, s.Plan(1, false)).Named("source.0")
		r.feeds = []*feed{feedOf("source.0", s.Trunks, dom)}
		followed := make(chan struct{})
		go func() { r.follow(t.Context(), 0); close(followed) }()
		synctest.Wait() // the file has been read, and nothing of it is collected
		ended := make(chan error, 1)
		go func() { ended <- r.collector.Run(t.Context()) }()
		<-followed
		r.collector.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want := ledger.New()
		counts := dom.Counts()
		want.AddDomain(&counts, s.Trunks)
		if got := d.Ledger(); !reflect.DeepEqual(got.Legs, want.Legs) || got.Devices != want.Devices {
			t.Errorf("legs and devices = %+v, %+v, want %+v, %+v", got.Legs, got.Devices, want.Legs, want.Devices)
		}
		if want.Legs.Ambiguous == 0 {
			t.Error("no legs are counted: the test shows nothing")
		}
	})
}

// A discard is a Sink that takes everything.
type discard struct{}

func (discard) Put(context.Context, []policy.Excerpt) error { return nil }
