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
type writer struct {
	open    *handles
	rows    map[place]bool  // partitions that have rows that the change is about
	salvage bool            // what is put was read of damaged files
	done    map[place]entry // what the catalogue gets
}

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
	for part := range slices.Chunk(places, 1+attachLimit) {
		if err := w.commit(ctx, part, c); err != nil {
			return err
		}
	}
	return nil
}

// A target is a partition in a transaction: its name there, its statements and its manifest to be.
type target struct {
	place
	name           string
	insert, update *sql.Stmt
	manifest       manifest
	damage         *damage // as the catalogue gets it
}

// commit is one transaction: what c writes to places, and what it takes out of them.
func (w *writer) commit(ctx context.Context, places []place, c store.Change) error {
	targets := make([]*target, len(places))
	var first *partition
	for i := range places { // the first last, so that it is open
		i = len(places) - 1 - i
		p, err := w.open.partition(ctx, places[i]) // makes the file, if there is none
		if err != nil {
			return err
		}
		first = p
		targets[i] = &target{place: places[i], name: alias(i), manifest: p.manifest.clone(), damage: w.entry(places[i]).Damage}
	}
	conn, err := first.db.Conn(ctx)
	if err != nil {
		return wrap("commit", err)
	}
	err = w.attach(ctx, conn, places[1:])
	if err == nil {
		err = transact(ctx, conn, func(tx *sql.Tx) error { return w.change(ctx, tx, first, targets, c) })
	}
	err = errors.Join(err, conn.Close())
	if len(places) > 1 || err != nil { // what is attached goes with the connection
		err = errors.Join(err, w.open.close(places[0]))
	}
	if err != nil {
		return w.failed(ctx, places, err)
	}
	for _, t := range targets {
		if p, ok := w.open.by[t.place]; ok {
			p.manifest = t.manifest
		}
		w.done[t.place] = entry{manifest: t.manifest.clone(), Version: version, Damage: t.damage}
	}
	return nil
}

// failed returns the error of a commit: of which partition, if that is damaged.
func (w *writer) failed(ctx context.Context, places []place, err error) error {
	err = wrap("commit", err)
	if len(places) == 1 {
		return w.open.damagedBy(ctx, places[0], err)
	}
	if isDamage(err) {
		w.open.intact = nil // one of them was examined before it was damaged
	} else if !isSuspect(err) {
		return err
	}
	for _, p := range places { // which of them it is shows when each is read
		if errs := w.open.close(p); w.open.isDamaged(ctx, p) {
			return damageError{p}
		} else {
			err = errors.Join(err, errs)
		}
	}
	return err
}

// entry returns what the catalogue is going to have of p.
func (w *writer) entry(p place) entry {
	e, ok := w.done[p]
	if !ok {
		e, _ = w.open.catalogue.get(p)
	}
	return e
}

// change is what happens in a transaction.
func (w *writer) change(ctx context.Context, tx *sql.Tx, first *partition, targets []*target, c store.Change) error {
	for i, t := range targets {
		if i == 0 {
			t.insert, t.update = tx.StmtContext(ctx, first.insert), tx.StmtContext(ctx, first.update)
		}
		for query, to := range map[string]**sql.Stmt{insertRow(t.name): &t.insert,
			"UPDATE " + t.name + ".manifest SET body = ?": &t.update} {
			if *to == nil {
				var err error
				if *to, err = tx.PrepareContext(ctx, query); err != nil {
					return err
				}
			}
		}
		if err := w.changeOne(ctx, tx, t, c); err != nil {
			return err
		}
	}
	return nil
}

// changeOne takes rows out of a partition, writes rows into it, and its manifest.
func (w *writer) changeOne(ctx context.Context, tx *sql.Tx, t *target, c store.Change) error {
	out, written := c.Out[t.place], c.Write[t.place]
	if w.rows[t.place] {
		for _, x := range written { // what they replace
			out = append(out, x.ID)
		}
	}
	gone, err := t.take(ctx, tx, out)
	if err != nil {
		return err
	}
	for _, x := range written {
		if err := t.manifest.insert(ctx, t.insert, x); err != nil {
			return err
		}
		if d := t.damage; d != nil && d.Missing > 0 && !gone[x.ID] && (w.salvage || d.Had.covers(x.Excerpt)) {
			less := *d
			less.Missing--
			less.Announced = min(less.Announced, less.Missing)
			t.damage = &less
		}
	}
	t.manifest.Commits++
	_, err = t.update.ExecContext(ctx, t.manifest.text())
	return err
}

// take takes rows out, and returns the ids of those that were there.
func (t *target) take(ctx context.Context, tx *sql.Tx, ids []string) (gone map[string]bool, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	const which = ".excerpt WHERE id IN (SELECT value FROM json_each(?)) RETURNING id, sum"
	rows, err := tx.QueryContext(ctx, "DELETE FROM "+t.name+which, list(ids))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	gone = map[string]bool{}
	for rows.Next() {
		var id string
		var sum int64
		if err := rows.Scan(&id, &sum); err != nil {
			return nil, err
		}
		gone[id] = true
		t.manifest.Rows--
		t.manifest.Sum -= sum
	}
	return gone, rows.Err()
}

// alias returns the name that the i-th partition has in a transaction.
func alias(i int) string {
	if i == 0 {
		return "main"
	}
	return fmt.Sprintf("beside%d", i-1)
}

// attach opens others in the transaction of conn.
func (w *writer) attach(ctx context.Context, conn *sql.Conn, others []place) error {
	for i, q := range others {
		if _, err := conn.ExecContext(ctx, "ATTACH ? AS "+alias(i+1), w.open.dir.path(q)); err != nil {
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

// list returns names as a list in JSON.
func list(names []string) string {
	text, _ := json.Marshal(names)
	return string(text)
}
