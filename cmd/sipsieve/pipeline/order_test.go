package pipeline

import (
	"bytes"
	"io"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
)

// A tap is a source without packets.
type tap struct{}

func (*tap) Next() (p capture.Packet, err error) { return p, io.EOF }
func (*tap) Drops() (d capture.Drops)            { return d }
func (*tap) Close() error                        { return nil }

// livePlan returns a Plan of a live Domain that selects every header.
func livePlan(shards int) Plan {
	p := Plan{Shards: shards, Keyer: event.NewKeyer([16]byte{1}), Limits: track.DefaultLimits(), Live: true,
		TrunkOf: func(netip.Addr, uint16) int { return 0 }}
	for h := range p.Selection {
		p.Selection[h] = true
	}
	return p
}

// packet returns the first packet of a call.
func packet(t *testing.T) capture.Packet {
	t.Helper()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, capturetest.Corpus(1, 1)); err != nil {
		t.Fatal(err)
	}
	s, err := pcap.New("corpus", &b, pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A ring is a source without packets whose watermark the test sets.
type ring struct {
	tap
	mark time.Time
	down bool
}

func (r *ring) Watermark() (time.Time, bool) { return r.mark, !r.down }

// rings returns a live Domain of n rings with one shard.
func rings(t *testing.T, n int) (d *Domain, list []*ring) {
	t.Helper()
	var sources []capture.Source
	for range n {
		list = append(list, new(ring))
		sources = append(sources, list[len(list)-1])
	}
	d = New(sources, livePlan(1))
	go func() { // whoever takes what the shard sends
		for range d.out {
		}
	}()
	t.Cleanup(func() { close(d.out) })
	return d, list
}

// hand has reader i of d take p, dated so, and hand it to its shard, which takes it with what else waits.
func hand(d *Domain, i int, p capture.Packet, t time.Time) {
	r := d.readers[i]
	p.Time = t
	r.clock = later(r.clock, t)
	r.sip.Read(&p, r.take)
	r.flush()
	d.shards[0].takeLive(nil)
}

// marked sets the watermark of reader i and has the shard look at it.
func marked(d *Domain, list []*ring, i int, t time.Time) {
	list[i].mark = t
	d.readers[i].mark.settle(list[i])
	d.shards[0].takeLive(nil)
}

// tracked returns how many messages the shard has taken, and how many of them were late.
func tracked(d *Domain) [2]uint64 {
	c := d.shards[0].track.Counts()
	return [2]uint64{c.Tracked + c.Duplicates, d.shards[0].late.Load()}
}

// TestAMessageWaitsForTheLeastWatermark has two rings, of which one is behind.
func TestAMessageWaitsForTheLeastWatermark(t *testing.T) {
	p := packet(t)
	d, list := rings(t, 2)
	ms := time.Millisecond
	hand(d, 0, p, p.Time.Add(100*ms))
	marked(d, list, 0, p.Time.Add(200*ms))
	for _, c := range []struct {
		do   func()
		want [2]uint64
		why  string
	}{
		{func() {}, [2]uint64{0, 0}, "nothing is known of the other ring"},
		{func() { marked(d, list, 1, p.Time.Add(100*ms)) }, [2]uint64{0, 0}, "one of the same time may follow"},
		{func() { hand(d, 1, p, p.Time.Add(150*ms)) }, [2]uint64{0, 0}, "the other ring is behind"},
		{func() { marked(d, list, 1, p.Time.Add(101*ms)) }, [2]uint64{1, 0}, "one has its turn"},
		{func() { list[1].down = true; marked(d, list, 1, time.Time{}) }, [2]uint64{2, 0}, "a ring that is down"},
		{func() { hand(d, 1, p, p.Time.Add(-300*ms)) }, [2]uint64{3, 1}, "one behind the watermark"},
	} {
		if c.do(); tracked(d) != c.want {
			t.Errorf("%s: tracked and late = %v, want %v", c.why, tracked(d), c.want)
		}
	}
}

// TestWithoutAWatermarkTheDomainsClockHolds has rings that are all down.
func TestWithoutAWatermarkTheDomainsClockHolds(t *testing.T) {
	p := packet(t)
	synctest.Test(t, func(t *testing.T) {
		d, list := rings(t, 2)
		for i := range list {
			list[i].down = true
			marked(d, list, i, time.Time{})
		}
		hand(d, 0, p, p.Time)
		time.Sleep(liveTick)
		d.shards[0].takeLive(nil)
		if got, want := tracked(d), [2]uint64{1, 0}; got != want {
			t.Errorf("tracked and late = %v, want %v", got, want)
		}
	})
}

// TestAFullBufferReleasesTheEarliest has a ring that is never sure of anything.
func TestAFullBufferReleasesTheEarliest(t *testing.T) {
	p := packet(t)
	d, list := rings(t, 2)
	s := d.shards[0]
	marked(d, list, 0, p.Time)
	hand(d, 0, p, p.Time.Add(time.Second))
	s.reorder.limit = s.reorder.bytes * 3
	for _, late := range []time.Duration{3 * time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second} {
		hand(d, 0, p, p.Time.Add(late))
	}
	if got, want := tracked(d), [2]uint64{2, 0}; got != want || s.reorder.bytes > s.reorder.limit {
		t.Errorf("tracked and late = %v with %d bytes of %d, want %v", got, s.reorder.bytes, s.reorder.limit, want)
	}
	hand(d, 0, p, p.Time.Add(1500*time.Millisecond)) // behind what has left
	if got, want := tracked(d), [2]uint64{3, 1}; got != want {
		t.Errorf("tracked and late = %v, want %v", got, want)
	}
}

// TestAWatermarkThatGoesBackCounts has a feed whose host's clock is set back by an hour, which no packet reports.
func TestAWatermarkThatGoesBackCounts(t *testing.T) {
	p := packet(t)
	d, list := rings(t, 1)
	marked(d, list, 0, p.Time)
	marked(d, list, 0, p.Time.Add(-time.Hour))
	hand(d, 0, p, p.Time.Add(-time.Hour))
	if got, want := tracked(d), [2]uint64{0, 0}; got != want {
		t.Errorf("tracked and late = %v, want %v: it waits for its turn", got, want)
	}
	marked(d, list, 0, p.Time.Add(time.Second-time.Hour))
	if got, want := tracked(d), [2]uint64{1, 0}; got != want {
		t.Errorf("tracked and late = %v, want %v", got, want)
	}
}

// TestAStepOfTheClockLetsGoWhatIsHeldByTheOldOne sets the clock back by an hour while a message waits for its turn.
func TestAStepOfTheClockLetsGoWhatIsHeldByTheOldOne(t *testing.T) {
	p := packet(t)
	d, list := rings(t, 2)
	s := d.shards[0]
	hand(d, 0, p, p.Time)
	if n := s.track.Counts().Tracked; n != 0 {
		t.Fatalf("tracked = %d before the turn, want 0", n)
	}
	r := d.readers[0]
	list[0].mark = p.Time.Add(-time.Hour)
	r.noteNews(&capture.Packet{Time: p.Time.Add(-time.Hour), Step: -time.Hour})
	if r.mark.Load() != unsettled {
		t.Error("the watermark of the old clock still holds")
	}
	r.flush()
	s.takeLive(nil)
	if n := s.track.Counts().Tracked; n != 1 {
		t.Errorf("tracked = %d after the step, want 1", n)
	}
	if !s.reorder.passed.Before(p.Time) {
		t.Error("what comes by the new clock is taken for late")
	}
}

// TestAReaderThatHasNotSeenTheStepMovesNoClock has two rings, of which one looks at the clock later.
func TestAReaderThatHasNotSeenTheStepMovesNoClock(t *testing.T) {
	p := packet(t)
	d, list := rings(t, 2)
	r, s := d.readers[0], d.shards[0]
	s.takeLive(&batch{clock: p.Time, dated: true})
	s.takeLive(&batch{stepped: true, drift: -time.Hour, dated: true, clock: p.Time.Add(-time.Hour)})
	r.dated = true
	hand(d, 0, p, p.Time.Add(time.Millisecond))
	if got, want := s.clock, p.Time.Add(time.Millisecond-time.Hour); got.Sub(want).Abs() > time.Minute {
		t.Errorf("clock = %v, want %v", got, want)
	}
	marked(d, list, 0, p.Time)
	marked(d, list, 1, p.Time.Add(time.Second-time.Hour))
	if got, want := tracked(d), [2]uint64{1, 0}; got != want {
		t.Errorf("tracked and late = %v, want %v: it waits by the new clock", got, want)
	}
}

// TestEventsHeldWhenTheClockIsSetBackAreEmitted has one shard an event that waits for another shard.
func TestEventsHeldWhenTheClockIsSetBackAreEmitted(t *testing.T) {
	ev := event.Event{Kind: event.CallKind, Time: packet(t).Time, Call: new(event.Call)}
	d := New([]capture.Source{&tap{}}, livePlan(2))
	m := NewMerger(d)
	emitted, kept := 0, 0
	m.Keep = func(*calls.Saved) { kept++ }
	emit := func(*event.Event) { emitted++ }
	m.Add(Flow{Shard: 0, Clock: ev.Time, Events: []event.Event{ev}, Saved: make([]calls.Saved, 1)}, emit)
	m.Add(Flow{Shard: 1, Clock: ev.Time}, emit)
	if emitted != 0 || kept != 0 {
		t.Fatalf("emitted = %d, kept = %d before their turn, want 0", emitted, kept)
	}
	m.Add(Flow{Shard: 1, Clock: ev.Time.Add(-time.Hour)}, emit)
	if emitted == 0 || kept != 1 {
		t.Errorf("emitted = %d, kept = %d after the step, want all", emitted, kept)
	}
}

// TestATimeInWhichNothingWasSeenIsAGap has a ring whose interface was down for a minute.
func TestATimeInWhichNothingWasSeenIsAGap(t *testing.T) {
	d, _ := rings(t, 1)
	r, now := d.readers[0], time.Unix(1e9, 0)
	r.noteNews(&capture.Packet{Time: now})
	if b := r.batches[0]; len(b.losses) > 0 || r.lastLoss.Load() != 0 {
		t.Errorf("losses = %v for a bare packet, want none", b.losses)
	}
	since := now.Add(-time.Minute)
	r.noteNews(&capture.Packet{Time: now, MissedSince: since})
	want := event.Windows{{From: since.UnixNano(), To: now.UnixNano()}}
	if b := r.batches[0]; !slices.Equal(b.losses, want) || r.lastLoss.Load() != now.Unix() {
		t.Errorf("losses = %v, want %v", b.losses, want)
	}
}

// TestAWatchedFileEmitsAtOnce has a file that comes slowly, whose next packet may be long in coming.
func TestAWatchedFileEmitsAtOnce(t *testing.T) {
	ev := event.Event{Kind: event.CallKind, Time: packet(t).Time, Call: new(event.Call)}
	for _, eager := range []bool{false, true} {
		plan := livePlan(2)
		plan.Live, plan.Eager = false, eager
		m := NewMerger(New([]capture.Source{&tap{}}, plan))
		emitted := 0
		emit := func(*event.Event) { emitted++ }
		m.Add(Flow{Shard: 0, Clock: ev.Time, Events: []event.Event{ev}}, emit)
		if emitted != 0 {
			t.Errorf("eager %v: emitted before the other shard has come as far", eager)
		}
		m.Add(Flow{Shard: 1, Clock: ev.Time}, emit)
		if (emitted > 0) != eager {
			t.Errorf("eager %v: emitted = %d", eager, emitted)
		}
	}
}
