package coverage

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// A sink keeps what is put, once each, as long as it is not told to refuse.
type sink struct {
	mu     sync.Mutex
	err    error
	hangs  bool
	ids    map[string]bool
	bodies []string
}

// Put implements store.Sink.
func (s *sink) Put(ctx context.Context, xs []policy.Excerpt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hangs {
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return ctx.Err()
	}
	if s.err != nil {
		return s.err
	}
	for _, x := range xs {
		if !s.ids[x.ID] {
			s.ids[x.ID] = true
			s.bodies = append(s.bodies, string(x.Body()))
		}
	}
	return nil
}

func (s *sink) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// lines returns what was put but for the texts of policies: kind, first and last second of the span, and what the kind
// has beside it.
func (s *sink) lines(t *testing.T) (list []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range s.bodies {
		r, err := store.ReadOps([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == store.PolicyText {
			continue
		}
		line := fmt.Sprint(r.Kind, " ", r.From.Format("15:04:05"), " ", r.To.Format("15:04:05"))
		switch r.Kind {
		case store.LossWindow:
			line += fmt.Sprint(" ", r.Purpose, " ", r.Count, " ", r.Reason)
		case store.Ledger:
			line += " " + string(r.Ledger)
		}
		list = append(list, line)
	}
	return list
}

// A site is what a Log of a test is about.
type site struct {
	sink
	folder string
	mu     sync.Mutex
	seen   uint64 // packets, under mu
	words  int    // status codes that a ledger has
	log    bytes.Buffer
	more   string // of the policy
}

func newSite(t *testing.T) *site {
	return &site{folder: t.TempDir(), sink: sink{ids: map[string]bool{}}}
}

func (s *site) count(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen += n
}

// yearPolicy keeps for a year.
const yearPolicy = `version = 1
name = "test"
owner = "compliance@provider.example"
reviewed = 2026-11-27
default = "drop"
[purpose.billing]
why = "rate calls"
basis = "47 USC 222(d)(1)"
kinds = ["call"]
audience = ["billing"]
retain = "1 year"
retain_why = "disputes"
[purpose.billing.fields]
duration_ms = "truncate:second"
`

// policyOf returns the policy of that text.
func policyOf(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *site) config(t *testing.T) Config {
	return Config{Path: filepath.Join(s.folder, "coverage.json"), Site: "dfw1", Sensor: "s1",
		Policy: policyOf(t, yearPolicy+s.more), Sink: &s.sink,
		Log: slog.New(slog.NewTextHandler(&s.log, nil)), Ledger: func() *ledger.Ledger {
			s.mu.Lock()
			defer s.mu.Unlock()
			l := ledger.New()
			l.Packets.Seen = s.seen
			for i := range s.words {
				l.Messages.Statuses[fmt.Sprint(100+i)] = s.seen
			}
			return l
		}}
}

// run runs a Log until end is called.
func (s *site) run(t *testing.T) (l *Log, end func()) {
	t.Helper()
	l, err := Open(s.config(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run(ctx, nil) }()
	return l, func() { cancel(); <-ended }
}

func (s *site) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := s.lines(t); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestARunIsProvenFromStartToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // from 00:00:00
		s := newSite(t)
		time.Sleep(58 * time.Minute)
		l, end := s.run(t)
		time.Sleep(time.Minute)
		s.count(7)
		time.Sleep(61 * time.Second) // a ledger follows the first sign of life of each hour
		s.count(2)
		end()
		if err := l.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		s.expect(t, "sensor_start 00:58:00 00:58:00",
			"policy 00:58:00 01:00:00", `ledger 00:58:00 01:00:00 {"packets":{"seen":7}}`,
			"policy 01:00:00 01:00:01", `ledger 01:00:00 01:00:01 {"packets":{"seen":2}}`,
			"sensor_stop 00:58:00 01:00:01")
		time.Sleep(time.Hour)
		l, end = s.run(t)
		synctest.Wait()
		end()
		if got := s.lines(t); got[len(got)-1] != "sensor_start 01:00:01 02:00:01" {
			t.Errorf("the next start = %s, want the time since the stop", got[len(got)-1])
		}
		if l.Trouble() != nil {
			t.Errorf("trouble = %v", l.Trouble())
		}
	})
}

func TestAKilledRunIsProvenToItsLastSignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l, end := s.run(t)
		time.Sleep(8 * time.Second)
		s.count(3)
		l.Lose("billing", cpni.Loss{From: time.Now(), To: time.Now(), Count: 4, Reason: "overflow"})
		time.Sleep(3 * time.Second) // the last sign of life is at 10 s
		end()                       // and no Stop
		time.Sleep(time.Minute)
		for range 2 { // is killed again before a sign of life
			_, end = s.run(t)
			synctest.Wait()
			end()
			time.Sleep(time.Second)
		}
		s.expect(t, "sensor_start 00:00:00 00:00:00", "loss_window 00:00:08 00:00:08 billing 4 overflow",
			"policy 00:00:00 00:00:10", `ledger 00:00:00 00:00:10 {"packets":{"seen":3}}`,
			"sensor_crash 00:00:10 00:01:11", "sensor_crash 00:01:11 00:01:12")
	})
}

// TestACrashBetweenPutAndSaveRepeats: the file is that of before, what was put is put again, and is there once.
func TestACrashBetweenPutAndSaveRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		time.Sleep(59*time.Minute + 50*time.Second)
		_, end := s.run(t)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		path := s.config(t).Path
		text, err := os.ReadFile(path) // has the ledger of the hour, which is put now
		if err != nil {
			t.Fatal(err)
		}
		end()
		before := len(s.lines(t))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, end = s.run(t)
		synctest.Wait()
		end()
		if after := s.lines(t); before != 3 || len(after) != 4 || !strings.HasPrefix(after[3], "sensor_crash") {
			t.Errorf("%d records, then %s, want the crash and nothing else", before, after)
		}
	})
}

func TestALossIsAWindowUntilItIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l, end := s.run(t)
		for range 6 { // from 00:00:03 to 00:00:18
			time.Sleep(3 * time.Second)
			l.Lose("fraud", cpni.Loss{From: time.Now(), To: time.Now(), Count: 10, Reason: "full"})
		}
		l.Lose("fraud", cpni.Loss{From: time.Now(), To: time.Now(), Count: 1, Reason: "too_large"})
		time.Sleep(17 * time.Second)
		l.Lose("fraud", cpni.Loss{From: time.Now(), To: time.Now(), Count: 5, Reason: "full"})
		end()
		if err := l.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		s.expect(t, "sensor_start 00:00:00 00:00:00", "loss_window 00:00:03 00:00:18 fraud 60 full",
			"loss_window 00:00:18 00:00:18 fraud 1 too_large", "loss_window 00:00:35 00:00:35 fraud 5 full",
			"policy 00:00:00 00:00:35", "ledger 00:00:00 00:00:35 {}", "sensor_stop 00:00:00 00:00:35")
	})
}

func TestPacketsThatWereNotReadAreALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var mu sync.Mutex
		var dropped uint64
		down := false
		c := s.config(t)
		c.Down = func() bool { mu.Lock(); defer mu.Unlock(); return down }
		c.Ledger = func() *ledger.Ledger {
			mu.Lock()
			defer mu.Unlock()
			l := ledger.New()
			l.Packets.KernelDropped, l.Sources["source.1"] = dropped, ledger.Source{QueueFull: 2 * dropped}
			return l
		}
		set := func(n uint64, is bool) { mu.Lock(); defer mu.Unlock(); dropped, down = n, is }
		l, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); l.Run(ctx, nil) }()
		time.Sleep(11 * time.Second)
		set(9, false)
		time.Sleep(10 * time.Second)
		set(9, true)
		time.Sleep(10 * time.Second)
		set(9, false)
		time.Sleep(20 * time.Second)
		cancel()
		<-ended
		got := s.lines(t)
		slices.Sort(got)
		want := []string{"loss_window 00:00:10 00:00:12  18 queue_full", "loss_window 00:00:10 00:00:12  9 kernel_dropped",
			"loss_window 00:00:20 00:00:30  0 source_down", "sensor_start 00:00:00 00:00:00"}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// TestNothingWaitsForAStreamThatTakesNothing: what has no room to wait is counted, and announced when there is room.
func TestNothingWaitsForAStreamThatTakesNothing(t *testing.T) {
	s := newSite(t)
	s.words = 300
	s.set(store.Refused{{Purpose: store.Ops, Count: 1, Err: store.ErrFull}})
	l, err := Open(s.config(t))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	l.begin(now)
	for range 100 {
		s.count(1)
		now = now.Add(time.Hour)
		l.tick(now)
		l.queue.drainOnce(t.Context())
	}
	if l.Trouble() == nil || store.CauseOf(l.Trouble()) != store.CauseFull {
		t.Errorf("trouble = %v, want full", l.Trouble())
	}
	c := ledger.New()
	l.AddTo(c)
	if c.Ops.Made != 202 || c.Ops.Lost < 30 || c.Ops.Pending+c.Ops.Lost != 202 || c.Balance(false) != nil {
		t.Errorf("counts = %+v, want many lost, and the others waiting", c.Ops)
	}
	s.set(nil)
	l.queue.drainOnce(t.Context())
	l.tick(now.Add(time.Second))
	l.tick(now.Add(time.Minute))
	l.queue.drainOnce(t.Context())
	lost := fmt.Sprint(" ops ", c.Ops.Lost, " full")
	c = ledger.New()
	l.AddTo(c)
	if got := s.lines(t); l.Trouble() != nil || c.Ops.Pending != 0 || uint64(len(got)+1) != c.Ops.Acknowledged || // and the text of the policy

		!strings.HasSuffix(got[len(got)-1], lost) {
		t.Errorf("counts = %+v, trouble %v, want all that waited, and%s", c.Ops, l.Trouble(), lost)
	}
}

func TestLoseDoesNotWaitForAStreamThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.hangs = true
		l, end := s.run(t)
		before := time.Now()
		for range 100 {
			l.Lose("billing", cpni.Loss{From: before, To: before, Count: 1, Reason: "full"})
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("took %v", took)
		}
		time.Sleep(time.Minute)
		end()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := l.Stop(ctx); err != nil {
			t.Error(err)
		}
		s.sink.mu.Lock()
		s.hangs = false
		s.sink.mu.Unlock()
		_, end = s.run(t)
		synctest.Wait()
		end()
		if got := s.lines(t); len(got) != 6 || !strings.HasPrefix(got[4], "sensor_stop") ||
			!strings.HasPrefix(got[5], "sensor_start 00:01:00") {
			t.Errorf("got %s, want what the stop has left, and the start", got)
		}
	})
}

func TestADamagedFileOfSignsOfLife(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "cut": `{"v":1,"seen":"20`, "another": `{"v":1,"final":[{"kind":"x"}]}`} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			if err := os.WriteFile(s.config(t).Path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := Open(s.config(t))
			if err != nil {
				t.Fatal(err)
			}
			l.begin(time.Now())
			if err := l.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := s.lines(t)
			if len(got) != 5 || !strings.HasPrefix(got[0], "sensor_crash") || !strings.HasSuffix(got[1], " ops 0 damaged") {
				t.Errorf("got %s, want a crash and what is lost", got)
			}
		})
	}
}

func TestAFileOfANewerVersionIsRefused(t *testing.T) {
	s := newSite(t)
	if err := os.WriteFile(s.config(t).Path, []byte(`{"v":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.config(t)); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("error = %v, want that it is newer", err)
	}
}

func TestADiskThatTakesNoFileStopsNothing(t *testing.T) {
	s := newSite(t)
	l, err := Open(s.config(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.config(t).Path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	l.begin(time.Now())
	if l.Trouble() == nil {
		t.Error("no trouble")
	}
	if err := l.Stop(t.Context()); err == nil {
		t.Error("the stop is clean, and the file is not written")
	}
	if got := s.lines(t); !strings.HasPrefix(got[0], "sensor_start") || !strings.HasPrefix(got[len(got)-1], "sensor_stop") {
		t.Errorf("got %s", got)
	}
	if !strings.Contains(s.log.String(), "no sign of life") {
		t.Errorf("log = %s", s.log.String())
	}
}

// TestTroubleWaitsForNoDisk has the file written for ever.
func TestTroubleWaitsForNoDisk(t *testing.T) {
	t.Parallel()
	l, err := Open(newSite(t).config(t))
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock() // as while the file is written
	defer l.mu.Unlock()
	if err := l.Trouble(); err != nil {
		t.Error(err)
	}
}
