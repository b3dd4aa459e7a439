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

// A change is what a join does to the partitions: rows to write, and ids to take out.
type change struct {
	write map[place][]store.Row
	out   map[place][]string
}

// apply makes the change c. Over several files it is atomic, but for a crash of the host between two commits: then rows
// are there twice, until the Put is repeated. Over more files than one transaction takes, all are written first.
func (s *Store) apply(ctx context.Context, c change) error {
	early := func(a, b place) int { return a.day().Compare(b.day()) }
	places := slices.SortedFunc(maps.Keys(c.write), early)
	for _, q := range slices.SortedFunc(maps.Keys(c.out), early) {
		if c.write[q] == nil {
			places = append(places, q)
		}
	}
	for _, q := range places {
		if _, err := s.partition(ctx, q); err != nil { // makes the file, if there is none
			return err
		}
	}
	for part := range slices.Chunk(places, 1+attachLimit) {
		if err := s.commit(ctx, part[0], part[1:], c); err != nil {
			return err
		}
	}
	return nil
}

// commit is one transaction: what c writes to p and to others, and what it takes out of them.
func (s *Store) commit(ctx context.Context, p place, others []place, c change) error {
	db, err := s.partition(ctx, p)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return wrap("commit", err)
	}
	err = s.attach(ctx, conn, others)
	if err == nil {
		err = transact(ctx, conn, func(tx *sql.Tx) error {
			for i, q := range others {
				if err := errors.Join(take(ctx, tx, alias(i), c.out[q]), write(ctx, tx, alias(i), c.write[q])); err != nil {
					return err
				}
			}
			return errors.Join(take(ctx, tx, "main", c.out[p]), write(ctx, tx, "main", c.write[p]))
		})
	}
	if len(others) == 0 {
		return wrap("commit", errors.Join(err, conn.Close()))
	}
	// What is attached goes with the connection.
	return wrap("commit", errors.Join(err, conn.Close(), s.open.close(p)))
}

func alias(i int) string { return fmt.Sprintf("beside%d", i) }

func (s *Store) attach(ctx context.Context, conn *sql.Conn, others []place) error {
	for i, q := range others {
		if _, err := conn.ExecContext(ctx, "ATTACH ? AS "+alias(i), s.path(q)); err != nil {
			return err
		}
	}
	return nil
}

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
