package sqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/store/policy"
	"sipsieve/store/storetest"
)

// BenchmarkPut puts 2,000 calls of 1 KB at once, with and without days beside theirs, and beside it inserts as many bare
// rows of id and body into a table of its own. It reports microseconds of CPU for a row of either, and their ratio.
func BenchmarkPut(b *testing.B) {
	for _, neighbours := range []int{0, 2} {
		b.Run(fmt.Sprintf("neighbours=%d", neighbours), func(b *testing.B) {
			s, bare := opened(b, Config{}), bareTable(b)
			if neighbours > 0 {
				put(b, s, storetest.Call("x").On(-1), storetest.Call("y").On(1))
			}
			n, puts, inserts := 0, 0.0, 0.0
			for b.Loop() {
				b.StopTimer()
				var xs []policy.Excerpt
				for range 2000 {
					n++
					d := storetest.Call(fmt.Sprintf("%026x", uint64(n)*0x9E3779B97F4A7C15)).Numbered(uint64(n))
					d.Account, d.Disposition, d.Text = fmt.Sprint("account", n%500), "answered", strings.Repeat("x", 400)
					setup := storetest.Moment(time.UnixMilli(1_746_100_000_000 + int64(n)*9))
					d.Setup = &setup
					d.TrunkIn, d.TrunkOut, d.CallID = "customers", fmt.Sprint("carrier", n%20), fmt.Sprintf("2025-5:%026x", n*7919)
					xs = append(xs, d.Excerpt(b))
				}
				b.StartTimer()
				puts += cpu(b, func() {
					if err := s.Put(b.Context(), xs); err != nil {
						b.Fatal(err)
					}
				})
				inserts += cpu(b, func() { bare(xs) })
			}
			b.ReportMetric(puts/float64(n), "µs/row")
			b.ReportMetric(inserts/float64(n), "µs/bare-row")
			b.ReportMetric(puts/inserts, "ratio")
		})
	}
}

// bareTable returns what inserts bare rows in one transaction, as synchronous as a store.
func bareTable(b *testing.B) func([]policy.Excerpt) {
	path := filepath.Join(b.TempDir(), "bare.db")
	if err := create(path); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", dataSource(path, false))
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec("CREATE TABLE bare (id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL) STRICT"); err != nil {
		b.Fatal(err)
	}
	insert, err := db.Prepare("INSERT INTO bare VALUES (?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	return func(xs []policy.Excerpt) {
		tx, err := db.Begin()
		if err != nil {
			b.Fatal(err)
		}
		stmt := tx.Stmt(insert)
		for _, x := range xs {
			if _, err := stmt.Exec(x.ID, string(x.Body())); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// cpu returns how many microseconds of CPU the process used while do ran.
func cpu(b *testing.B, do func()) float64 {
	used := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e3
	}
	before := used()
	do()
	return used() - before
}
