package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sipsieve/store"
)

// attachLimit is how many partitions one transaction has beside its own; SQLite takes ten.
const attachLimit = 8

// A writer makes changes to partitions.
type writer struct{ open *handles }

// apply makes the change c. Over several files it is atomic, but for a crash of the host between two commits: then rows
// are there twice, until the Put is repeated. Over more files than one transaction takes, all are written first.
func (w *writer) apply(ctx context.Context, c store.Change) error {
	early := func(a, b place) int { return a.Expires.Compare(b.Expires) }
	places := slices.SortedFunc(maps.Keys(c.Write), early)
	for _, q := range slices.SortedFunc(maps.Keys(c.Out), early) {
		if c.Write[q] == nil {
			places = append(places, q)
		}
	}
	for _, q := range places {
		if _, err := w.open.partition(ctx, q); err != nil { // makes the file, if there is none
			return err
		}
	}
	for part := range slices.Chunk(places, 1+attachLimit) {
		if err := w.commit(ctx, part[0], part[1:], c); err != nil {
			return err
		}
	}
	return nil
}

// commit is one transaction: what c writes to p and to others, and what it takes out of them.
func (w *writer) commit(ctx context.Context, p place, others []place, c store.Change) error {
	db, err := w.open.partition(ctx, p)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return wrap("commit", err)
	}
	err = w.attach(ctx, conn, others)
	if err == nil {
		err = transact(ctx, conn, func(tx *sql.Tx) error {
			for i, q := range others {
				if err := errors.Join(take(ctx, tx, alias(i), c.Out[q]), write(ctx, tx, alias(i), c.Write[q])); err != nil {
					return err
				}
			}
			return errors.Join(take(ctx, tx, "main", c.Out[p]), write(ctx, tx, "main", c.Write[p]))
		})
	}
	if len(others) == 0 {
		return wrap("commit", errors.Join(err, conn.Close()))
	}
	// What is attached goes with the connection.
	return wrap("commit", errors.Join(err, conn.Close(), w.open.close(p)))
}

// alias returns the name that the i-th other partition has in a transaction.
func alias(i int) string { return fmt.Sprintf("beside%d", i) }

// attach opens others in the transaction of conn.
func (w *writer) attach(ctx context.Context, conn *sql.Conn, others []place) error {
	for i, q := range others {
		if _, err := conn.ExecContext(ctx, "ATTACH ? AS "+alias(i), w.open.dir.path(q)); err != nil {
			return err
		}
	}
	return nil
}

// transact does one transaction.
func transact(ctx context.Context, conn *sql.Conn, do func(*sql.Tx) error) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// take takes rows out of a partition, by its name in the transaction.
func take(ctx context.Context, tx *sql.Tx, partition string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM "+partition+".excerpt WHERE id IN (SELECT value FROM json_each(?))",
		string(list))
	return err
}

// write puts rows into a partition, by its name in the transaction, over those that they replace.
func write(ctx context.Context, tx *sql.Tx, partition string, rows []store.Row) error {
	if len(rows) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO "+partition+insertRow)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for _, row := range rows {
		if err := writeRow(ctx, insert, row); err != nil {
			return err
		}
	}
	return nil
}

const insertRow = `.excerpt
	(id, kind, sensor, stage, revision, status, completeness, body, dialog, unseen, spool, seq, parts)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, sensor = excluded.sensor, stage = excluded.stage,
	revision = excluded.revision, status = excluded.status, completeness = excluded.completeness, body = excluded.body,
	dialog = excluded.dialog, unseen = excluded.unseen, spool = excluded.spool, seq = excluded.seq, parts = excluded.parts`

func writeRow(ctx context.Context, insert *sql.Stmt, x store.Row) error {
	dialog := sql.NullString{String: x.Dialog, Valid: x.Dialog != ""}
	parts := sql.NullString{String: string(x.PartsText()), Valid: x.Parts != nil}
	_, err := insert.ExecContext(ctx, x.ID, x.Kind, x.Sensor, x.Stage, x.Revision, x.Status, x.Completeness,
		string(x.Body()), dialog, x.Missing, x.Published.Stream, int64(x.Published.Number), parts)
	return err
}
