package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
)

// BenchmarkPut puts 1,000 or 4,000 new excerpts at a time, of calls with a dialog, and in turn copies the same rows into a
// table with the same columns and no index, and into one with the same indexes, and inserts them into one with no index,
// a statement a row, in one transaction. It reports rows a second, and the ratios of that to the three.
func BenchmarkPut(b *testing.B) {
	server := pgtest.Own(b)
	for _, size := range []int{1000, 4000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := opened(b, Config{Login: Login{URL: server.URL(server.Database(b))}})
			put(b, s, storetest.Call("first"))
			server.Exec(b, databaseOf(b, s), "CREATE TABLE plain (LIKE sipsieve_billing.excerpt)",
				"CREATE TABLE indexed (LIKE sipsieve_billing.excerpt INCLUDING ALL)",
				"CREATE TABLE bare (LIKE sipsieve_billing.excerpt)")
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
				began = time.Now()
				if err := pgx.BeginFunc(b.Context(), s.pool, func(tx pgx.Tx) error { return insertBare(b, tx, rows) }); err != nil {
					b.Fatal(err)
				}
				copied["bare"] += time.Since(began)
			}
			b.ReportMetric(float64(n)/ours.Seconds(), "rows/s")
			b.ReportMetric(copied["bare"].Seconds()/ours.Seconds(), "of-inserts")
			b.ReportMetric(copied["plain"].Seconds()/ours.Seconds(), "of-copy")
			b.ReportMetric(copied["indexed"].Seconds()/ours.Seconds(), "of-indexed-copy")
		})
	}
}

// insertBare inserts each row by a statement of its own, prepared once, without waiting for each.
func insertBare(b *testing.B, tx pgx.Tx, rows [][]any) error {
	var places []string
	for n := range columns {
		places = append(places, fmt.Sprintf("$%d", n+1))
	}
	batch := &pgx.Batch{}
	for _, row := range rows {
		batch.Queue("INSERT INTO bare ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(places, ", ")+")", row...)
	}
	return tx.SendBatch(b.Context(), batch).Close()
}

func databaseOf(b *testing.B, s *Store) (name string) {
	if err := s.pool.QueryRow(b.Context(), "SELECT current_database()").Scan(&name); err != nil {
		b.Fatal(err)
	}
	return name
}
