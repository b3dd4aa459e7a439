package main

import (
	"bytes"
	"errors"
	"io"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"testing"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// corpus is a capture file of many calls, the same in every run.
func corpus(t testing.TB, calls int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, capturetest.Corpus(calls, 1)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openCorpus(t testing.TB, file []byte) *pcap.Source {
	t.Helper()
	s, err := pcap.New("corpus", bytes.NewReader(file), pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// BenchmarkFileToExcerpts is the whole journey of a capture file with the output discarded: one shard, so that
// ns/msg is about CPU time a message. The other benchmarks of this file are parts of it.
func BenchmarkFileToExcerpts(b *testing.B) {
	for _, purpose := range []string{"", "billing"} {
		name := "shipped policy"
		if purpose != "" {
			name = purpose + " alone"
		}
		b.Run(name, func(b *testing.B) {
			file := corpus(b, 2000)
			var messages uint64
			b.ReportAllocs()
			s := benchSetup(b, purpose)
			for b.Loop() {
				messages += replayCorpus(b, s, openCorpus(b, file))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/msg")
		})
	}
}

func benchSetup(b *testing.B, purpose string) *config.Setup {
	c := config.Default()
	c.Keys.Demo = true
	s, err := config.Resolve(c)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Only(purpose); err != nil {
		b.Fatal(err)
	}
	return s
}

func replayCorpus(b *testing.B, s *config.Setup, source capture.Source) uint64 {
	d := pipeline.New([]capture.Source{source}, s.Plan(1, false))
	var room []byte
	excerpts := 0
	err := d.Follow(b.Context(), func(ev *event.Event) {
		r, _ := s.Records.Record(ev)
		for _, p := range s.Purposes {
			if x, ok := p.Minimise(room[:0], &r); ok {
				room = x.Body()
				excerpts++
			}
		}
	})
	l := ledger.New()
	c := d.Counts()
	l.AddDomain(&c, s.Trunks)
	if err := errors.Join(err, l.Balance(false)); err != nil || excerpts == 0 {
		b.Fatalf("excerpts = %d, err = %v", excerpts, err)
	}
	return l.Messages.Total
}

// BenchmarkReadLoop is the floor: the frames of the same file, read and not looked at.
func BenchmarkReadLoop(b *testing.B) {
	file := corpus(b, 2000)
	var packets uint64
	for b.Loop() {
		s := openCorpus(b, file)
		for {
			if _, err := s.Next(); errors.Is(err, io.EOF) {
				break
			}
		}
		packets += s.Drops().Seen
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}

// BenchmarkTrackerStep is a Tracker's share of one message of the corpus.
func BenchmarkTrackerStep(b *testing.B) {
	file := corpus(b, 2000)
	keyer := event.NewKeyer([16]byte{})
	reader := sip.NewReader(cpni.Selection(nil), sip.DefaultLimits())
	var batch sip.Batch
	for s := openCorpus(b, file); ; {
		p, err := s.Next()
		if err != nil {
			break
		}
		reader.Read(&p, batch.Add)
	}
	b.ReportAllocs()
	messages := 0
	for b.Loop() {
		t := track.New(track.DefaultLimits())
		var events []event.Event
		for i := range batch.Messages {
			m := &batch.Messages[i]
			events = t.Observe(events[:0], m, keyer.Of(m))
		}
		messages += len(batch.Messages)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/msg")
}
