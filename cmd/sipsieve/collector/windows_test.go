package collector

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// windowed is the purpose of the quickstart policy whose finest time is a minute.
const windowed = "network_ops"

// A burst is one Put.
type burst struct {
	when time.Time
	keys []string // in order
}

// A streamSink keeps bursts of one purpose as a stream does: what is there already is not stored again. What a run puts
// that was killed is not stored.
type streamSink struct {
	mu     sync.Mutex
	run    int
	away   bool
	there  map[string]time.Time // when each was stored
	bursts []burst
}

// A runSink is what one run puts on.
type runSink struct {
	*streamSink
	run int
}

func keyOf(x policy.Excerpt) string { return fmt.Sprintf("%s.%04d.%s", x.ID, x.Revision, x.Body()) }

func (s *runSink) Put(_ context.Context, xs []policy.Excerpt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case xs[0].Purpose != windowed:
		return nil
	case s.away || s.run != s.streamSink.run:
		return missing(windowed)
	}
	one := burst{when: time.Now()}
	for _, x := range xs {
		key := keyOf(x)
		one.keys = append(one.keys, key)
		if _, there := s.there[key]; !there {
			s.there[key] = one.when
		}
	}
	s.bursts = append(s.bursts, one)
	return nil
}

func (s *streamSink) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// keys returns what is stored.
func (s *streamSink) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.there))
}

// A story is runs of a Collector with one log of excerpts, and what they are given.
type story struct {
	t      *testing.T
	b      *bench
	keys   []string // of each event
	stream *streamSink
	path   string
	log    *checkpoint.Log
	limits *limits           // nil for the defaults
	lost   map[string]uint64 // what was announced, by purpose
}

// newStory returns a story of a bench with the events of so many calls.
func newStory(t *testing.T, calls int) *story {
	b := newBench(t)
	b.ofWire = nil
	follow(t, calls, func(ev *event.Event) { b.ofWire = append(b.ofWire, *ev) })
	return &story{t: t, b: b, stream: &streamSink{there: map[string]time.Time{}}, lost: map[string]uint64{},
		path: filepath.Join(t.TempDir(), "excerpts.journal")}
}

func excerptsAt(path string) checkpoint.Config {
	c := logAt(path)
	c.OfExcerpts = true
	return c
}

// in runs f in a bubble of time. It begins a second after midnight, for at midnight an excerpt may expire a day earlier.
func (s *story) in(f func(*testing.T)) {
	synctest.Test(s.t, func(t *testing.T) {
		s.t = t
		time.Sleep(time.Second)
		s.minimise()
		f(t)
	})
}

// start begins a run with what the log has.
func (s *story) start() {
	s.log = checkpoint.Open(excerptsAt(s.path))
	config := configOf(s.b.setup)
	config.Sink, config.Excerpts = &runSink{s.stream, s.stream.run}, s.log
	config.Lose = func(purpose string, l cpni.Loss) { s.lost[purpose+" "+l.Reason] += l.Count }
	s.b.Collector, s.b.ended = New(config), make(chan error, 1)
	if s.limits != nil {
		s.b.lanes.limits = *s.limits
	}
	s.b.wire = pipeline.New(nil, s.b.setup.Plan(1, true))
	go s.log.Run()
	s.b.run(s.t.Context())
}

// send has the events made excerpts.
func (s *story) send(events []event.Event) {
	s.b.Send(1, s.b.wire, pipeline.Flow{Events: events, Clock: pipeline.EndOfTime})
}

// stop ends the run as a signal does.
func (s *story) stop() {
	s.b.Close()
	if err := errors.Join(<-s.b.ended, s.log.Close()); err != nil {
		s.t.Error(err)
	}
}

// kill ends the run: nothing of it is stored any more, and the log stays as it is now.
func (s *story) kill() {
	synctest.Wait()
	s.stream.mu.Lock()
	s.stream.run++
	s.stream.mu.Unlock()
	next := filepath.Join(s.t.TempDir(), "excerpts.journal")
	for _, suffix := range []string{"", ".mark"} {
		file, err := os.ReadFile(s.path + suffix)
		if err == nil {
			err = os.WriteFile(next+suffix, file, 0o600)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.b.stop()
	s.b.Close()
	<-s.b.ended
	_ = s.log.Close()
	s.path = next
}

// wanted returns the keys of what the windowed purpose keeps of events, a part of those of the bench.
func (s *story) wanted(events []event.Event) (keys []string) {
	begin := 0
	for i := range s.b.ofWire {
		if &s.b.ofWire[i] == &events[0] {
			begin = i
		}
	}
	return slices.DeleteFunc(slices.Clone(s.keys[begin:begin+len(events)]), func(key string) bool { return key == "" })
}

// minimise works out the keys of all events, empty for what the windowed purpose does not keep. No run may be under way.
func (s *story) minimise() {
	for i := range s.b.ofWire {
		key := ""
		if r, ok := s.b.setup.Records.Record(&s.b.ofWire[i]); ok {
			r.Site, r.Sensor, r.Received = s.b.setup.Site, s.b.setup.Sensor, time.Now()
			for _, p := range s.b.setup.Purposes {
				if x, ok := p.Minimise(nil, &r); ok && p.Name == windowed {
					key = keyOf(x)
				}
			}
		}
		s.keys = append(s.keys, key)
	}
}

// TestEachExcerptLeavesOnceAtTheEndOfItsWindow has random records, kills, stops, and times at which the stream takes
// nothing: each excerpt is stored, none before the end of its window or at a stop, and a burst
// is sorted by id within each window.
func TestEachExcerptLeavesOnceAtTheEndOfItsWindow(t *testing.T) {
	t.Parallel()
	seeds := uint64(2)
	if os.Getenv("SIPSIEVE_FULL") != "" {
		seeds = 24
	}
	for seed := range seeds {
		s := newStory(t, 120)
		s.in(func(t *testing.T) {
			r := rand.New(rand.NewPCG(11, seed))
			made := map[string]time.Time{} // when each was made first
			away := false
			s.start()
			for left := s.b.ofWire; len(left) > 0; {
				n := min(len(left), 1+r.IntN(60))
				part := left[:n]
				left = left[n:]
				for _, key := range s.wanted(part) {
					made[key] = time.Now()
				}
				s.send(part)
				switch r.IntN(8) {
				case 0: // before it is in the log: the calls are restored as open ones, and end again
					s.kill()
					s.start()
					s.send(part)
				case 1:
					time.Sleep(time.Second)
					s.kill()
					time.Sleep(time.Duration(r.IntN(90)) * time.Second)
					s.start()
				case 2:
					time.Sleep(time.Second) // what has left its window is put
					synctest.Wait()
					before := len(s.stream.keys())
					if away { // the daemon's patience is over
						s.b.stop()
					}
					s.stop()
					if after := len(s.stream.keys()); after != before {
						t.Errorf("seed %d: a stop published %d excerpts", seed, after-before)
					}
					time.Sleep(time.Duration(r.IntN(90)) * time.Second)
					s.start()
				case 3, 4:
					away = !away
					s.stream.set(away)
				}
				time.Sleep(time.Duration(r.IntN(30_000)) * time.Millisecond)
			}
			s.stream.set(false)
			time.Sleep(2 * time.Minute)
			s.stop()
			if got, want := s.stream.keys(), slices.Sorted(maps.Keys(made)); !slices.Equal(got, want) || len(want) < 50 {
				t.Errorf("seed %d: stored = %d excerpts, want %d, or others", seed, len(got), len(want))
			}
			for key, when := range s.stream.there {
				if ends := made[key].Truncate(time.Minute).Add(time.Minute); when.Before(ends) {
					t.Errorf("seed %d: stored at %v, before the end of its window at %v", seed, when, ends)
				}
			}
			for _, one := range s.stream.bursts {
				byWindow := func(a, b string) int {
					return cmp.Or(made[a].Truncate(time.Minute).Compare(made[b].Truncate(time.Minute)), strings.Compare(a, b))
				}
				if !slices.IsSortedFunc(one.keys, byWindow) {
					t.Errorf("seed %d: the burst at %v is not sorted by id", seed, one.when)
				}
			}
			if list, err := checkpoint.Open(excerptsAt(s.path)).Excerpts(); err != nil || len(list) > 0 {
				t.Errorf("seed %d: the log has %d excerpts after all were put, error %v", seed, len(list), err)
			}
		})
	}
}

// TestAFullWindowLeavesBeforeItsEnd has more excerpts in a minute than a window takes.
func TestAFullWindowLeavesBeforeItsEnd(t *testing.T) {
	t.Parallel()
	s := newStory(t, 20)
	s.in(func(t *testing.T) {
		s.b.setup.Purposes = slices.DeleteFunc(s.b.setup.Purposes, func(p *policy.Purpose) bool { return p.Name != windowed })
		s.start()
		per := len(s.wanted(s.b.ofWire))
		times := windowLimit/per + 2
		for range times {
			s.send(s.b.ofWire)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		sizes := func() (sum int) {
			s.stream.mu.Lock()
			defer s.stream.mu.Unlock()
			for _, one := range s.stream.bursts {
				sum += len(one.keys)
			}
			return sum
		}
		if got := sizes(); got != windowLimit {
			t.Errorf("published = %d within the minute, want %d", got, windowLimit)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := sizes(); got != times*per {
			t.Errorf("published = %d after the minute, want %d", got, times*per)
		}
		s.stop()
	})
}

// TestWhatWaitsForAPurposeThatIsGoneIsDropped restarts with a policy that has the purpose no more.
func TestWhatWaitsForAPurposeThatIsGoneIsDropped(t *testing.T) {
	t.Parallel()
	s := newStory(t, 20)
	s.in(func(t *testing.T) {
		s.start()
		n := uint64(len(s.wanted(s.b.ofWire)))
		s.send(s.b.ofWire)
		s.stop()
		all := s.b.setup.Purposes
		s.b.setup.Purposes = slices.DeleteFunc(slices.Clone(all), func(p *policy.Purpose) bool { return p.Name == windowed })
		s.start()
		if got := s.lost[windowed+" purpose_gone"]; got != n || n == 0 {
			t.Errorf("announced as lost = %d, want %d", got, n)
		}
		if r := checkpoint.Reported(s.log); r.Refused != n {
			t.Errorf("refused = %d, want %d", r.Refused, n)
		}
		s.stop()
		s.b.setup.Purposes = all
		s.start()
		time.Sleep(2 * time.Minute)
		s.stop()
		if got := s.stream.keys(); len(got) != 0 {
			t.Errorf("published = %d, want none: they were dropped", len(got))
		}
	})
}

// TestWhatCannotBeKeptLeavesAtTheStop has a folder where the log would be: while it runs the excerpts wait for their window
// in memory, and at a stop they leave early.
func TestWhatCannotBeKeptLeavesAtTheStop(t *testing.T) {
	t.Parallel()
	s := newStory(t, 20)
	if err := os.MkdirAll(filepath.Join(s.path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.in(func(t *testing.T) {
		s.start()
		half := len(s.b.ofWire) / 2
		want := [2][]string{s.wanted(s.b.ofWire[:half]), s.wanted(s.b.ofWire)}
		s.send(s.b.ofWire[:half])
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := s.stream.keys(); !slices.Equal(got, slices.Sorted(slices.Values(want[0]))) {
			t.Errorf("published = %d, want %d at the end of the window", len(got), len(want[0]))
		}
		s.send(s.b.ofWire[half:])
		s.b.Close()
		if err := <-s.b.ended; err != nil {
			t.Error(err)
		}
		_ = s.log.Close()
		if got := s.stream.keys(); !slices.Equal(got, slices.Sorted(slices.Values(want[1]))) {
			t.Errorf("published = %d, want all %d", len(got), len(want[1]))
		}
	})
}

// TestALogThatCanBeReadLateIsTakenUp has a folder where the log of the run before would be, for a minute.
func TestALogThatCanBeReadLateIsTakenUp(t *testing.T) {
	t.Parallel()
	s := newStory(t, 20)
	s.in(func(t *testing.T) {
		s.start()
		want := slices.Sorted(slices.Values(s.wanted(s.b.ofWire)))
		s.send(s.b.ofWire)
		s.stop()
		aside := s.path + ".aside"
		if err := errors.Join(os.Rename(s.path, aside), os.MkdirAll(filepath.Join(s.path, "x"), 0o700)); err != nil {
			t.Fatal(err)
		}
		s.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.stream.keys(); len(got) != 0 {
			t.Fatalf("published = %d: the test shows nothing", len(got))
		}
		if err := errors.Join(os.RemoveAll(s.path), os.Rename(aside, s.path)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := s.stream.keys(); !slices.Equal(got, want) {
			t.Errorf("published = %d, want %d", len(got), len(want))
		}
		s.stop()
	})
}

// TestWhatIsNotPutAtAStopIsPutAfterTheNextStart stops while the stream takes nothing of what has left its window.
func TestWhatIsNotPutAtAStopIsPutAfterTheNextStart(t *testing.T) {
	t.Parallel()
	s := newStory(t, 20)
	s.in(func(t *testing.T) {
		s.start()
		want := slices.Sorted(slices.Values(s.wanted(s.b.ofWire)))
		s.stream.set(true)
		s.send(s.b.ofWire)
		time.Sleep(10 * time.Minute)
		s.b.stop() // the drain is over
		s.stop()
		if x := s.b.ledgerOf(t)[windowed]; x.Suppressed.Total() != 0 || x.Waiting != uint64(len(want)) {
			t.Errorf("after the stop %+v, want that %d wait", x, len(want))
		}
		s.stream.set(false)
		s.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := s.stream.keys(); !slices.Equal(got, want) {
			t.Errorf("published = %d after the next start, want %d", len(got), len(want))
		}
		if x := s.b.ledgerOf(t)[windowed]; x.Restored != uint64(len(want)) || x.Acknowledged != x.Restored {
			t.Errorf("after the next start %+v, want %d restored and acknowledged", x, len(want))
		}
		s.stop()
	})
}

// TestALossOfAPurposeWithWindowsIsAnnounced sheds what has left its window while the stream takes nothing for hours: the
// record of the loss is as wide as the windows, and waits for the end of one.
func TestALossOfAPurposeWithWindowsIsAnnounced(t *testing.T) {
	t.Parallel()
	s := newStory(t, 40)
	s.in(func(t *testing.T) {
		s.limits = &limits{live: 300, least: 50, shed: 20, files: 400, cuts: 8}
		s.start()
		s.stream.set(true)
		for range 10 {
			s.send(s.b.ofWire)
			time.Sleep(10 * time.Minute)
		}
		s.stream.set(false)
		time.Sleep(time.Hour)
		s.stop()
		var announced, put uint64
		for _, one := range s.stream.bursts {
			for _, key := range one.keys {
				x, err := policy.Received([]byte(key[strings.IndexByte(key, '{'):]))
				if err != nil {
					t.Fatal(err)
				}
				if x.Kind != "loss" {
					put++
					continue
				}
				announced += countOf(t, x)
				for _, span := range x.Texts("from", "to") {
					if when, err := time.Parse(time.RFC3339, span); err != nil || !when.Equal(when.Truncate(time.Minute)) {
						t.Errorf("a loss shows %s, finer than the minute", span)
					}
				}
			}
		}
		if made := uint64(10 * len(s.wanted(s.b.ofWire))); announced == 0 || announced+put != made {
			t.Errorf("announced = %d, put = %d, want %d together: %+v", announced, put, made, s.b.ledgerOf(t)[windowed])
		}
	})
}

// TestAnotherPolicyBeginsAnotherWindow has a purpose that is published each hour after a reload, and each minute before.
func TestAnotherPolicyBeginsAnotherWindow(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		log := newExcerptLog(nil)
		w, x := windows{log: &log}, b.excerptOf(t, 0)
		w.add(x, ofLive, 0, time.Minute)
		w.add(x, ofLive, 1, time.Hour)
		w.add(x, ofLive, 2, time.Hour)
		time.Sleep(time.Minute)
		leave := func() int {
			now := time.Now()
			w.leave(func(one *window) bool { return one.over(now) }, [2]uint64{3, 0})
			return len(w.out)
		}
		if got := leave(); got != 1 {
			t.Errorf("left = %d after the minute, want 1", got)
		}
		time.Sleep(59 * time.Minute)
		if got := leave(); got != 3 {
			t.Errorf("left = %d after the hour, want 3", got)
		}
	})
}

// TestUnwrittenEntriesThatCancelOutAreLeftOut has entries of excerpts that came and went while a disk was behind.
func TestUnwrittenEntriesThatCancelOutAreLeftOut(t *testing.T) {
	entry := func(kind checkpoint.EntryKind, n int) checkpoint.Entry {
		return checkpoint.Entry{Kind: kind, Name: callName(n)}
	}
	got := withoutGone([]checkpoint.Entry{entry(checkpoint.ExcerptEntry, 1), entry(checkpoint.ExcerptEntry, 2),
		entry(checkpoint.GoneEntry, 3), entry(checkpoint.GoneEntry, 1)})
	want := []checkpoint.Entry{entry(checkpoint.ExcerptEntry, 2), entry(checkpoint.GoneEntry, 3)}
	same := func(a, b checkpoint.Entry) int {
		return cmp.Compare(a.Kind, b.Kind) + cmp.Compare(a.Name[0], b.Name[0])
	}
	if slices.CompareFunc(got, want, same) != 0 {
		t.Errorf("left = %d entries, want %d", len(got), len(want))
	}
}

// countOf returns how many excerpts a loss says are missing.
func countOf(t *testing.T, x policy.Excerpt) uint64 {
	t.Helper()
	var body struct{ Count uint64 }
	if err := json.Unmarshal(x.Body(), &body); err != nil {
		t.Fatal(err)
	}
	return body.Count
}
