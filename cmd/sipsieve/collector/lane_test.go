package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
	"sipsieve/store"
	"sipsieve/store/policy"
)

// A sink keeps what is put, but for purposes that an error stands for.
type sink struct {
	mu     sync.Mutex
	kept   map[string][]policy.Excerpt // by purpose
	sizes  map[string][]int            // of the batches that were kept
	faults map[string]error
}

func newSink() *sink {
	return &sink{kept: map[string][]policy.Excerpt{}, sizes: map[string][]int{}, faults: map[string]error{}}
}

func (s *sink) Put(_ context.Context, xs []policy.Excerpt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	purpose := xs[0].Purpose
	for i := range xs {
		if xs[i].Purpose != purpose {
			return errors.New("a batch has two purposes")
		}
	}
	if err := s.faults[purpose]; err != nil {
		return err
	}
	s.kept[purpose] = append(s.kept[purpose], xs...)
	s.sizes[purpose] = append(s.sizes[purpose], len(xs))
	return nil
}

// fail has every Put of a purpose end with err, nil for none.
func (s *sink) fail(purpose string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[purpose] = err
}

// counts returns how many excerpts of each purpose are kept.
func (s *sink) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for purpose, xs := range s.kept {
		n[purpose] = len(xs)
	}
	return n
}

// missing is what a stream that was deleted answers.
func missing(purpose string) error {
	return store.Fault{Purpose: purpose, Cause: store.CauseMissing, Err: errors.New("no stream takes it")}
}

// A bench is a running Collector in a bubble of time, and what it is given.
type bench struct {
	*Collector
	setup      *config.Setup
	sink       *sink
	file, wire *pipeline.Domain
	ofFile     []event.Event
	ofWire     []event.Event
	stop       context.CancelFunc
	ended      chan error
}

// newBench returns a bench of the quickstart policy with what follow yields of 20 calls.
func newBench(t testing.TB) *bench {
	t.Helper()
	s := demoSetup(t, "../../../configs/quickstart-policy.toml")
	b := &bench{setup: s, sink: newSink()}
	follow(t, 20, func(ev *event.Event) {
		e := *ev
		if b.ofFile = append(b.ofFile, e); ev.Call != nil {
			c := *ev.Call
			c.Origin, e.Call = capture.Interface, &c
			b.ofWire = append(b.ofWire, e)
		}
	})
	return b
}

// open makes the Collector, in the bubble that it is to run in.
func (b *bench) open() {
	config := configOf(b.setup)
	config.Sink = b.sink
	b.Collector, b.ended = New(config), make(chan error, 1)
	b.lanes.limits = limits{live: 3000, least: 400, shed: 50, files: 400, cuts: 8}
	b.file, b.wire = pipeline.New(nil, b.setup.Plan(1, false)), pipeline.New(nil, b.setup.Plan(1, true))
}

// run makes the Collector, if that is not done, and starts it.
func (b *bench) run(ctx context.Context) {
	if b.Collector == nil {
		b.open()
	}
	ctx, b.stop = context.WithCancel(ctx)
	go func() { b.ended <- b.Run(ctx) }()
}

// live sends the events as live ones, so many times.
func (b *bench) live(times int) {
	for range times {
		b.Send(1, b.wire, pipeline.Flow{Events: b.ofWire, Clock: pipeline.EndOfTime})
	}
}

// ledgerOf returns what the Collector has counted, and requires the sums to come out.
func (b *bench) ledgerOf(t *testing.T) map[string]ledger.Excerpt {
	t.Helper()
	l := ledger.New()
	b.AddTo(l)
	if err := l.Balance(false); err != nil {
		t.Error(err)
	}
	return l.Excerpts
}

// names returns the purposes of the Collector.
func (b *bench) names() (list []string) {
	for _, p := range b.setup.Purposes {
		list = append(list, p.Name)
	}
	return list
}

// TestOneStreamThatIsMissingHoldsBackItsPurposeOnly has the stream of one purpose fail for as long as the daemon runs:
// all else is put, it alone is shed, and its stream and the cause are named.
func TestOneStreamThatIsMissingHoldsBackItsPurposeOnly(t *testing.T) {
	t.Parallel()
	for _, failing := range []string{"billing", "fraud"} { // the most important, and another
		b := newBench(t)
		synctest.Test(t, func(t *testing.T) {
			b.sink.fail(failing, missing(failing))
			b.run(t.Context())
			for b.ledgerOf(t)[failing].Suppressed["overflow"] < 200 {
				b.live(5)
				time.Sleep(time.Second)
			}
			time.Sleep(time.Minute) // network_ops has windows
			synctest.Wait()
			l := b.ledgerOf(t)
			for _, name := range b.names() {
				x := l[name]
				switch {
				case name != failing && (x.Suppressed.Total() != 0 || x.Acknowledged != x.Made):
					t.Errorf("%s fails: %s = %+v, want that all is put", failing, name, x)
				case name == failing && (x.Acknowledged != 0 || x.Suppressed["overflow"] == 0 || x.Pending > uint64(b.lanes.limit())):
					t.Errorf("%s fails: %+v, want that some wait and the others were shed", failing, x)
				}
			}
			stands := b.Standstills()
			if want := store.StreamName(failing) + " takes nothing: missing"; len(stands) != 1 || stands[0].String() != want {
				t.Errorf("standstills = %v, want %q", stands, want)
			}
			b.sink.fail(failing, nil)
			time.Sleep(time.Minute)
			synctest.Wait()
			if x := b.ledgerOf(t)[failing]; x.Pending != 0 || len(b.Standstills()) != 0 {
				t.Errorf("%s is there again: %+v, standstills = %v, want that all is put", failing, x, b.Standstills())
			}
			b.Close()
			if err := <-b.ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWhatGathersDuringAPutGoesWithTheNext puts 12 times what one Put takes while a Put lasts.
func TestWhatGathersDuringAPutGoesWithTheNext(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		b.open()
		x, l := b.excerptOf(t, 0), b.lanes.all[0]
		for range 12_000 {
			l.live.add(x)
			b.counters.Make(0)
		}
		b.run(t.Context())
		time.Sleep(time.Minute)
		b.Close()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
	})
	sizes := b.sink.sizes[b.names()[0]]
	if slices.Max(sizes) != mergeLimit || len(sizes) > 6 {
		t.Errorf("batches = %v, want few, of %d at most", sizes, mergeLimit)
	}
}

// TestTheLeastImportantIsShedWhenNothingIsTaken fills every lane: the least important purpose goes first.
func TestTheLeastImportantIsShedWhenNothingIsTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range b.setup.Purposes { // billing is the most important, the others are alike
		p, q := b.setup.Purposes[i], b.setup.Purposes[(i+1)%len(b.setup.Purposes)]
		if p.Name == "billing" && p.Priority >= q.Priority {
			t.Fatal("the shipped policy shows nothing here")
		}
	}
	synctest.Test(t, func(t *testing.T) {
		for _, name := range b.names() {
			b.sink.fail(name, missing(name))
		}
		b.run(t.Context())
		b.live(1)
		time.Sleep(time.Second)
		shed := func() (n uint64) {
			for _, x := range b.ledgerOf(t) {
				n += x.Suppressed["overflow"]
			}
			return n
		}
		for shed() == 0 {
			b.live(1)
			synctest.Wait()
		}
		if x := b.ledgerOf(t)["billing"]; x.Suppressed.Total() != 0 {
			t.Errorf("billing = %+v, want none gone while others can go", x)
		}
		for b.ledgerOf(t)["billing"].Suppressed.Total() == 0 { // until nothing else is left
			b.live(5)
			synctest.Wait()
		}
		waiting := uint64(0)
		for _, x := range b.ledgerOf(t) {
			waiting += x.Pending
		}
		if most := b.lanes.limit() + windowLimit; waiting > uint64(most) { // one purpose has windows
			t.Errorf("waiting = %d, want %d at most", waiting, most)
		}
		b.stop()
		b.Close()
		if err := <-b.ended; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error = %v, want that streams take nothing", err)
		}
		for name, x := range b.ledgerOf(t) {
			if x.Pending != 0 {
				t.Errorf("%s = %+v, want none pending after the end", name, x)
			}
		}
	})
}

// TestALossIsAnnouncedInFullOnceThereIsRoom refuses one purpose for want of room, for minutes: the announcement that is
// refused with the others is made again, and then says how many were lost.
func TestALossIsAnnouncedInFullOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		b.open()
		full := &fullSink{sink: b.sink}
		b.lanes.all[0].publisher.sink = full
		name := b.lanes.all[0].purpose.Name
		full.set(true)
		b.run(t.Context())
		b.live(10)
		time.Sleep(5 * time.Minute)
		lost := b.ledgerOf(t)[name].Suppressed["full"]
		if lost < 100 {
			t.Fatalf("lost = %d: the test shows nothing", lost)
		}
		full.set(false)
		time.Sleep(2 * time.Minute)
		b.Close()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
		kept := b.sink.kept[name]
		if len(kept) != 1 || kept[0].Kind != "loss" {
			t.Fatalf("kept = %d, want the announcement alone", len(kept))
		}
		calls := lost - uint64(full.losses)
		var body struct{ Count uint64 }
		if err := json.Unmarshal(kept[0].Body(), &body); err != nil || body.Count != calls {
			t.Errorf("announced = %s, %v, want %d", kept[0].Body(), err, calls)
		}
	})
}

// A fullSink is a sink that may have no room at all.
type fullSink struct {
	*sink
	full   bool
	losses int // announcements that were refused
}

func (s *fullSink) set(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

func (s *fullSink) Put(ctx context.Context, xs []policy.Excerpt) error {
	s.mu.Lock()
	full := s.full
	if full {
		for i := range xs {
			if xs[i].Kind == "loss" {
				s.losses++
			}
		}
	}
	s.mu.Unlock()
	if full {
		return store.Refused{{Purpose: xs[0].Purpose, Count: len(xs), Err: store.ErrFull}}
	}
	return s.sink.Put(ctx, xs)
}

// TestFilesWaitForTheirLanesAndWhatIsLiveDoesNot has streams that take nothing for long: live domains are followed on,
// and of live records alone some are shed; what is of a file is all there once the streams take it.
func TestFilesWaitForTheirLanesAndWhatIsLiveDoesNot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		const flows = 120 // more than may wait at once
		for _, name := range b.names() {
			b.sink.fail(name, missing(name))
		}
		b.run(t.Context())
		files := make(chan struct{})
		go func() {
			defer close(files)
			for range flows {
				b.Send(0, b.file, pipeline.Flow{Events: b.ofFile, Clock: pipeline.EndOfTime})
			}
		}()
		b.live(flows)
		synctest.Wait()
		select {
		case <-files:
			t.Error("the file does not wait: the test shows nothing")
		default:
		}
		for _, name := range b.names() {
			b.sink.fail(name, nil)
		}
		<-files
		b.Close()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
		one := newBench(t)
		one.open()
		one.waits = true
		for i := range one.ofFile {
			one.emit(&one.ofFile[i])
		}
		shed := uint64(0)
		for i, name := range b.names() {
			want := flows * int(one.lanes.all[i].files.added)
			got := 0
			for _, x := range b.sink.kept[name] {
				if bytes.Contains(x.Body(), []byte(`"source":"file"`)) {
					got++
				}
			}
			shed += b.ledgerOf(t)[name].Suppressed["overflow"]
			if got != want {
				t.Errorf("%s: of the file = %d, want %d", name, got, want)
			}
		}
		if shed == 0 {
			t.Error("nothing live was shed: the test shows nothing")
		}
	})
}

// TestAnErrorThatIsFinalIsOfItsExcerptsOnly has one Put end with an error of no kind.
func TestAnErrorThatIsFinalIsOfItsExcerptsOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		b.sink.fail("billing", errors.New("what nobody expects"))
		b.run(t.Context())
		b.live(1)
		time.Sleep(time.Second)
		b.sink.fail("billing", nil)
		b.live(1)
		time.Sleep(time.Second)
		b.Close()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
		x := b.ledgerOf(t)["billing"]
		if x.Suppressed["refused"] == 0 || x.Acknowledged == 0 || x.Pending != 0 {
			t.Errorf("billing = %+v, want some refused and the others put", x)
		}
	})
	if n := slices.Collect(maps.Values(b.sink.counts())); len(n) == 0 {
		t.Error("nothing is put")
	}
}
