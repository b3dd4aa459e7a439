package main

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
)

// A tap gives the packets of a capture as a ring does: in blocks, each handed over when it is full or when the timer
// of the ring has found it open twice. The zero tap hands every packet over when it comes.
type tap struct {
	packets []capture.Packet
	came    []time.Time // when the block of each is handed over
	retire  time.Duration
	mark    time.Time
	ended   bool
	began   time.Time
	first   time.Time
}

// due sets when each packet is handed over by blocks of so many.
func (s *tap) due(size int) {
	for i := 0; i < len(s.packets); {
		opened := s.at(i)
		closes := opened
		if s.retire > 0 {
			closes = opened.Truncate(s.retire).Add(2 * s.retire)
		}
		n := 1
		for n < size && i+n < len(s.packets) && !s.at(i+n).After(closes) {
			n++
		}
		if n == size {
			closes = s.at(i + n - 1)
		}
		for range n {
			s.came = append(s.came, closes)
		}
		i += n
	}
}

// at returns when the i-th packet came, by the clock of the test.
func (s *tap) at(i int) time.Time { return s.began.Add(s.packets[i].Time.Sub(s.first)) }

func (s *tap) Next() (p capture.Packet, err error) {
	if len(s.packets) == 0 {
		s.ended = true
		return p, io.EOF
	}
	if wait := time.Until(s.came[0]); wait > capture.IdleEvery {
		time.Sleep(capture.IdleEvery)
		s.mark = s.first.Add(time.Since(s.began) - 2*s.retire)
		return capture.Packet{Time: s.mark}, nil
	} else {
		time.Sleep(wait)
	}
	p, s.packets, s.came = s.packets[0], s.packets[1:], s.came[1:]
	if mark := p.Time.Add(-2 * s.retire); mark.After(s.mark) {
		s.mark = mark
	}
	return p, nil
}

func (s *tap) Watermark() (time.Time, bool) { return s.mark, !s.ended }
func (s *tap) Drops() (d capture.Drops)     { return d }
func (s *tap) Close() error                 { return nil }

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

// liveExcerpts shares the packets among rings of different blocks and timers, and returns what all purposes would
// publish, and how many messages were late.
func liveExcerpts(t *testing.T, packets []capture.Packet, taps, shards int) (out []byte, late uint64) {
	t.Helper()
	s := demoSetup(t, "")
	synctest.Test(t, func(t *testing.T) {
		var sources []capture.Source
		for i := range taps {
			one := &tap{first: packets[0].Time, began: time.Now()}
			if taps > 1 {
				one.retire = time.Duration(1+i*59%90) * time.Millisecond
			}
			for j := i; j < len(packets); j += taps {
				one.packets = append(one.packets, packets[j])
			}
			one.due(1 + 7*i)
			sources = append(sources, one)
		}
		d := pipeline.New(sources, s.Plan(shards, true))
		err := d.Follow(t.Context(), func(ev *event.Event) {
			rec, _ := s.Records.Record(ev)
			rec.Site, rec.Sensor = s.Site, s.Sensor
			for _, p := range s.Purposes {
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

// TestSeveralReadersGiveWhatOneGives shares a capture among rings that hand over late.
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
