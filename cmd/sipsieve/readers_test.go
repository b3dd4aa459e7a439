package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/track"
)

// tapDelay is how late a packet of a tap comes at most.
const tapDelay = 10 * time.Millisecond

// A tap gives packets of a capture when they came, each a little late.
type tap struct {
	packets []capture.Packet
	late    func() time.Duration
	began   time.Time
	first   time.Time
}

func (s *tap) Next() (p capture.Packet, err error) {
	if len(s.packets) == 0 {
		return p, io.EOF
	}
	p, s.packets = s.packets[0], s.packets[1:]
	time.Sleep(time.Until(s.began.Add(p.Time.Sub(s.first)).Add(s.late())))
	return p, nil
}

func (s *tap) Drops() (d capture.Drops) { return d }
func (s *tap) Close() error             { return nil }

// packetsOf reads a capture file whole.
func packetsOf(t *testing.T, file []byte) (all []capture.Packet) {
	t.Helper()
	for s := openCorpus(t, file); ; {
		p, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Payload = bytes.Clone(p.Payload)
		all = append(all, p)
	}
}

// liveExcerpts shares the packets among taps, late by less than the hold, and returns what all purposes would publish.
func liveExcerpts(t *testing.T, packets []capture.Packet, taps, shards int) (out []byte, late uint64) {
	t.Helper()
	s := demoSetup(t, "")
	synctest.Test(t, func(t *testing.T) {
		var sources []capture.Source
		for i := range taps {
			one := &tap{first: packets[0].Time, began: time.Now(), late: func() time.Duration { return 0 }}
			if r := rand.New(rand.NewPCG(uint64(i), uint64(taps))); taps > 1 {
				one.late = func() time.Duration { return time.Duration(r.Int64N(int64(tapDelay))) }
			}
			for j := i; j < len(packets); j += taps {
				one.packets = append(one.packets, packets[j])
			}
			sources = append(sources, one)
		}
		d := pipeline.New(sources, s.plan(shards, true))
		err := d.Follow(t.Context(), func(ev *track.Event) {
			rec := s.records.Record(ev)
			rec.Site, rec.Sensor = s.site, s.sensor
			for _, p := range s.purposes {
				if x, ok := p.Minimise(nil, &rec); ok {
					out = append(append(out, x.Body()...), '\n')
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
		for _, s := range d.Counts().Shards {
			late += s.Late
		}
	})
	return out, late
}

// TestSeveralReadersGiveWhatOneGives shares a capture among taps that are late by less than the hold.
func TestSeveralReadersGiveWhatOneGives(t *testing.T) {
	packets := packetsOf(t, corpus(t, 60))
	want, _ := liveExcerpts(t, packets, 1, 1)
	if len(want) == 0 {
		t.Fatal("no excerpts: the test shows nothing")
	}
	for _, c := range []struct{ taps, shards int }{{1, 4}, {2, 1}, {3, 2}, {5, 16}} {
		got, late := liveExcerpts(t, packets, c.taps, c.shards)
		if !bytes.Equal(got, want) {
			t.Errorf("%d readers, %d shards: the excerpts differ", c.taps, c.shards)
		}
		if late != 0 {
			t.Errorf("%d readers, %d shards: late = %d, want 0", c.taps, c.shards, late)
		}
	}
}
