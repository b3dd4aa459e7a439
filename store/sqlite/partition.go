package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sipsieve/store"
)

// ownColumns are the columns of the first version: what a join needs, and the body.
const ownColumns = `id TEXT PRIMARY KEY NOT NULL,
	kind TEXT NOT NULL,
	sensor TEXT NOT NULL,
	stage TEXT NOT NULL,
	revision INTEGER NOT NULL,
	status TEXT NOT NULL,
	completeness INTEGER NOT NULL,
	body TEXT NOT NULL`

// laterColumns came after the first version: the dialog, what of it was not seen, as a set of track.Missing, where the
// excerpt stands in its sensor's stream, and what the row was made of, if that is several.
var laterColumns = []string{"dialog TEXT", "unseen INTEGER", "spool INTEGER", "seq INTEGER", "parts TEXT"}

// bodyColumns are the keys of the envelope that are read from the body.
var bodyColumns = []string{"schema", "purpose", "policy", "class", "expires", "site", "source", "missing"}

// dialogIndex finds the rows of a dialog.
const dialogIndex = "CREATE INDEX IF NOT EXISTS excerpt_dialog ON excerpt (dialog) WHERE dialog IS NOT NULL"

// createTable makes the table of a new partition. One that is there stays as it is: see migrate.
var createTable = func() string {
	columns := []string{ownColumns}
	for _, name := range bodyColumns {
		columns = append(columns, fmt.Sprintf("%q ANY GENERATED ALWAYS AS (body ->> '$.%s') VIRTUAL", name, name))
	}
	return "CREATE TABLE IF NOT EXISTS excerpt (" + strings.Join(columns, ",\n\t") + ") STRICT"
}()

// handles are the partitions that are open for writing, the one used last at the end. Store.writing guards them.
type handles struct {
	dir   directory
	limit int
	order []place
	by    map[place]*sql.DB
}

// use returns the handle of p that is open, if there is one, and marks it as used.
func (h *handles) use(p place) (*sql.DB, bool) {
	db, ok := h.by[p]
	if ok {
		h.remove(p)
		h.add(p, db)
	}
	return db, ok
}

// add takes db as the one used last.
func (h *handles) add(p place, db *sql.DB) {
	if h.by == nil {
		h.by = map[place]*sql.DB{}
	}
	h.by[p], h.order = db, append(h.order, p)
}

// remove forgets the handle of p without closing it.
func (h *handles) remove(p place) {
	delete(h.by, p)
	for i, q := range h.order {
		if q == p {
			h.order = append(h.order[:i], h.order[i+1:]...)
			return
		}
	}
}

// close closes the handle of p, if it is open.
func (h *handles) close(p place) error {
	db, ok := h.by[p]
	if !ok {
		return nil
	}
	h.remove(p)
	return db.Close()
}

// trim closes those that were not used for longest, until one more fits.
func (h *handles) trim() error {
	var errs []error
	for len(h.order) >= h.limit {
		errs = append(errs, h.close(h.order[0]))
	}
	return errors.Join(errs...)
}

// closeAll closes all of them.
func (h *handles) closeAll() error {
	var errs []error
	for len(h.order) > 0 {
		errs = append(errs, h.close(h.order[0]))
	}
	return errors.Join(errs...)
}

// partition returns the handle of p, and makes its file if there is none.
func (h *handles) partition(ctx context.Context, p place) (*sql.DB, error) {
	if db, ok := h.use(p); ok {
		return db, nil
	}
	if err := h.trim(); err != nil {
		return nil, wrap("open", err)
	}
	path := h.dir.path(p)
	if err := create(path); err != nil {
		return nil, wrap("make partition", err)
	}
	db, err := sql.Open("sqlite", dataSource(path, false))
	if err != nil {
		return nil, wrap("open", err)
	}
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db); err != nil {
		_ = db.Close()
		return nil, wrap("make partition", err)
	}
	h.add(p, db)
	return db, nil
}

// migrate makes the table of a partition, and adds to that of an older version what came later. Rows from before
// have no dialog.
func migrate(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, createTable); err != nil {
		return err
	}
	var have int
	const columns = "SELECT count(*) FROM pragma_table_info('excerpt') WHERE name IN ('dialog', 'parts')"
	err := db.QueryRowContext(ctx, columns).Scan(&have)
	if err != nil || have == 2 {
		return err
	}
	statements := []string{}
	for _, column := range laterColumns {
		statements = append(statements, "ALTER TABLE excerpt ADD COLUMN "+column)
	}
	_, err = db.ExecContext(ctx, "BEGIN IMMEDIATE;"+strings.Join(append(statements, dialogIndex), ";")+";COMMIT")
	return err
}

// create makes an empty file of mode 0600, and its directory of mode 0700; both outlive a crash of the host.
func create(path string) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := store.SyncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), store.SyncDir(dir))
}

// dataSource returns what the driver opens: a file that must be there.
func dataSource(path string, reading bool) string {
	pragmas := []string{fmt.Sprintf("busy_timeout(%d)", busyLimit/time.Millisecond)}
	if reading {
		pragmas = append(pragmas, "query_only(1)")
	} else {
		pragmas = append(pragmas, "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)")
	}
	q := url.Values{"mode": {"rw"}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}
