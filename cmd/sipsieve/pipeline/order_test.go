package pipeline

import (
	"bytes"
	"io"
	"net/netip"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/sip"
	"sipsieve/sip/track"
)

// A tap is a source without packets.
type tap struct{}

func (*tap) Next() (p capture.Packet, err error) { return p, io.EOF }
func (*tap) Drops() (d capture.Drops)            { return d }
func (*tap) Close() error                        { return nil }

// livePlan returns a Plan of a live Domain that selects every header.
func livePlan(shards int) Plan {
	p := Plan{Shards: shards, Keyer: track.NewKeyer([16]byte{1}), Limits: track.DefaultLimits(), Live: true,
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

// TestAStepOfTheClockLetsGoWhatIsHeldByTheOldOne sets the clock back by an hour while a message waits for its turn.
func TestAStepOfTheClockLetsGoWhatIsHeldByTheOldOne(t *testing.T) {
	p := packet(t)
	d := New([]capture.Source{&tap{}, &tap{}}, livePlan(1))
	r, s := d.readers[0], d.shards[0]
	r.sip.Read(&p, r.take)
	b := r.filling[0]
	b.clock = p.Time
	s.take(b)
	if n := s.track.Counts().Tracked; n != 0 {
		t.Fatalf("tracked = %d before the turn, want 0", n)
	}
	s.take(&batch{stepped: true, drift: -time.Hour, clock: p.Time.Add(-time.Hour)})
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
	d := New([]capture.Source{&tap{}, &tap{}}, livePlan(1))
	r, s := d.readers[0], d.shards[0]
	s.take(&batch{clock: p.Time, dated: true})
	s.take(&batch{stepped: true, drift: -time.Hour, dated: true, clock: p.Time.Add(-time.Hour)})
	p.Origin = capture.Interface
	r.sip.Read(&p, r.take)
	b := r.filling[0]
	b.clock, b.dated = p.Time.Add(time.Millisecond), true
	s.take(b)
	if got, want := s.wire, p.Time.Add(time.Millisecond-time.Hour); !got.Equal(want) {
		t.Errorf("clock = %v, want %v", got, want)
	}
	if m, ok := s.reorder.next(p.Time.Add(-time.Hour)); !ok || !m.at.Equal(p.Time.Add(-time.Hour)) {
		t.Errorf("message = %v, %v, want it held by the new clock", m.at, ok)
	}
}

// TestEventsHeldWhenTheClockIsSetBackAreTold has one shard an event that waits for another shard.
func TestEventsHeldWhenTheClockIsSetBackAreTold(t *testing.T) {
	ev := track.Event{Kind: track.CallKind, Time: packet(t).Time, Call: new(track.Call)}
	d := New([]capture.Source{&tap{}}, livePlan(2))
	m := NewMerger(d)
	told, kept := 0, 0
	m.Keep = func(*track.Saved) { kept++ }
	tell := func(*track.Event) { told++ }
	m.Add(Flow{Shard: 0, Clock: ev.Time, Events: []track.Event{ev}, Saved: make([]track.Saved, 1)}, tell)
	m.Add(Flow{Shard: 1, Clock: ev.Time}, tell)
	if told != 0 || kept != 0 {
		t.Fatalf("told = %d, kept = %d before their turn, want 0", told, kept)
	}
	m.Add(Flow{Shard: 1, Clock: ev.Time.Add(-time.Hour)}, tell)
	if told == 0 || kept != 1 {
		t.Errorf("told = %d, kept = %d after the step, want all", told, kept)
	}
}

// TestWhatComesAfterItsTurnGoesOnAtOnce lets one tap be late by more than the hold.
func TestWhatComesAfterItsTurnGoesOnAtOnce(t *testing.T) {
	b := &batch{}
	h := reorder{}
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	b.messages.Messages = make([]sip.Message, 3)
	b.keys = make([]track.Keys, 3)
	for i, late := range []time.Duration{30, 10, 0} {
		b.messages.Messages[i].Time = at.Add(late * time.Millisecond)
	}
	if _, ok := h.next(at.Add(5 * time.Millisecond)); ok {
		t.Error("an empty buffer has a message")
	}
	if n := h.add(b); n != 3 {
		t.Errorf("held = %d, want 3", n)
	}
	var order []int
	late := 0
	for m, ok := h.next(at.Add(20 * time.Millisecond)); ok; m, ok = h.next(at.Add(20 * time.Millisecond)) {
		order = append(order, m.i)
		if m.late {
			late++
		}
	}
	if len(order) != 2 || order[0] != 2 || order[1] != 1 || late != 1 {
		t.Errorf("order = %v with %d late, want [2 1] with 1", order, late)
	}
}
