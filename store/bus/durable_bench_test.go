package bus

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/sqlite"
)

// BenchmarkDurable is the whole durable path of a host under load, each way a line of a table:
//
//	raw        the baseline: the same bodies in atomic batches, fetched, and inserted as bare rows of id and body
//	durable    Publisher, streams, Consumers and SQLite; batches of 4,000 of each purpose, as lanes merge them
//	bus-alone  the same without SQLite
//	before     batches of 1,000, one purpose after the other, each message acknowledged by itself
//
// Every acknowledgement is after fsync. cpu-µs is of the whole process, for an excerpt of 1 KB; x-raw is how often the CPU
// of raw. fsyncs/1000 are counted by strace, if it is there, over 12,000 more.
func BenchmarkDurable(b *testing.B) {
	var raw float64
	for _, way := range []struct {
		name string
		load func(*testing.B) *traffic
	}{
		{"raw", rawLoad},
		{"durable", func(b *testing.B) *traffic { return durableLoad(b, false, rows(b)) }},
		{"bus-alone", func(b *testing.B) *traffic { return durableLoad(b, false, nowhere{}) }},
		{"before", func(b *testing.B) *traffic { return durableLoad(b, true, rows(b)) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			l := way.load(b)
			var used time.Duration
			for b.Loop() {
				b.StopTimer()
				excerpts := l.make(b, roundSize)
				before := cpu()
				b.StartTimer()
				l.put(b, excerpts)
				used += cpu() - before
			}
			each := float64(used.Nanoseconds()) / 1e3 / float64(l.excerpts())
			if way.name == "raw" {
				raw = each
			}
			b.ReportMetric(float64(l.excerpts())/b.Elapsed().Seconds(), "excerpts/s")
			b.ReportMetric(each, "cpu-µs/excerpt")
			b.ReportMetric(each/raw, "x-raw")
			if n, ok := syncs(b, l); ok {
				b.ReportMetric(float64(n)*1000/float64(ownBatchLimit*len(loadPurposes)), "fsyncs/1000")
			}
		})
	}
}

var loadPurposes = []string{"billing", "fraud", "quality"}

const roundSize = 4 * ownBatchLimit // excerpts of each purpose that a round puts

// A traffic is one way of putting rounds of excerpts.
type traffic struct {
	made  int                                       // excerpts of each purpose
	batch func(b *testing.B, xs [][]policy.Excerpt) // puts as many excerpts of each purpose as size
	size  int                                       // of a batch
	wait  func(purpose, n int) bool                 // reports whether n of a purpose are through
}

func (r *traffic) excerpts() int { return r.made * len(loadPurposes) }

// make returns so many excerpts of each purpose.
func (r *traffic) make(b *testing.B, size int) (xs [][]policy.Excerpt) {
	for i, purpose := range loadPurposes {
		var list []policy.Excerpt
		for n := range size {
			list = append(list, loaded(b, purpose, fmt.Sprint("s", i), r.made+n))
		}
		xs = append(xs, list)
	}
	r.made += size
	return xs
}

// put puts excerpts in batches and waits until all of it is through.
func (r *traffic) put(b *testing.B, xs [][]policy.Excerpt) {
	for begin := 0; begin < len(xs[0]); begin += r.size {
		var some [][]policy.Excerpt
		for _, list := range xs {
			some = append(some, list[begin:begin+r.size])
		}
		r.batch(b, some)
	}
	for i := range loadPurposes {
		for !r.wait(i, r.made) {
			time.Sleep(time.Millisecond)
		}
	}
}

// loaded returns the nth call of a purpose, with all that a store makes columns of.
func loaded(b *testing.B, purpose, sensor string, n int) policy.Excerpt {
	x, err := policy.Received(fmt.Appendf(nil, `{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"%026x",`+
		`"dialog":null,"revision":1,"status":"complete","missing":[],"completeness":100,"purpose":%q,"policy":"0123456789abcdef",`+
		`"class":"cpni","expires":"2026-11-24","site":"dfw1","sensor":%q,"source":"interface","call_id":"2026-5:%026x",`+
		`"setup_time":%q,"duration_ms":61000,"disposition":"answered","trunk_in":"customers","trunk_out":"carrier%d",`+
		`"account_id":"account%d","text":%q}`, scattered(n), purpose, sensor, scattered(n+1<<40),
		time.UnixMilli(1_780_000_000_000+int64(n)*7).UTC().Format("2006-01-02T15:04:05.000Z"), n%20, n%500, strings.Repeat("x", 480)))
	if err != nil {
		b.Fatal(err)
	}
	return x
}

// scattered returns a number without an order, another for each n.
func scattered(n int) uint64 { return uint64(n+1) * 0x9E3779B97F4A7C15 }

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

// durableLoad is the path of the product, or as it was before.
func durableLoad(b *testing.B, before bool, into store.Sink) *traffic {
	edge := embedded(b, 0, loadPurposes...)
	reader, l := edge, &traffic{size: ownBatchLimit}
	if before { // a Bus that does not have the server acknowledges one by one
		reader, l.size = &Bus{conn: edge.conn, stream: edge.stream, stopDial: func() {}}, batchLimit
	}
	var consumers []*Consumer
	for _, p := range loadPurposes {
		c := reader.Consumer(p, "store")
		consumers = append(consumers, c)
		go func() { _ = c.Run(b.Context(), into) }()
	}
	l.wait = func(purpose, n int) bool { return consumers[purpose].Counts().Put >= uint64(n) }
	l.batch = func(b *testing.B, lists [][]policy.Excerpt) {
		if !before {
			lists = [][]policy.Excerpt{joined(lists)}
		}
		for _, xs := range lists {
			if err := edge.Publisher().Put(b.Context(), xs); err != nil {
				b.Fatal(err)
			}
		}
	}
	return l
}

func joined(lists [][]policy.Excerpt) (xs []policy.Excerpt) {
	for _, list := range lists {
		xs = append(xs, list...)
	}
	return xs
}

// cpu returns how long this process has computed.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// syncs puts a batch of each purpose under strace, which stops at each system call, and returns how often this process has a file synced meanwhile; false without strace.
func syncs(b *testing.B, l *traffic) (n int, ok bool) {
	path, excerpts := filepath.Join(b.TempDir(), "syncs"), l.make(b, ownBatchLimit)
	trace := exec.Command("strace", "-f", "-o", path, "-e", "trace=fsync,fdatasync", "-p", strconv.Itoa(os.Getpid()))
	messages, err := trace.StderrPipe()
	if err == nil {
		err = trace.Start()
	}
	if err != nil {
		b.Log("fsyncs are not counted: ", err)
		return 0, false
	}
	said, _ := bufio.NewReader(messages).ReadString('\n')
	ok = strings.Contains(said, " attached")
	if ok {
		l.put(b, excerpts)
		_ = trace.Process.Signal(syscall.SIGTERM) // detaches; an interrupt may be ignored
	} else {
		b.Log("fsyncs are not counted: ", said)
	}
	_, _ = io.Copy(io.Discard, messages)
	_ = trace.Wait()
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Count(text, []byte("sync(")), ok
}
