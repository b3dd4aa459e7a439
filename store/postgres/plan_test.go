package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"sipsieve/store"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
)

// A plan is a node of EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON).
type plan struct {
	Relation string  `json:"Relation Name"` // "" unless it reads a table
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Recheck  float64 `json:"Rows Removed by Index Recheck"`
	Hit      int     `json:"Shared Hit Blocks"`
	Read     int     `json:"Shared Read Blocks"`
	Plans    []plan
}

// read returns how many rows the scans of p have read.
func (p plan) read() (n float64) {
	if p.Relation != "" {
		n = (p.Rows + p.Removed + p.Recheck) * p.Loops
	}
	for _, below := range p.Plans {
		n += below.read()
	}
	return n
}

// A recorder passes statements on and remembers those that read excerpts.
type recorder struct {
	querier
	statements []string
	args       [][]any
}

func (r *recorder) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if strings.Contains(sql, ".excerpt") {
		r.statements, r.args = append(r.statements, sql), append(r.args, args)
	}
	return r.querier.Query(ctx, sql, args...)
}

// TestAQueryReadsWhatItReturns has 20,000 rows, or 10,000,000 with SIPSIEVE_FULL=1, and a Query for each filter, each order
// and pages of both. By the server's plans and by its counters it reads a hundred rows at most that it does not return.
func TestAQueryReadsWhatItReturns(t *testing.T) {
	t.Parallel()
	scale, c := storetest.Scale(20_000), Config{}
	if os.Getenv("SIPSIEVE_FULL") != "" {
		scale = 10_000_000
		server := pgtest.Own(t, "fsync=off", "wal_level=minimal", "max_wal_senders=0", "shared_buffers=512MB",
			"maintenance_work_mem=256MB", "max_wal_size=8GB", "autovacuum=off")
		c.URL = server.URL("postgres")
	}
	s := opened(t, c)
	began := time.Now()
	fillScale(t, s, scale)
	t.Logf("%d rows are there after %.0f s", scale, time.Since(began).Seconds())
	for _, q := range scale.Queries() {
		before := fetched(t, s)
		db := &recorder{querier: s.pool}
		rows, began := 0, time.Now()
		r := reader{db: db, query: q.Query, left: q.Limit, yield: func(i store.Item) bool {
			if i.Body != nil {
				rows++
			}
			return true
		}}
		if r.left == 0 {
			r.left = -1
		}
		read := r.byTime
		if q.Stored {
			read = r.stored
		}
		if err := read(t.Context()); err != nil {
			t.Fatalf("%s: %v", q.Name, err)
		}
		took := time.Since(began)
		counted, planned, blocks := fetched(t, s)-before, 0, 0
		for i, statement := range db.statements {
			p := explained(t, s, statement, db.args[i])
			planned, blocks = planned+int(p.read()), blocks+p.Hit+p.Read
		}
		t.Logf("%-36s %5d rows: read %5d by the counters, %5d by the plans, %5d blocks, %v", q.Name, rows, counted, planned, blocks,
			took.Round(time.Millisecond))
		if rows != q.Rows {
			t.Errorf("%s: returns %d rows, want %d", q.Name, rows, q.Rows)
		}
		if max(counted, planned) > rows+100 {
			t.Errorf("%s: reads %d rows by the counters and %d by the plans, to return %d", q.Name, counted, planned, rows)
		}
	}
}

// explained returns the plan of a statement, carried out.
func explained(t *testing.T, s *Store, statement string, args []any) plan {
	t.Helper()
	var text []byte
	err := s.pool.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+statement, args...).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan plan }
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan
}

// fetched returns how many rows of excerpts the server has read for the database of s.
func fetched(t *testing.T, s *Store) (n int) {
	t.Helper()
	for _, c := range s.pool.AcquireAllIdle(t.Context()) {
		if _, err := c.Exec(t.Context(), "SELECT pg_stat_force_next_flush()"); err != nil {
			t.Error(err)
		}
		c.Release()
	}
	err := s.pool.QueryRow(t.Context(), `SELECT sum(idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_user_tables
		WHERE relname LIKE 'excerpt%'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fillScale copies the calls of a Scale into the partitions of billing, five days side by side, and then makes their
// indexes, those of the table itself.
func fillScale(t testing.TB, s *Store, scale storetest.Scale) {
	t.Helper()
	put(t, s, storetest.Call("first").On(-100)) // the tables
	if _, err := s.Sweep(t.Context(), storetest.Call("first").On(-100).Excerpt(t).Expires); err != nil {
		t.Fatal(err)
	}
	indexes := indexesOf(t, s)
	var all errgroup.Group
	all.SetLimit(5)
	reached := store.Cursor{}
	for n := 0; n < int(scale); {
		rows := &scaleRows{scale: scale, next: n, place: store.Place{Purpose: "billing", Expires: scale.Call(n).Expires}}
		for ; n < int(scale) && scale.Call(n).Expires == rows.place.Expires; n++ {
			reached.Reach(scale.Call(n).Sensor, scale.Call(n).Published)
		}
		first, last, count := scale.Call(rows.next), scale.Call(n-1), n-rows.next
		all.Go(func() error { return fillDay(t, s, rows, indexes) })
		_, err := s.pool.Exec(t.Context(), "INSERT INTO sipsieve_billing.days VALUES ($1, $2, $3, $4, $5)",
			first.Expires.Time(), count, first.Setup, last.Setup, []string{first.Kind})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := all.Wait()
	for sensor, p := range reached {
		if err == nil {
			_, err = s.pool.Exec(t.Context(), "INSERT INTO sipsieve_billing.reached VALUES ($1, $2, $3) ON CONFLICT (sensor) "+
				"DO UPDATE SET spool = excluded.spool, seq = excluded.seq", sensor, p.Stream, int64(p.Number))
		}
	}
	if err == nil {
		_, err = s.pool.Exec(t.Context(), "ANALYZE sipsieve_billing.excerpt")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// indexesOf returns the statements that make the indexes of excerpt for a partition: %s is its table.
func indexesOf(t testing.TB, s *Store) []string {
	rows, err := s.pool.Query(t.Context(), `SELECT coalesce('ALTER TABLE %s ADD ' || pg_get_constraintdef(c.oid),
		regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE INDEX .* ON ONLY sipsieve_billing.excerpt ', 'CREATE INDEX ON %s '))
		FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
		WHERE i.indrelid = 'sipsieve_billing.excerpt'::regclass`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(all) < 8 {
		t.Fatalf("%d indexes, %v", len(all), err)
	}
	return all
}

// fillDay makes a partition of rows, with its indexes.
func fillDay(t testing.TB, s *Store, rows *scaleRows, indexes []string) error {
	table := tableOf(rows.place)
	return pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "CREATE TABLE "+table+" (LIKE sipsieve_billing.excerpt)"); err != nil {
			return err
		}
		if _, err := tx.Conn().PgConn().CopyFrom(t.Context(), rows, "COPY "+table+" FROM STDIN (FREEZE)"); err != nil {
			return err
		}
		for _, statement := range indexes {
			if _, err := tx.Exec(t.Context(), fmt.Sprintf(statement, table)); err != nil {
				return err
			}
		}
		_, err := tx.Exec(t.Context(), "ALTER TABLE sipsieve_billing.excerpt ATTACH PARTITION "+table+
			" FOR VALUES IN ('"+rows.place.Expires.String()+"')")
		return err
	})
}

// scaleRows reads the calls of one place as COPY has them in its text form.
type scaleRows struct {
	scale storetest.Scale
	next  int
	place store.Place
	text  []byte
}

func (r *scaleRows) Read(p []byte) (int, error) {
	for len(r.text) < len(p) && r.next < int(r.scale) {
		c := r.scale.Call(r.next)
		if c.Expires != r.place.Expires {
			break
		}
		r.next++
		r.text = appendLine(r.text, c)
	}
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text)
	r.text = append(r.text[:0], r.text[n:]...)
	return n, nil
}

// appendLine appends the values of columns.
func appendLine(b []byte, c storetest.ScaledCall) []byte {
	spool, seq := strconv.FormatInt(c.Published.Stream, 10), strconv.FormatUint(c.Published.Number, 10)
	for i, value := range []string{c.Expires.String(), c.ID, c.Kind, c.Sensor, "stop", "1", "complete", "100", c.ID, "0", spool, seq,
		c.Setup.Format("2006-01-02 15:04:05.000Z"), c.Account, c.TrunkIn, c.TrunkOut, c.Disposition, c.Sensor, spool, seq,
		`{"id":"` + c.ID + `","call_id":"` + c.CallID + `"}`, "", c.CallID} {
		if i > 0 {
			b = append(b, '\t')
		}
		if value == "" {
			value = `\N`
		}
		b = append(b, value...)
	}
	return append(b, '\n')
}
