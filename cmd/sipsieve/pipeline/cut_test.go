package pipeline

import (
	"bytes"
	"fmt"
	"io"
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

// A spool is a Resumable source of packets, of which some were given before a restart. It rests now and then.
type spool struct {
	tap
	packets []capture.Packet
	given   int
	before  int // how many were given before
	resting bool
}

func (s *spool) Next() (p capture.Packet, err error) {
	if s.resting = !s.resting && s.given%40 == 39; s.resting {
		time.Sleep(3 * time.Second)
		return capture.Packet{Time: s.packets[s.given-1].Time, Origin: capture.File}, nil
	}
	if s.given == len(s.packets) {
		return p, io.EOF
	}
	s.given++
	return s.packets[s.given-1], nil
}

func (s *spool) Ready() bool      { return !s.resting }
func (s *spool) Again() bool      { return s.given < s.before }
func (s *spool) Cut() (any, bool) { return s.given, !s.Again() }

// packetsOf returns the packets of a corpus of so many calls.
func packetsOf(t *testing.T, calls int) (all []capture.Packet) {
	t.Helper()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, capturetest.Corpus(calls, 3)); err != nil {
		t.Fatal(err)
	}
	s, err := pcap.New("corpus", &b, pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := s.Next()
		if err != nil {
			return all
		}
		p.Payload = bytes.Clone(p.Payload)
		all = append(all, p)
	}
}

// A history is what a Merger passed on: the events, and of each cut how many events stood before it.
type history struct {
	events []string
	cuts   []passedCut
}

type passedCut struct {
	position, events int
	whole            bool
	saved            []calls.Saved
}

// follow runs a Domain of s to its end; end is called with the Domain then.
func follow(t *testing.T, s *spool, p Plan, end func(*Domain)) (h history) {
	t.Helper()
	d := New([]capture.Source{s}, p)
	done := make(chan error, 1)
	go func() { done <- d.Run(t.Context()) }()
	m := NewMerger(d)
	m.Cut = func(c *Cut, saved []calls.Saved) {
		if n, ok := c.Position.(int); ok {
			h.cuts = append(h.cuts, passedCut{n, len(h.events), c.Whole(), saved})
		}
	}
	for f := range d.Flows() {
		m.Add(f, func(ev *event.Event) {
			h.events = append(h.events, fmt.Sprint(ev.Time.UnixNano(), " ", string(ev.Key[:]), ev.Stage, ev.Revision))
		})
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	end(d)
	return h
}

// TestACutComesBehindTheEventsBeforeIt checks of each cut that what it gives has been reported, and that a
// Domain that goes on from it reports the rest, and counts it, as if there had been no restart.
func TestACutComesBehindTheEventsBeforeIt(t *testing.T) {
	packets := packetsOf(t, 40)
	for _, shards := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			p := livePlan(shards)
			p.Live, p.Saves, p.Eager = false, true, true
			whole := follow(t, &spool{packets: packets}, p, func(*Domain) {})
			if len(whole.cuts) < 5 || len(whole.events) < 40 {
				t.Fatalf("cuts = %d, events = %d: the test shows nothing", len(whole.cuts), len(whole.events))
			}
			for i, c := range whole.cuts {
				if c.whole != (i == 0) {
					t.Errorf("cut %d: whole = %v", i, c.whole)
				}
				p.Resume = func(int, *track.Tracker) {}
				var counts Counts
				after := follow(t, &spool{packets: packets, before: c.position}, p, func(d *Domain) { counts = d.Counts() })
				if missing := slices.DeleteFunc(slices.Clone(whole.events), func(ev string) bool {
					return slices.Contains(whole.events[:c.events], ev) || slices.Contains(after.events, ev)
				}); len(missing) > 0 {
					t.Errorf("cut %d: %d events are reported neither before nor after it", i, len(missing))
				}
				var ended, opened, live uint64
				for _, s := range counts.Shards {
					opened, live = opened+s.Track.Opened, live+s.Track.Live
					for _, n := range s.Track.Ended {
						ended += n
					}
				}
				if int(ended) != len(after.events) || opened != ended+live {
					t.Errorf("cut %d: opened = %d, ended = %d, live = %d, of %d events", i, opened, ended, live, len(after.events))
				}
				requests := uint64(0)
				for _, n := range counts.Sources[0].SIP.Requests {
					requests += n
				}
				if (requests == 0) != (c.position == len(packets)) {
					t.Errorf("cut %d at packet %d of %d: requests = %d", i, c.position, len(packets), requests)
				}
			}
		})
	}
}

// TestTheLastCutBearsTheClock wants the clock of the cut behind everything to be that of the last packet of the
// source: a restart reads again what came shortly before it.
func TestTheLastCutBearsTheClock(t *testing.T) {
	packets := packetsOf(t, 10)
	for _, shards := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			p := livePlan(shards)
			p.Live, p.Saves, p.Eager = false, true, true
			d := New([]capture.Source{&spool{packets: packets}}, p)
			done := make(chan error, 1)
			go func() { done <- d.Run(t.Context()) }()
			m := NewMerger(d)
			var last *Cut
			m.Cut = func(c *Cut, _ []calls.Saved) { last = c }
			for f := range d.Flows() {
				m.Add(f, func(*event.Event) {})
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			want := packets[len(packets)-1].Time
			if last == nil || last.Position != nil || !last.Clock().Equal(want) {
				t.Errorf("last cut = %+v, want the clock %s and no position", last, want)
			}
		})
	}
}
