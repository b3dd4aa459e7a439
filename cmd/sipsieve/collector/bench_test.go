package collector

import (
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"sipsieve/store/bus"
	"sipsieve/store/policy"
)

// BenchmarkLanes puts excerpts of three purposes on an embedded bus, in the order in which calls end, as fast as they are
// acknowledged: through lanes, and as the baseline in the same run in batches of 1,000 of all purposes, one purpose after
// the other, as before there were lanes. cpu-µs is of the whole process, with the server. For fsyncs run it under
// strace -f -c -e trace=fsync,fdatasync with -benchtime 20000x.
func BenchmarkLanes(b *testing.B) {
	b.Run("lanes", func(b *testing.B) { benchmarkLanes(b, throughLanes) })
	b.Run("baseline", func(b *testing.B) { benchmarkLanes(b, oneAfterTheOther) })
}

// benchmarkLanes has put b.N excerpts of each of three purposes.
func benchmarkLanes(b *testing.B, put func(*testing.B, *bench, *bus.Bus, [][]policy.Excerpt)) {
	one := newBench(b)
	spool, err := bus.Embedded(b.Context(), bus.Config{Dir: b.TempDir(), Plan: one.plan()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = spool.Close() }()
	one.open()
	one.lanes.limits = defaultLimits()
	var all [][]policy.Excerpt // by purpose
	for i := range 3 {
		var xs []policy.Excerpt
		x := one.excerptOf(b, i)
		for n := range b.N {
			x.ID = strconv.Itoa(n)
			xs = append(xs, x)
		}
		all = append(all, xs)
	}
	before := cpu()
	b.ResetTimer()
	put(b, one, spool, all)
	b.StopTimer()
	n := float64(3 * b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "excerpts/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/n, "cpu-µs/excerpt")
	if t := spool.Traffic(); t.Published != uint64(n) {
		b.Fatalf("published = %d, want %v", t.Published, n)
	}
}

// throughLanes adds the excerpts to the lanes, and waits while one has as many as may wait of a file.
func throughLanes(b *testing.B, one *bench, spool *bus.Bus, all [][]policy.Excerpt) {
	for _, l := range one.lanes.all {
		l.publisher.sink = spool.Publisher()
		go l.publisher.run(b.Context())
	}
	go one.completions.run()
	for n := range b.N {
		for i := range all {
			one.lanes.all[i].add(all[i][n], true)
		}
		for !one.lanes.takesFiles() {
			one.settle(<-one.results)
		}
	}
	one.finish()
}

// oneAfterTheOther puts batches of 1,000 as they come, each purpose of them by itself.
func oneAfterTheOther(b *testing.B, _ *bench, spool *bus.Bus, all [][]policy.Excerpt) {
	const share = putLimit / 3
	for first := 0; first < b.N; first += share {
		for _, xs := range all {
			if err := spool.Publisher().Put(b.Context(), slices.Clone(xs[first:min(first+share, b.N)])); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// cpu returns how long this process has computed.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
