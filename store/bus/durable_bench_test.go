package bus

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/sqlite"
)

// BenchmarkDurable is the whole durable path of a host under load: three purposes are put in batches of 4,000, as lanes
// merge them, and kept in SQLite. Beside it, in the same run, is the baseline: batches of 1,000, one purpose after the
// other, and each message acknowledged by itself; and the path without a store. cpu-µs is of the whole process.
func BenchmarkDurable(b *testing.B) {
	b.Run("now", func(b *testing.B) { benchmarkDurable(b, false, rows(b)) })
	b.Run("baseline", func(b *testing.B) { benchmarkDurable(b, true, rows(b)) })
	b.Run("bus-alone", func(b *testing.B) { benchmarkDurable(b, false, nowhere{}) })
}

// nowhere is a Sink that keeps nothing.
type nowhere struct{}

func (nowhere) Put(context.Context, []policy.Excerpt) error { return nil }

func rows(b *testing.B) store.Sink {
	s, err := sqlite.Open(sqlite.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func benchmarkDurable(b *testing.B, baseline bool, into store.Sink) {
	purposes := []string{"billing", "fraud", "quality"}
	edge := embedded(b, 0, purposes...)
	reader := edge
	if baseline { // a Bus that does not have the server acknowledges one by one
		reader = &Bus{conn: edge.conn, stream: edge.stream, stopDial: func() {}}
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var consumers []*Consumer
	for _, p := range purposes {
		c := reader.Consumer(p, "store")
		consumers = append(consumers, c)
		go func() { _ = c.Run(ctx, into) }()
	}
	before, n := cpu(), 0
	for b.Loop() {
		b.StopTimer()
		paused := cpu()
		size := ownBatchLimit
		if baseline {
			size = batchLimit
		}
		parcels := parcel(b, purposes, n, size)
		n += size
		before += cpu() - paused
		b.StartTimer()
		for _, xs := range parcels {
			if !baseline {
				xs = joined(parcels)
			}
			if err := edge.Publisher().Put(ctx, xs); err != nil {
				b.Fatal(err)
			}
			if !baseline {
				break
			}
		}
	}
	for _, c := range consumers {
		for c.Counts().Put < uint64(n) {
			time.Sleep(time.Millisecond)
		}
	}
	all := float64(n * len(purposes))
	b.ReportMetric(all/b.Elapsed().Seconds(), "excerpts/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/all, "cpu-µs/excerpt")
}

// parcel returns a batch of each purpose.
func parcel(b *testing.B, purposes []string, from, size int) (list [][]policy.Excerpt) {
	for i, p := range purposes {
		var xs []policy.Excerpt
		for n := range size {
			xs = append(xs, sized(b, p, fmt.Sprintf("s%d", i), from+n, 400))
		}
		list = append(list, xs)
	}
	return list
}

func joined(parcels [][]policy.Excerpt) (xs []policy.Excerpt) {
	for _, p := range parcels {
		xs = append(xs, p...)
	}
	return xs
}

// cpu returns how long this process has computed.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
