package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
)

// BenchmarkPut puts 1,000 or 4,000 new excerpts at a time, of calls with a dialog, and copies the same rows, in turn, into
// a table with the same columns and no index, and into one with the same indexes. It reports rows a second, and the
// ratios to both.
func BenchmarkPut(b *testing.B) {
	server := pgtest.Own(b)
	for _, size := range []int{1000, 4000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := opened(b, Config{Login: Login{URL: server.URL(server.Database(b))}})
			put(b, s, storetest.Call("first"))
			server.Exec(b, databaseOf(b, s), "CREATE TABLE plain (LIKE sipsieve_billing.excerpt)",
				"CREATE TABLE indexed (LIKE sipsieve_billing.excerpt INCLUDING ALL)")
			var ours time.Duration
			copied := map[string]time.Duration{}
			n := 0
			for b.Loop() {
				var xs []policy.Excerpt
				var rows [][]any
				for range size {
					n++
					name := fmt.Sprintf("%016x", uint64(n)*0x9E3779B97F4A7C15)
					d := storetest.Call("id" + name)
					d.Dialog = &name
					x := d.Excerpt(b)
					x.Published = policy.Sequence{Stream: 1, Number: uint64(n)}
					xs = append(xs, x)
					rows = append(rows, values(store.PlaceOf(x), store.Row{Excerpt: x}, publication{"s1", x.Published}))
				}
				began := time.Now()
				if err := s.Put(b.Context(), xs); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(began)
				for _, table := range []string{"plain", "indexed"} {
					began := time.Now()
					_, err := s.pool.CopyFrom(b.Context(), pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
					if err != nil {
						b.Fatal(err)
					}
					copied[table] += time.Since(began)
				}
			}
			b.ReportMetric(float64(n)/ours.Seconds(), "rows/s")
			b.ReportMetric(copied["plain"].Seconds()/ours.Seconds(), "of-copy")
			b.ReportMetric(copied["indexed"].Seconds()/ours.Seconds(), "of-indexed-copy")
		})
	}
}

func databaseOf(b *testing.B, s *Store) (name string) {
	if err := s.pool.QueryRow(b.Context(), "SELECT current_database()").Scan(&name); err != nil {
		b.Fatal(err)
	}
	return name
}
