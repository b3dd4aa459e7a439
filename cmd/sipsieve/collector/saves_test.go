package collector

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/vault"
)

// logAt returns the settings of a checkpoint log under the demonstration keys.
func logAt(path string) checkpoint.Config {
	return checkpoint.Config{Path: path, Policy: "0123456789abcdef", Sealer: vault.Demo().Sealer("journal"),
		Log: slog.New(slog.DiscardHandler)}
}

// withLog gives b a checkpoint log, which runs in the bubble.
func (b *bench) withLog(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "calls.journal")
	l := checkpoint.Open(logAt(path))
	if err := l.Trouble(); err != nil {
		t.Fatal(err)
	}
	b.open()
	b.config.Checkpoints, b.saves.log = l, l
	go l.Run()
	return path
}

// callName names the n-th call of a checkpoint log.
func callName(n int) event.Key { return event.Key{byte(n), byte(n >> 8), 1} }

// saveCalls sends what a shard saves of calls, by number: their states, or nil for their ends.
func (b *bench) saveCalls(events []event.Event, states map[int][]byte) {
	f := pipeline.Flow{Events: events, Clock: pipeline.EndOfTime}
	for _, n := range slices.Sorted(maps.Keys(states)) {
		s := calls.Saved{Name: callName(n), State: states[n], Gone: states[n] == nil}
		if !s.Gone {
			s.Event = &b.ofWire[0]
		}
		f.Saved = append(f.Saved, s)
	}
	b.Send(1, b.wire, f)
}

// inLog returns the states of the calls that the log at path has, as a start after a kill would find them.
func inLog(t *testing.T, path string) map[event.Key]string {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(copied, file, 0o600); err != nil {
		t.Fatal(err)
	}
	l := checkpoint.Open(logAt(copied))
	if err := l.Trouble(); err != nil {
		t.Fatal(err)
	}
	states := map[event.Key]string{}
	if err := l.Calls(func(c checkpoint.Restorable) { states[c.Saved.Name] = string(c.Saved.State) }); err != nil {
		t.Fatal(err)
	}
	return states
}

// TestOpenCallsAreWrittenWhileAStreamTakesNothing has one stream take nothing: what changes of open calls is in the log
// within a second, and a call that is over stays there until its record is durable in every stream.
func TestOpenCallsAreWrittenWhileAStreamTakesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		path := b.withLog(t)
		b.sink.fail("fraud", missing("fraud"))
		b.run(t.Context())
		b.saveCalls(nil, map[int][]byte{1: []byte("up"), 2: []byte("up"), 3: []byte("up")})
		time.Sleep(time.Second)
		b.saveCalls(b.ofWire[:len(b.ofWire)/2], map[int][]byte{1: nil, 2: []byte("held")})
		b.saveCalls(b.ofWire[len(b.ofWire)/2:], map[int][]byte{1: []byte("over, may be corrected")})
		time.Sleep(time.Hour)
		want := map[event.Key]string{callName(1): "up", callName(2): "held", callName(3): "up"}
		if got := inLog(t, path); !maps.Equal(got, want) {
			t.Errorf("while fraud takes nothing the log has %q, want %q", got, want)
		}
		if n := b.sink.counts(); n["fraud"] != 0 || n["billing"] == 0 {
			t.Fatalf("put = %v: the test shows nothing", n)
		}
		b.sink.fail("fraud", nil)
		time.Sleep(time.Minute)
		want[callName(1)] = "over, may be corrected"
		if got := inLog(t, path); !maps.Equal(got, want) {
			t.Errorf("once it takes them the log has %q, want %q", got, want)
		}
		b.saveCalls(nil, map[int][]byte{1: nil, 3: nil})
		b.Close()
		if err := errors.Join(<-b.ended, b.config.Checkpoints.Close()); err != nil {
			t.Error(err)
		}
		delete(want, callName(1))
		delete(want, callName(3))
		if got := inLog(t, path); !maps.Equal(got, want) {
			t.Errorf("after a stop the log has %q, want %q", got, want)
		}
	})
}

// TestACallStaysInTheLogWhenAStopGivesItsRecordUp ends the Collector while a stream takes nothing.
func TestACallStaysInTheLogWhenAStopGivesItsRecordUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		path := b.withLog(t)
		b.sink.fail("fraud", missing("fraud"))
		b.run(t.Context())
		b.saveCalls(nil, map[int][]byte{1: []byte("up")})
		b.saveCalls(b.ofWire, map[int][]byte{1: nil})
		time.Sleep(time.Second)
		b.stop()
		b.Close()
		if err := <-b.ended; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error = %v, want that fraud takes nothing", err)
		}
		if err := b.config.Checkpoints.Close(); err != nil {
			t.Error(err)
		}
		if got := inLog(t, path); got[callName(1)] != "up" {
			t.Errorf("the log has %q, want the call", got)
		}
	})
}

// TestAnEndWaitsForNoExcerptThatWasShed sheds what stands in a lane before the end of a call.
func TestAnEndWaitsForNoExcerptThatWasShed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.open()
	l := &b.lanes.all[0].live
	x := b.excerptOf(t, 0)
	for range 10 {
		l.add(x)
	}
	m := b.lanes.liveMark()
	for range 10 {
		l.add(x)
	}
	if b.lanes.livePassed(m) {
		t.Error("nothing is settled, and the mark has passed")
	}
	l.drop(15)
	l.add(x)
	l.due = true
	if l.take(); b.lanes.livePassed(m) {
		t.Error("five are not settled, and the mark has passed")
	}
	if l.settle(); !b.lanes.livePassed(m) {
		t.Error("all are settled, and the mark has not passed")
	}
}

// TestAsManyEndsWaitAsTheLanesHold has calls end for hours while a stream takes nothing: the log and what waits for it
// keep their size.
func TestAsManyEndsWaitAsTheLanesHold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.open()
	b.saves = newSaves(new(checkpoint.Log), 1000, 500)
	b.lanes.all[0].live.add(b.excerptOf(t, 0)) // is never put
	for n := range 1500 {
		b.keep(&calls.Saved{Name: callName(n), State: []byte("up"), Event: &b.ofWire[0]})
		b.keep(&calls.Saved{Name: callName(n), Gone: true})
		b.saves.release(&b.lanes)
		b.saves.write()
	}
	waiting := 0
	for _, e := range b.saves.ends {
		waiting += len(e.entries)
	}
	if waiting != 500 || len(b.saves.waiting) != 500 || len(b.saves.entries) > 3000 {
		t.Errorf("ends that wait = %d, %d, entries = %d, want 500, 500, 3000 at most", waiting, len(b.saves.waiting),
			len(b.saves.entries))
	}
}

// TestALogThatIsBehindMakesNothingWait has a log whose disk takes nothing while calls change.
func TestALogThatIsBehindMakesNothingWait(t *testing.T) {
	t.Parallel()
	s := newSaves(new(checkpoint.Log), 1000, 500)
	for i := range 6000 {
		name := callName(i)
		s.add([]checkpoint.Entry{{Kind: checkpoint.StateEntry, Name: name, Body: []byte{1}}})
		s.add([]checkpoint.Entry{{Kind: checkpoint.StateEntry, Name: name, Body: []byte{2}}})
		s.add([]checkpoint.Entry{{Kind: checkpoint.GoneEntry, Name: name}})
		s.release(new(lanes))
		s.write()
	}
	if n, failed := len(s.entries), checkpoint.Reported(s.log).Failed; n > s.most || failed == 0 {
		t.Errorf("entries = %d, failed = %d, want %d at most, and counted", n, failed, s.most)
	}
}

// excerptOf returns an excerpt of a purpose.
func (b *bench) excerptOf(t testing.TB, purpose int) (x policy.Excerpt) {
	t.Helper()
	for i := range b.ofWire {
		if r, ok := b.setup.Records.Record(&b.ofWire[i]); ok {
			r.Site, r.Sensor, r.Received = b.setup.Site, b.setup.Sensor, time.Now()
			if x, ok := b.setup.Purposes[purpose].Minimise(nil, &r); ok {
				return x
			}
		}
	}
	t.Fatal("the purpose keeps nothing")
	return x
}

// TestACutWaitsForEveryLane has one stream take nothing, and one that only what is live goes to.
func TestACutWaitsForEveryLane(t *testing.T) {
	t.Parallel()
	for _, heals := range []bool{true, false} {
		b := newBench(t)
		synctest.Test(t, func(t *testing.T) {
			b.open()
			var cuts []int
			b.config.Cut = func(feed int, _ *pipeline.Cut, entries []checkpoint.Entry) func() error {
				return func() error { cuts = append(cuts, len(entries)); return nil }
			}
			b.sink.fail("fraud", missing("fraud"))
			b.run(t.Context())
			b.Send(0, b.file, pipeline.Flow{Events: b.ofFile, Clock: pipeline.EndOfTime})
			b.Send(0, b.file, pipeline.Flow{Clock: pipeline.EndOfTime, Cut: new(pipeline.Cut), Saved: []calls.Saved{
				{Name: callName(1), State: []byte("up")}}})
			ended := false
			b.End(0, b.file, func() error { ended = true; return nil })
			time.Sleep(time.Hour)
			synctest.Wait()
			if len(cuts) != 0 || ended || b.sink.counts()["billing"] == 0 {
				t.Fatalf("cuts = %v, ended = %v, put = %v, want none before fraud has all, and billing put", cuts, ended,
					b.sink.counts())
			}
			if heals {
				b.sink.fail("fraud", nil)
				time.Sleep(time.Minute)
			} else {
				b.stop()
			}
			b.Close()
			if err := <-b.ended; heals != (err == nil) {
				t.Errorf("error = %v", err)
			}
			if heals != slices.Equal(cuts, []int{1}) || heals != ended {
				t.Errorf("heals = %v: cuts = %v, ended = %v", heals, cuts, ended)
			}
		})
	}
}

// TestFilesGoOnAtEveryStopAfterOneWasGivenUp sends more cuts than may wait to a Collector that has given a lane up.
func TestFilesGoOnAtEveryStopAfterOneWasGivenUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		b.open()
		b.config.Cut = func(int, *pipeline.Cut, []checkpoint.Entry) func() error {
			return func() error { t.Error("a cut is made of what was given up"); return nil }
		}
		b.sink.fail("fraud", missing("fraud"))
		b.run(t.Context())
		b.Send(0, b.file, pipeline.Flow{Events: b.ofFile, Clock: pipeline.EndOfTime})
		time.Sleep(time.Second)
		b.stop()
		for range 10 * b.lanes.limits.cuts {
			b.Send(0, b.file, pipeline.Flow{Clock: pipeline.EndOfTime, Cut: new(pipeline.Cut)})
		}
		b.Close()
		if err := <-b.ended; err == nil {
			t.Error("nothing was given up: the test shows nothing")
		}
	})
}
