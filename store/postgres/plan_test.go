package postgres

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/storetest"
)

// A plan is a node of EXPLAIN (ANALYZE, FORMAT JSON).
type plan struct {
	Type    string  `json:"Node Type"`
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Recheck float64 `json:"Rows Removed by Index Recheck"`
	Plans   []plan
}

// read returns how many rows the scans of p have read.
func (p plan) read() (n float64) {
	if len(p.Plans) == 0 {
		n = (p.Rows + p.Removed + p.Recheck) * p.Loops
	}
	for _, below := range p.Plans {
		n += below.read()
	}
	return n
}

// fill puts rows calls of 50 accounts, spread over days and what expires on as many, beside each other.
func fill(t testing.TB, s *Store, days, rows int) {
	t.Helper()
	for day := range days {
		put(t, s, storetest.Call(fmt.Sprint("first", day)).On(day))
	}
	_, err := s.pool.Exec(t.Context(), `INSERT INTO sipsieve_billing.excerpt (expires, id, kind, sensor, stage, revision, status,
		completeness, unseen, spool, seq, moment, account, disposition, put_by, put_spool, put_seq, body)
		SELECT date '2026-11-24' + n % $1, md5(n::text), 'call', 's1', 'stop', 1, 'complete', 100, 0, 1, n,
		timestamptz '2025-05-01 00:00Z' + make_interval(days => n % $1, secs => n / $1 * 86400.0 / ($2 / $1)),
		'account' || ('x' || substr(md5(n::text), 1, 6))::bit(24)::int % 50, 'answered', 's1', 1, n,
		json_build_object('id', n) FROM generate_series(1, $2) n`, days, rows)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), "ANALYZE sipsieve_billing.excerpt"); err != nil {
		t.Fatal(err)
	}
}

// TestAQueryReadsWhatItReturns asks for an account and a day among 20,000 rows, or 1,000,000 with SIPSIEVE_FULL=1, and
// for what was stored last.
func TestAQueryReadsWhatItReturns(t *testing.T) {
	t.Parallel()
	rows := 20_000
	if os.Getenv("SIPSIEVE_FULL") != "" {
		rows = 1_000_000
	}
	s := opened(t, Config{})
	fill(t, s, 10, rows)
	day := time.Date(2025, 5, 4, 0, 0, 0, 0, time.UTC)
	r := reader{query: store.Query{Purpose: "billing", Account: "account3", From: day, To: day.AddDate(0, 0, 1)}}
	byTime, args := r.selectByTime(store.Mark{}, 100)
	atMost(t, s, byTime, args, min(100, rows/10/50))
	page, args := (&reader{query: store.Query{Purpose: "billing"}}).selectByTime(store.Mark{Known: true, Milli: day.UnixMilli(), ID: "x"}, 50)
	atMost(t, s, page, args, 50)
	last, args := (&reader{query: store.Query{Purpose: "billing"}}).selectStored("s1", storeRange{
		after: changed{by: policy.Sequence{Stream: 1, Number: uint64(rows - 70)}}, end: policy.Sequence{Stream: 1, Number: uint64(rows)}}, 1000)
	atMost(t, s, last, args, 70)
}

// atMost complains unless a statement returns about want rows and reads a hundred more at most.
func atMost(t *testing.T, s *Store, statement string, args []any, want int) {
	t.Helper()
	var text []byte
	if err := s.pool.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+statement, args...).Scan(&text); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan plan }
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	p := plans[0].Plan
	if p.Rows < float64(want)*0.5 || p.Rows > float64(want)*2 {
		t.Errorf("%s: returns %v rows, want about %d", statement, p.Rows, want)
	}
	if p.read() > p.Rows+100 {
		t.Errorf("%s: reads %v rows for %v\n%s", statement, p.read(), p.Rows, text)
	}
}
