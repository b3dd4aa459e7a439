package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sipsieve/store/policy"
)

// attachLimit is how many partitions one transaction has beside its own; SQLite takes ten.
const attachLimit = 8

// apply makes the change c, whose rows belong in p. Over several files it is atomic, but for a crash of the host
// between two commits: then rows are there twice, until the Put is repeated.
func (s *Store) apply(ctx context.Context, p place, c change) error {
	others := slices.DeleteFunc(slices.Collect(maps.Keys(c.out)), func(q place) bool { return q == p })
	slices.SortFunc(others, func(a, b place) int { return a.day().Compare(b.day()) })
	if len(c.write) == 0 && len(c.out) == 0 {
		return nil
	}
	if len(others) == 0 {
		return s.commit(ctx, p, nil, c)
	}
	for part := range slices.Chunk(others, attachLimit) {
		if err := s.commit(ctx, p, part, c); err != nil {
			return err
		}
		c.write = nil
	}
	return nil
}

// commit is one transaction: what c writes to p, and what it takes out of p and of others.
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
				if err := take(ctx, tx, alias(i), c.out[q]); err != nil {
					return err
				}
			}
			return errors.Join(take(ctx, tx, "main", c.out[p]), write(ctx, tx, c))
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

// write puts rows into the transaction's own partition, over those that they replace.
func write(ctx context.Context, tx *sql.Tx, c change) error {
	if len(c.write) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO main.excerpt
		(id, kind, sensor, stage, revision, status, completeness, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, sensor = excluded.sensor, stage = excluded.stage,
		revision = excluded.revision, status = excluded.status, completeness = excluded.completeness, body = excluded.body`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for _, id := range c.order {
		if x, wins := c.write[id]; wins {
			if err := writeRow(ctx, insert, x); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeRow(ctx context.Context, insert *sql.Stmt, x policy.Excerpt) error {
	_, err := insert.ExecContext(ctx, x.ID, x.Kind, x.Sensor, x.Stage, x.Revision, x.Status, x.Completeness,
		string(x.Body()))
	return err
}
