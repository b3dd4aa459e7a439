package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"hash/crc64"
	"io"
	"os"
)

// examine reads a partition whole and returns what is wrong with it: errDamaged, or an error of the database. It
// compares each row with its checksum, all rows with the manifest, the indexes with the rows and, if nothing was
// written since, the file with its seal.
func (d directory) examine(ctx context.Context, p place, e entry) error {
	if !d.exists(p) {
		return errDamaged
	}
	return d.read(p, func(db *sql.DB) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		err = transact(ctx, conn, func(tx *sql.Tx) error { return d.examineIn(ctx, tx, p, e) })
		return errors.Join(err, conn.Close())
	})
}

func (d directory) examineIn(ctx context.Context, tx *sql.Tx, p place, e entry) error {
	have, err := versionOf(ctx, tx, e)
	if err != nil {
		return err
	}
	if have < version && e.Commits == 0 {
		return integrity(ctx, tx)
	}
	if err := examineTables(ctx, tx, d.path(p)); err != nil {
		return err
	}
	m, err := readManifest(ctx, tx)
	if err != nil {
		return err
	}
	if m.Commits < e.Commits {
		return errDamaged
	}
	if e.Seal != nil && e.Seal.Commits == m.Commits {
		now, err := sealOf(d.path(p))
		if err != nil || now.Size != e.Seal.Size || now.Sum != e.Seal.Sum {
			return errors.Join(errDamaged, err)
		}
	}
	if err := examineRows(ctx, tx, m); err != nil {
		return err
	}
	return integrity(ctx, tx)
}

// integrity has SQLite compare the pages and the indexes with the rows.
func integrity(ctx context.Context, tx *sql.Tx) error {
	var verdict string
	if err := tx.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return errDamaged
	}
	return nil
}

// fixedHeader is what every partition begins with: the format's name, pages of 4096 bytes, a log for reading and for
// writing, nothing reserved, and three fractions that never change.
const fixedHeader = "SQLite format 3\x00\x10\x00\x02\x02\x00\x40\x20\x20"

// examineTables compares what a file begins with and its schema with those of this version.
func examineTables(ctx context.Context, tx *sql.Tx, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	begin := make([]byte, len(fixedHeader))
	n, err := io.ReadFull(f, begin)
	_ = f.Close()
	if n > 0 && string(begin) != fixedHeader {
		return errDamaged
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var have string
	const statements = "SELECT coalesce(group_concat(sql, ';'), '') FROM (SELECT sql FROM sqlite_schema ORDER BY name)"
	if err := tx.QueryRowContext(ctx, statements).Scan(&have); err != nil {
		return err
	}
	if have != schemaOf {
		return errDamaged
	}
	return nil
}

// examineRows compares the rows with their checksums and with the manifest.
func examineRows(ctx context.Context, tx *sql.Tx, m manifest) error {
	rows, err := tx.QueryContext(ctx, "SELECT "+recordColumns+" FROM excerpt")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	n, all := 0, int64(0)
	for rows.Next() {
		var r record
		sum, intact := r.scan(rows)
		if !intact {
			return cmp.Or(rows.Err(), errDamaged) // that it was stopped is no damage
		}
		n, all = n+1, all+sum
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if n != m.Rows || all != m.Sum {
		return errDamaged
	}
	return nil
}

// sealOf returns the checksum of a file.
func sealOf(path string) (s seal, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	sum := crc64.New(sumTable)
	s.Size, err = io.Copy(sum, f)
	s.Sum = sum.Sum64()
	return s, errors.Join(err, f.Close())
}
