package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// A writer puts excerpts of one partition, in one transaction.
type writer struct {
	tx      pgx.Tx
	layout  layout
	purpose *policy.Purpose // nil if the store's policy has none of that name
	place   store.Place
	reached store.Cursor // how far each sensor's stream was put before
	put     store.Cursor // how far in this transaction
}

// columns are those of a row, in the order of values.
var columns = []string{"expires", "id", "kind", "sensor", "stage", "revision", "status", "completeness", "dialog", "unseen",
	"spool", "seq", "moment", "account", "trunk_in", "trunk_out", "disposition", "put_by", "put_spool", "put_seq", "body",
	"parts", "call_id"}

// makeIncoming makes the table that rows are copied to. It is of the session and empty after each transaction.
const makeIncoming = `CREATE TEMPORARY TABLE IF NOT EXISTS incoming (expires date, id text, kind text, sensor text,
	stage text, revision bigint, status text, completeness bigint, dialog text, unseen bigint, spool bigint, seq bigint,
	moment timestamptz, account text, trunk_in text, trunk_out text, disposition text, put_by text, put_spool bigint,
	put_seq bigint, body json, parts text, call_id text) ON COMMIT DELETE ROWS`

// insertIncoming puts what was copied of a day into its partition, over the rows that it replaces, and enters it in the
// manifest.
var insertIncoming = func() string {
	var sets []string
	for _, name := range columns[2:] {
		sets = append(sets, name+" = excluded."+name)
	}
	list := strings.Join(columns, ", ")
	return "WITH put AS (INSERT INTO %[2]s (" + list + ") SELECT " + list + ` FROM pg_temp.incoming WHERE expires = $1
		ON CONFLICT (expires, id) DO UPDATE SET ` + strings.Join(sets, ", ") + ` RETURNING xmax = 0 AS fresh, moment, kind)
		INSERT INTO %[1]s.days AS d SELECT $1, count(*) FILTER (WHERE fresh), min(moment), max(moment), array_agg(DISTINCT kind)
		FROM put ON CONFLICT (expires) DO UPDATE SET rows = d.rows + excluded.rows,
		first = least(d.first, excluded.first), last = greatest(d.last, excluded.last),
		kinds = ARRAY(SELECT DISTINCT unnest(d.kinds || excluded.kinds))`
}()

// deleteRows takes rows out of a partition, and out of the manifest.
const deleteRows = `WITH gone AS (DELETE FROM %[2]s WHERE expires = $1 AND id = ANY($2) RETURNING 1)
	UPDATE %[1]s.days SET rows = rows - (SELECT count(*) FROM gone) WHERE expires = $1`

// putAll joins xs with what is there, in w's transaction.
func (w *writer) putAll(ctx context.Context, xs []policy.Excerpt) error {
	if err := w.lock(ctx); err != nil {
		return err
	}
	near, err := w.near(ctx)
	if err != nil {
		return err
	}
	if w.reached, err = reached(ctx, w.tx, w.place.Purpose); err != nil {
		return err
	}
	g := store.Gather(xs)
	rows, err := w.lookUp(ctx, near, g)
	if err != nil {
		return err
	}
	g.Add(rows)
	change, err := g.Join(w.purpose, w.place, func(rows []*store.Found) error { return w.load(ctx, rows) })
	if err != nil {
		return err
	}
	for p := range change.Write {
		if err := w.partition(ctx, p); err != nil {
			return err
		}
	}
	if err := w.take(ctx, change.Out); err != nil {
		return err
	}
	by := newChanges(xs, w.reached)
	w.put = by.reached
	return w.write(ctx, change.Write, by)
}

// lock waits until no other transaction changes the purpose, and no migration is under way.
func (w *writer) lock(ctx context.Context) error {
	batch := &pgx.Batch{}
	batch.Queue("SELECT pg_advisory_xact_lock_shared($1, 0)", lockClass)
	batch.Queue("SELECT pg_advisory_xact_lock($1, hashtext($2))", lockClass+1, w.place.Purpose)
	var version int
	batch.Queue("SELECT version FROM sipsieve.version").QueryRow(func(row pgx.Row) error { return row.Scan(&version) })
	if err := w.tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	return w.layout.check(version)
}

// near returns the days where an id or a dialog of w.place may lie and of which there is a partition: its own and those
// beside it, or all of the purpose if that counts from receipt.
func (w *writer) near(ctx context.Context) ([]policy.Date, error) {
	if w.purpose != nil && w.purpose.FromReceipt {
		return days(ctx, w.tx, w.place.Purpose, nil)
	}
	apart := w.purpose.DaysApart()
	var wanted []policy.Date
	for n := -apart; n <= apart; n++ {
		wanted = append(wanted, w.place.Next(n).Expires)
	}
	return days(ctx, w.tx, w.place.Purpose, wanted)
}

// found are the columns of a store.Found.
const found = `SELECT expires, id, sensor, stage, revision, status, completeness, coalesce(dialog, ''), unseen, spool,
	seq, parts IS NOT NULL FROM %s WHERE expires = $1 AND `

// lookUp returns the rows of days that have to do with g, each once.
func (w *writer) lookUp(ctx context.Context, days []policy.Date, g *store.Groups) (rows []store.Found, err error) {
	ids, dialogs := g.Keys()
	seen := map[store.Place]map[string]bool{}
	collect := func(result pgx.Rows) error {
		for result.Next() {
			f := store.Found{}
			var day time.Time
			if err := result.Scan(&day, &f.ID, &f.Sensor, &f.Stage, &f.Revision, &f.Status, &f.Completeness, &f.Dialog,
				&f.Missing, &f.Published.Stream, &f.Published.Number, &f.Joined); err != nil {
				return err
			}
			f.In = store.Place{Purpose: w.place.Purpose, Expires: policy.DateOf(day)}
			if seen[f.In] == nil {
				seen[f.In] = map[string]bool{}
			}
			if !seen[f.In][f.ID] {
				seen[f.In][f.ID] = true
				rows = append(rows, f)
			}
		}
		return result.Err()
	}
	batch := &pgx.Batch{}
	for _, day := range days {
		query := fmt.Sprintf(found, tableOf(store.Place{Purpose: w.place.Purpose, Expires: day}))
		batch.Queue(query+"id = ANY($2)", day.Time(), ids).Query(collect)
		if len(dialogs) > 0 {
			batch.Queue(query+"dialog = ANY($2)", day.Time(), dialogs).Query(collect)
		}
	}
	return rows, w.tx.SendBatch(ctx, batch).Close()
}

// load reads the bodies and parts of rows.
func (w *writer) load(ctx context.Context, rows []*store.Found) error {
	batch := &pgx.Batch{}
	for _, f := range rows {
		batch.Queue("SELECT body, parts FROM "+tableOf(f.In)+" WHERE expires = $1 AND id = $2", f.In.Expires.Time(), f.ID).QueryRow(func(row pgx.Row) error {
			return row.Scan(&f.Body, &f.Parts)
		})
	}
	return w.tx.SendBatch(ctx, batch).Close()
}

// partition makes the partition of p, and the tables of the purpose, if they are not there.
func (w *writer) partition(ctx context.Context, p store.Place) error {
	have, err := days(ctx, w.tx, p.Purpose, []policy.Date{p.Expires})
	if err != nil || len(have) > 0 {
		return err
	}
	var tables bool
	err = w.tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", schemaOf(p.Purpose)+".excerpt").Scan(&tables)
	if err == nil && !tables {
		err = w.layout.bring(ctx, w.tx, p.Purpose, 0)
	}
	if err != nil {
		return err
	}
	return makePartition(ctx, w.tx, p)
}

// take takes rows out.
func (w *writer) take(ctx context.Context, out map[store.Place][]string) error {
	for p, ids := range out {
		_, err := w.tx.Exec(ctx, fmt.Sprintf(deleteRows, schemaOf(p.Purpose), tableOf(p)), p.Expires.Time(), ids)
		if err != nil {
			return err
		}
	}
	return nil
}

// write puts rows over those that they replace, and takes note of how far the sensors' streams were put.
func (w *writer) write(ctx context.Context, byPlace map[store.Place][]store.Row, by *changes) error {
	var rows [][]any
	for p, some := range byPlace {
		for _, row := range some {
			rows = append(rows, values(p, row, by.of(row)))
		}
	}
	batch := &pgx.Batch{}
	for sensor, s := range by.reached {
		batch.Queue(fmt.Sprintf(setReached, schemaOf(w.place.Purpose)), sensor, s.Stream, int64(s.Number))
	}
	if len(rows) > 0 {
		if _, err := w.tx.Exec(ctx, makeIncoming); err != nil {
			return err
		}
		if _, err := w.tx.CopyFrom(ctx, pgx.Identifier{"pg_temp", "incoming"}, columns, pgx.CopyFromRows(rows)); err != nil {
			return err
		}
	}
	for p := range byPlace {
		batch.Queue(fmt.Sprintf(insertIncoming, schemaOf(p.Purpose), tableOf(p)), p.Expires.Time())
	}
	return w.tx.SendBatch(ctx, batch).Close()
}

// values returns the values of columns.
func values(p store.Place, x store.Row, by publication) []any {
	texts := x.Texts("account_id", "trunk_in", "trunk_out", "disposition", "call_id")
	values := []any{p.Expires.Time(), x.ID, x.Kind, x.Sensor, x.Stage, x.Revision, x.Status, x.Completeness,
		orNull(x.Dialog), int64(x.Missing), x.Published.Stream, int64(x.Published.Number), momentOf(x.Excerpt)}
	for _, text := range texts[:4] {
		values = append(values, orNull(text))
	}
	return append(values, by.sensor, by.at.Stream, int64(by.at.Number), string(x.Body()), orNull(string(x.PartsText())),
		orNull(texts[4]))
}

// orNull returns text, nil for "".
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// momentOf returns the time that a Query goes by, to the millisecond.
func momentOf(x policy.Excerpt) pgtype.Timestamptz {
	t, known := x.Time()
	return moment(store.Mark{Known: known, Milli: t.Round(time.Millisecond).UnixMilli()})
}

// moment returns the time of a mark as the column moment has it.
func moment(m store.Mark) pgtype.Timestamptz {
	if !m.Known {
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: time.UnixMilli(m.Milli), Valid: true}
}
