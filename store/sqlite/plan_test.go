package sqlite

import (
	"strings"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/storetest"
)

// TestAQueryReadsByAnIndex looks at SQLite's plans: rows are found by an index, in their order, so that an answer reads
// what it yields.
func TestAQueryReadsByAnIndex(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a").Numbered(1))
	p := place{Purpose: "billing", Expires: storetest.Expires}
	day := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	for want, q := range map[string]store.Query{
		"INDEX excerpt_account (account=? AND moment>? AND moment<?)": {Account: "acme", From: day, To: day.AddDate(0, 0, 1)},
		"INDEX excerpt_moment (moment>? AND moment<?)":                {From: day, To: day.AddDate(0, 0, 1)},
		"INDEX excerpt_place (sensor=? AND (spool,seq)>(?,?)":         {Stored: true, After: "s1:1.1"},
	} {
		one := &source{place: p, sensor: "s1"}
		after, err := store.ParseCursor(q.After)
		if err != nil {
			t.Fatal(err)
		}
		statement, args := one.statement(&search{query: q, after: after, head: store.Cursor{"s1": policy.Sequence{Stream: 1, Number: 9}}})
		rows, err := s.open.by[p].db.Query("EXPLAIN QUERY PLAN "+statement, args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, step)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(plan, "; "); !strings.Contains(text, want) || strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("plan = %s, want %s and no sorting", text, want)
		}
	}
}
