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
	var verdict string
	if err := tx.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
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
