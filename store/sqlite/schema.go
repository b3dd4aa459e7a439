package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// version is that of a partition's tables, its user_version. 0 are those of before there was a manifest, 1 those without
// call_id and the indexes of trunk, disposition and kind. 2 was never written: the version after it differs in one bit.
const version = 3

// ErrNewer is the error of Open and of a reading when a partition was written by a newer version.
var ErrNewer = errors.New("written by a newer version of sipsieve: run that one")

// ErrOlder is the error of a reading when the files of an older version have not been brought to this one yet.
var ErrOlder = errors.New("written by an older version of sipsieve: sipsieve run brings it to this one")

// ownColumns are what a join needs and the body, then what is made of the body, then the checksum. A row is read of a
// damaged file by this order: see salvage.
const ownColumns = `id TEXT PRIMARY KEY NOT NULL,
	kind TEXT NOT NULL,
	sensor TEXT NOT NULL,
	stage TEXT NOT NULL,
	revision INTEGER NOT NULL,
	status TEXT NOT NULL,
	completeness INTEGER NOT NULL,
	body TEXT NOT NULL,
	dialog TEXT,
	unseen INTEGER NOT NULL,
	spool INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	parts TEXT,
	moment INTEGER NOT NULL,
	account TEXT,
	trunk_in TEXT,
	trunk_out TEXT,
	disposition TEXT,
	sum INTEGER NOT NULL,
	call_id TEXT`

// bodyColumns are the keys of the envelope that are read from the body.
var bodyColumns = []string{"schema", "purpose", "policy", "class", "expires", "site", "source", "missing"}

// createTables makes the tables and indexes of a new partition.
var createTables = func() string {
	columns := []string{ownColumns}
	for _, name := range bodyColumns {
		columns = append(columns, fmt.Sprintf("%q ANY GENERATED ALWAYS AS (body ->> '$.%s') VIRTUAL", name, name))
	}
	return "CREATE TABLE excerpt (" + strings.Join(columns, ",\n\t") + `) STRICT;
	CREATE INDEX excerpt_dialog ON excerpt (dialog) WHERE dialog IS NOT NULL;
	CREATE INDEX excerpt_moment ON excerpt (moment, id);
	CREATE INDEX excerpt_account ON excerpt (account, moment, id) WHERE account IS NOT NULL;
	CREATE INDEX excerpt_trunk_in ON excerpt (trunk_in, moment, id) WHERE trunk_in IS NOT NULL;
	CREATE INDEX excerpt_trunk_out ON excerpt (trunk_out, moment, id) WHERE trunk_out IS NOT trunk_in;
	CREATE INDEX excerpt_disposition ON excerpt (disposition, moment, id) WHERE disposition IS NOT NULL;
	CREATE INDEX excerpt_kind ON excerpt (kind, moment, id);
	CREATE INDEX excerpt_call_id ON excerpt (call_id) WHERE call_id IS NOT NULL;
	CREATE INDEX excerpt_place ON excerpt (sensor, spool, seq);
	CREATE INDEX excerpt_joined ON excerpt (id) WHERE parts IS NOT NULL;
	CREATE TABLE manifest (body TEXT NOT NULL) STRICT`
}()

// versionOf returns the version of a partition's tables, of which the catalogue has e: errDamaged if one bit of it is not
// as it was written, ErrNewer if it is newer than this program.
func versionOf(ctx context.Context, db queryer, e entry) (have int, err error) {
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have)
	switch {
	case err != nil:
		return 0, err
	case e.Version > 0 && e.Commits > 0 && bits.OnesCount32(uint32(have^e.Version)) == 1: // newer would be in e
		return 0, errDamaged
	case have > version:
		return 0, ErrNewer
	}
	return have, nil
}

// schemaOf returns the statements of createTables as SQLite keeps them, in the order of their names.
var schemaOf = func() string {
	all := strings.Split(createTables, ";\n\t")
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(strings.Fields(a)[2], strings.Fields(b)[2]) })
	return strings.Join(all, ";")
}()

// prepare makes the tables of a partition, or brings those of an older version to this one, and returns the manifest.
func prepare(ctx context.Context, db *sql.DB, e entry) (m manifest, err error) {
	have, err := versionOf(ctx, db, e)
	if err != nil {
		return m, err
	}
	if have == version {
		return readManifest(ctx, db)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = transact(ctx, conn, func(tx *sql.Tx) error {
		old, err := putAway(ctx, tx, have)
		if err == nil {
			_, err = tx.ExecContext(ctx, createTables+fmt.Sprintf("; PRAGMA user_version = %d", version))
		}
		if err == nil {
			m, err = fill(ctx, tx, old)
		}
		return err
	})
	return m, err
}

// putAway renames the table of an older version and removes its indexes and manifest, which it returns: nil without a
// table. Rows that are not as the manifest of version 1 says are errDamaged.
func putAway(ctx context.Context, tx *sql.Tx, have int) (*manifest, error) {
	m := newManifest()
	if have > 0 {
		var err error
		if m, err = readManifest(ctx, tx); err != nil {
			return nil, err
		}
		if err := examineRows(ctx, tx, m); err != nil {
			return nil, err
		}
	} else {
		var old int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'excerpt'").Scan(&old)
		if err != nil || old == 0 {
			return nil, err
		}
	}
	_, err := tx.ExecContext(ctx, `DROP INDEX IF EXISTS excerpt_dialog; DROP INDEX IF EXISTS excerpt_moment;
		DROP INDEX IF EXISTS excerpt_account; DROP INDEX IF EXISTS excerpt_place; DROP INDEX IF EXISTS excerpt_joined;
		DROP TABLE IF EXISTS manifest; ALTER TABLE excerpt RENAME TO older`)
	return &m, err
}

// fill writes the rows of an older table into the new one, and the manifest. old is the manifest before, nil without a
// table.
func fill(ctx context.Context, tx *sql.Tx, old *manifest) (m manifest, err error) {
	m = newManifest()
	if old != nil {
		if err := copyOlder(ctx, tx, &m); err != nil {
			return m, err
		}
		if _, err := tx.ExecContext(ctx, "DROP TABLE older"); err != nil {
			return m, err
		}
		if m.Commits = 1; old.Commits > 0 {
			rows, sum := m.Rows, m.Sum
			m = *old // it has publications of which no row is left
			m.Commits, m.Rows, m.Sum = old.Commits+1, rows, sum
		}
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO manifest VALUES (?)", m.text())
	return m, err
}

// copyOlder copies the rows of a table without the columns that came later: those it lacks are null.
func copyOlder(ctx context.Context, tx *sql.Tx, m *manifest) error {
	var later int
	const columns = "SELECT count(*) FROM pragma_table_info('older') WHERE name IN ('spool', 'seq', 'parts')"
	if err := tx.QueryRowContext(ctx, columns).Scan(&later); err != nil {
		return err
	}
	selection := "SELECT body, NULL, NULL, NULL FROM older"
	if later == 3 {
		selection = "SELECT body, spool, seq, parts FROM older"
	}
	rows, err := tx.QueryContext(ctx, selection)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	insert, err := tx.PrepareContext(ctx, insertRow("main"))
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for rows.Next() {
		var body, parts []byte
		var spool, seq sql.NullInt64
		if err := rows.Scan(&body, &spool, &seq, &parts); err != nil {
			return err
		}
		x, err := rowOf(body, parts, policy.Sequence{Stream: spool.Int64, Number: uint64(seq.Int64)})
		if err == nil {
			err = m.insert(ctx, insert, x)
		}
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// rowOf returns the row that was kept with that body and those parts.
func rowOf(body, parts []byte, published policy.Sequence) (x store.Row, err error) {
	if x.Excerpt, err = store.Kept(body, published); err == nil && len(parts) > 0 {
		x.Parts, err = store.ReadParts(parts)
	}
	return x, err
}

// insertRow is the statement that puts a row into a partition, by its name in the transaction.
func insertRow(partition string) string {
	return "INSERT INTO " + partition + `.excerpt (id, kind, sensor, stage, revision, status, completeness, body, dialog,
	unseen, spool, seq, parts, moment, account, trunk_in, trunk_out, disposition, sum, call_id)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
}

// insert puts a row, and enters it.
func (m *manifest) insert(ctx context.Context, insert *sql.Stmt, x store.Row) error {
	return m.insertLine(ctx, insert, lineOf(x))
}

// insertLine puts a row with all its columns, and enters it. What ends ctx ends the transaction, not the statement: the
// driver would start a goroutine for each.
func (m *manifest) insertLine(ctx context.Context, insert *sql.Stmt, l tableLine) error {
	r, sum := &l.record, l.record.sum()
	_, err := insert.ExecContext(context.WithoutCancel(ctx), r.id, r.kind, r.sensor, r.stage, r.revision, r.status, r.completeness,
		string(r.body), text(r.dialog), r.unseen, r.stream, r.position, text(string(r.parts)), l.moment,
		text(l.texts[0]), text(l.texts[1]), text(l.texts[2]), text(l.texts[3]), sum, text(l.texts[4]))
	if err == nil {
		m.add(l.row, sum, l.moment)
	}
	return err
}

// text returns s for a column that is null without it.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}
