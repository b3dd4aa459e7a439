package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	theirs "modernc.org/sqlite"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/storetest"
)

// rowsRead counts the rows that statements come to: each calls the function read with its rowid, before anything that an
// index does not decide.
var rowsRead atomic.Int64

func init() {
	theirs.MustRegisterScalarFunction("read", 1, func(*theirs.FunctionContext, []driver.Value) (driver.Value, error) {
		rowsRead.Add(1)
		return int64(1), nil
	})
}

// counting has all statements of searches count the rows that they come to until the test ends. No other test may run.
func counting(t *testing.T) {
	before := selectRecords
	selectRecords = strings.Replace(selectRecords, "WHERE true", "WHERE read(rowid)", 1)
	t.Cleanup(func() { selectRecords = before })
}

// TestACountedStatementCountsWhatAFilterRemoves shows that the counter counts what is read, not what is returned.
func TestACountedStatementCountsWhatAFilterRemoves(t *testing.T) {
	s := opened(t, Config{})
	var drafts []storetest.Draft
	for n := range 50 {
		drafts = append(drafts, storetest.Call(fmt.Sprint("call", n)).Numbered(uint64(n+1)))
	}
	put(t, s, drafts...)
	counting(t)
	db, err := sql.Open("sqlite", dataSource(s.dir.path(place{Purpose: "billing", Expires: storetest.Expires}), true))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	before, n := rowsRead.Load(), 0
	err = db.QueryRow("SELECT count(*) FROM (" + selectBy("moment") + " AND stage = 'none' ORDER BY moment)").Scan(&n)
	if read := rowsRead.Load() - before; err != nil || n != 0 || read != 50 {
		t.Errorf("read = %d, returned = %d, %v, want 50 read and none returned", read, n, err)
	}
}

// TestAQueryReadsWhatItReturns has 20,000 rows, or 10,000,000 with SIPSIEVE_FULL=1, and a Query for each filter, each order
// and pages of both: it reads a hundred rows at most that it does not return.
func TestAQueryReadsWhatItReturns(t *testing.T) {
	scale := storetest.Scale(20_000)
	if os.Getenv("SIPSIEVE_FULL") != "" {
		scale = 10_000_000
		defer debug.SetGCPercent(debug.SetGCPercent(800))
	}
	began := time.Now()
	r := scaled(t, scale)
	t.Logf("%d rows are there after %.0f s", scale, time.Since(began).Seconds())
	counting(t)
	for _, q := range scale.Queries() {
		before, began, rows := rowsRead.Load(), time.Now(), 0
		for item, err := range r.Query(t.Context(), q.Query) {
			if err != nil {
				t.Fatalf("%s: %v", q.Name, err)
			}
			if item.Body != nil {
				rows++
			}
		}
		read := int(rowsRead.Load() - before)
		t.Logf("%-36s %5d rows: read %5d, %v", q.Name, rows, read, time.Since(began).Round(time.Millisecond))
		if rows != q.Rows {
			t.Errorf("%s: returns %d rows, want %d", q.Name, rows, q.Rows)
		}
		if read < rows || read > rows+100 {
			t.Errorf("%s: reads %d rows to return %d", q.Name, read, rows)
		}
	}
}

// scaled makes the store of a Scale, and returns what reads it. Rows are inserted as a Put does, without syncs, two days
// side by side, and indexes are made when the rows are there. Up to a million rows are examined afterwards.
func scaled(t *testing.T, scale storetest.Scale) *Reader {
	t.Helper()
	s := opened(t, Config{})
	reached, entries := store.Cursor{}, map[place]entry{}
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(2)
	for n := 0; n < int(scale); {
		first := n
		p := place{Purpose: "billing", Expires: scale.Call(n).Expires}
		for n < int(scale) && scale.Call(n).Expires == p.Expires {
			reached.Reach(scale.Call(n).Sensor, scale.Call(n).Published)
			n++
		}
		last := n
		one, err := s.open.partition(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() error {
			m, err := one.fill(t.Context(), scale, first, last)
			mu.Lock()
			defer mu.Unlock()
			entries[p] = entry{manifest: m, Version: version}
			return err
		})
	}
	err := all.Wait()
	if err == nil {
		err = s.catalogue.put(entries, map[string]store.Cursor{"billing": reached})
	}
	if err != nil {
		t.Fatal(err)
	}
	for p, e := range entries {
		if scale > 1_000_000 {
			break
		}
		if err := s.dir.examine(t.Context(), p, e); err != nil {
			t.Fatalf("a partition is not as a store makes it: %v", err)
		}
	}
	r, err := Read(string(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fill inserts the calls from first on and before last, and returns the manifest. While it inserts, the table has neither
// indexes nor the columns that are read from the body when they are asked for: SQLite would read all of them of each row.
func (p *partition) fill(ctx context.Context, scale storetest.Scale, first, last int) (manifest, error) {
	m := p.manifest.clone()
	ctx = context.WithoutCancel(ctx)
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return m, err
	}
	defer func() { _ = conn.Close() }()
	run := func(statements ...string) {
		if err == nil {
			_, err = conn.ExecContext(ctx, strings.Join(statements, ";"))
		}
	}
	var drop, create []string
	for _, statement := range strings.Split(createTables, ";\n\t") {
		if name, _, ok := strings.Cut(strings.TrimPrefix(statement, "CREATE INDEX "), " "); ok && name != "CREATE" {
			drop, create = append(drop, "DROP INDEX "+name), append(create, statement)
		}
	}
	run(append(drop, "PRAGMA synchronous = OFF", "PRAGMA journal_mode = OFF", "PRAGMA cache_size = -200000")...)
	run(tableIs("CREATE TABLE excerpt (" + ownColumns + ") STRICT")...)
	if err != nil {
		return m, err
	}
	err = transact(ctx, conn, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, insertRow("main"))
		for n := first; n < last && err == nil; n++ {
			err = m.insertLine(ctx, insert, lineOfCall(scale.Call(n)))
		}
		if err != nil {
			return err
		}
		m.Commits++
		_, err = tx.ExecContext(ctx, updateManifest, m.text())
		return err
	})
	table, _, _ := strings.Cut(createTables, ";\n\t")
	run(append(append(tableIs(table), create...), "PRAGMA journal_mode = WAL")...)
	return m, err
}

// tableIs returns the statements that have the rows of excerpt read as those of a table that was made by create.
func tableIs(create string) []string {
	return []string{"PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = '" + strings.ReplaceAll(create, "'", "''") +
		"' WHERE type = 'table' AND name = 'excerpt'", "PRAGMA writable_schema = RESET"}
}

// lineOfCall returns a call of a Scale as lineOf makes it of its body, in a fifth of the time.
func lineOfCall(c storetest.ScaledCall) tableLine {
	var b []byte
	for _, pair := range [...][2]string{{`{"schema":"sipsieve.call/1","stage":"stop","dialog":null,"revision":1,"status":"complete","missing":[],` +
		`"completeness":100,"purpose":"billing","policy":"0123456789abcdef","class":"cpni","site":"dfw1","source":"interface","kind":"`, c.Kind},
		{`","id":"`, c.ID}, {`","expires":"`, c.Expires.String()}, {`","sensor":"`, c.Sensor},
		{`","setup_time":"`, c.Setup.Format("2006-01-02T15:04:05.000Z")}, {`","disposition":"`, c.Disposition},
		{`","trunk_out":"`, c.TrunkOut}, {`","trunk_in":"`, c.TrunkIn}, {`","call_id":"`, c.CallID}} {
		b = append(append(b, pair[0]...), pair[1]...)
	}
	if c.Account != "" {
		b = append(append(b, `","account_id":"`...), c.Account...)
	}
	b = append(b, `"}`...)
	x := store.Row{Excerpt: policy.Excerpt{Published: c.Published, Envelope: policy.Envelope{ID: c.ID, Kind: c.Kind, Sensor: c.Sensor,
		Stage: "stop", Status: "complete", Revision: 1, Completeness: 100}}}
	l := tableLine{row: x, record: recordOf(x), moment: milli(c.Setup),
		texts: []string{c.Account, c.TrunkIn, c.TrunkOut, c.Disposition, c.CallID}}
	l.body = b
	return l
}

// TestALineOfAScaleIsThatOfItsBody shows that what a Scale fills a store with is what a Put of the same bodies does.
func TestALineOfAScaleIsThatOfItsBody(t *testing.T) {
	t.Parallel()
	for n := range 2000 {
		got := lineOfCall(storetest.Scale(2000).Call(n))
		x, err := rowOf(got.body, nil, got.row.Published)
		if err != nil {
			t.Fatal(err)
		}
		want := lineOf(x)
		got.row = want.row // its envelope has more that no column is made of
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("line = %+v, want %+v", got, want)
		}
	}
}

// TestAnAnswerOverManyDaysOpensThemAsItComesToThem pages through 40 days in the order of time, or 400
// with SIPSIEVE_FULL=1.
func TestAnAnswerOverManyDaysOpensThemAsItComesToThem(t *testing.T) {
	s := opened(t, Config{})
	var xs []policy.Excerpt
	days := 40
	if os.Getenv("SIPSIEVE_FULL") != "" {
		days = 400
	}
	for day := range days {
		for n := range 2 {
			d := storetest.Call(fmt.Sprintf("call%03d%d", day, n)).On(day).Numbered(uint64(2*day + n + 1))
			setup := storetest.Moment(time.Date(2025, 5, 1+day, 12, n, 0, 0, time.UTC))
			d.Setup = &setup
			xs = append(xs, d.Excerpt(t))
		}
	}
	if err := s.Put(t.Context(), xs); err != nil {
		t.Fatal(err)
	}
	counting(t)
	after, all, pages := "", []string(nil), 0
	for begun := true; begun; pages++ {
		before, page := rowsRead.Load(), 0
		begun = false
		for item, err := range s.Query(t.Context(), store.Query{Purpose: "billing", After: after, Limit: 15}) {
			if err != nil {
				t.Fatal(err)
			}
			begun, after = true, item.Next
			all = append(all, string(item.Body))
			page++
		}
		if read := int(rowsRead.Load() - before); read > page+10 {
			t.Errorf("page %d reads %d rows to return %d", pages, read, page)
		}
	}
	if len(all) != 2*days || !slices.Equal(slices.Compact(slices.Clone(all)), all) {
		t.Errorf("%d records, want %d, each once", len(all), 2*days)
	}
}

// TestAStoreOfTheVersionBeforeIsBroughtToThisOne makes partitions of version 1: without call_id and without indexes for
// each filter.
func TestAStoreOfTheVersionBeforeIsBroughtToThisOne(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a").Numbered(1), storetest.Call("b").Numbered(2), storetest.Call("c").On(1).Numbered(3))
	better := storetest.Call("a").Numbered(4)
	better.Revision = 2
	put(t, s, better)
	want := fmt.Sprint(bodies(t, s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(string(s.dir), "billing", "*.db"))
	if err != nil || len(files) != 2 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		db, err := sql.Open("sqlite", dataSource(file, false))
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Exec(`DROP INDEX excerpt_trunk_in; DROP INDEX excerpt_trunk_out; DROP INDEX excerpt_disposition;
			DROP INDEX excerpt_kind; DROP INDEX excerpt_call_id; ALTER TABLE excerpt DROP COLUMN call_id; PRAGMA user_version = 1`)
		if err := cmp.Or(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	c, err := readCatalogue(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for p, e := range c.entries { // as version 1 wrote it
		e.Version, e.Seal = 0, nil
		c.entries[p] = e
	}
	if err := cmp.Or(c.begin(), c.close()); err != nil {
		t.Fatal(err)
	}
	s = opened(t, Config{Dir: string(s.dir)})
	if got := fmt.Sprint(bodies(t, s)); got != want || len(s.Missing()) > 0 {
		t.Errorf("bodies = %s, missing %v, want %s", got, s.Missing(), want)
	}
	if err := s.Check(t.Context()); err != nil || len(s.Missing()) > 0 {
		t.Errorf("check: %v, %v", err, s.Missing())
	}
	put(t, s, better, storetest.Call("d"))
	if n := rows(t, s, "billing"); n != 4 {
		t.Errorf("rows = %d, want 4", n)
	}
}
