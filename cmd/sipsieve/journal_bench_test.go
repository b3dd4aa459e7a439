package main

import (
	"bytes"
	"path/filepath"
	"sipsieve/capture/capturetest"
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/collector"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/sip"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
	"slices"
	"testing"
	"time"
)

// benchLadder is an answered call with what a carrier's INVITE has, and a re-INVITE in it.
const benchLadder = `
00:00.000  alice -> bob   INVITE
    P-Asserted-Identity: <sip:+13035550110@example.net>
    P-Charging-Vector: icid-value=5f2c1e00aa11bb22;orig-ioi=example.net
    User-Agent: Yealink SIP-T46S 66.85.0.5
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
00:10.000  alice -> bob   INVITE
00:10.100  alice <- bob   200 INVITE
00:10.200  alice -> bob   ACK
`

// openCalls returns the checkpoints of n calls, numbered from first on, once they are answered, and once more after a
// re-INVITE.
func openCalls(b testing.TB, s *config.Setup, first, n int) (opened, changed []calls.Saved) {
	frames, err := capturetest.Ladder([]byte(benchLadder))
	if err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	if err := capturetest.WritePcap(&file, frames); err != nil {
		b.Fatal(err)
	}
	plan := s.Plan(1, true)
	r, batch := sip.NewReader(plan.Selection, sip.DefaultLimits()), new(sip.Batch)
	for source := openCorpus(b, file.Bytes()); ; {
		p, err := source.Next()
		if err != nil {
			break
		}
		r.Read(&p, batch.Add)
	}
	plan.Limits.Calls, plan.Limits.PerSource = n, 0
	tr := track.New(plan.Limits)
	tr.Save(plan.Keyer)
	show := func(ms []sip.Message) []calls.Saved {
		for i := range n * len(ms) {
			m := &ms[i%len(ms)]
			k := plan.Keyer.Of(m)
			i = first + i/len(ms)
			k.Call, m.Mark = event.Key{byte(i), byte(i >> 8), byte(i >> 16), 1}, 0
			tr.Observe(nil, m, k)
		}
		return tr.Changed(nil)
	}
	return show(batch.Messages[:4]), show(batch.Messages[4:])
}

// BenchmarkJournal keeps 100,000 calls that are up, of which 1000 change: one operation is one second. What shards
// need for it is measured by track's BenchmarkChanged.
func BenchmarkJournal(b *testing.B) {
	const n = 100_000
	s := benchSetup(b, "")
	opened, changed := openCalls(b, s, 0, n)
	encoder := collector.NewEncoder(s.Records, s.Purposes)
	path := filepath.Join(b.TempDir(), "calls.journal")
	open := func() *checkpoint.Log {
		j := checkpoint.Open(logAt(path))
		if err := j.Trouble(); err != nil {
			b.Fatal(err)
		}
		return j
	}
	j := open()
	go j.Run()
	put := func(all []calls.Saved) {
		var entries []checkpoint.Entry
		for i := range all {
			entries = encoder.Append(entries, &all[i])
		}
		j.Put(entries)
	}
	for some := range slices.Chunk(opened, 1000) {
		put(some)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		put(changed[i*1000%n : i*1000%n+1000])
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(checkpoint.Reported(j).Bytes)/n, "B/call")
	began := time.Now()
	j = open()
	saved := 0
	if err := j.Calls(func(checkpoint.Restorable) { saved++ }); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d calls written anew and read in %v", saved, time.Since(began))
	go j.Run()
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
