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
)

// table is one partition's. What the join needs stands by itself; the rest of the envelope is read from the body. What
// a file of an older version does not have is in later.
const table = `CREATE TABLE IF NOT EXISTS excerpt (
	id TEXT PRIMARY KEY NOT NULL,
	kind TEXT NOT NULL,
	sensor TEXT NOT NULL,
	stage TEXT NOT NULL,
	revision INTEGER NOT NULL,
	status TEXT NOT NULL,
	completeness INTEGER NOT NULL,
	body TEXT NOT NULL%s
) STRICT`

// later are the columns that came after the first version: the dialog, what of it was not seen, as a set of
// track.Missing, where the excerpt stands in its sensor's stream, and what the row was made of, if that is several.
var later = []string{"dialog TEXT", "unseen INTEGER", "spool INTEGER", "seq INTEGER", "parts TEXT"}

// index finds the rows of a dialog.
const index = "CREATE INDEX IF NOT EXISTS excerpt_dialog ON excerpt (dialog) WHERE dialog IS NOT NULL"

// own are the columns of the table that a configuration may not name.
var own = []string{"id", "kind", "sensor", "stage", "revision", "status", "completeness", "body",
	"dialog", "unseen", "spool", "seq", "parts"}

// envelope are the keys of the envelope that are read from the body.
var envelope = []string{"schema", "purpose", "policy", "class", "expires", "site", "source", "missing"}

// isColumn reports whether name may be a column that is read from the body.
func isColumn(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// schema returns the table with a column for every name that it does not have already.
func schema(columns []string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, name := range own {
		seen[name] = true
	}
	for _, list := range [][]string{envelope, columns} {
		for _, name := range list {
			if !seen[name] {
				fmt.Fprintf(&b, ",\n\t%q ANY GENERATED ALWAYS AS (body ->> '$.%s') VIRTUAL", name, name)
			}
			seen[name] = true
		}
	}
	return fmt.Sprintf(table, b.String())
}

// handles are the partitions that are open for writing, the one used last at the end. Store.writing guards them.
type handles struct {
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

func (h *handles) closeAll() error {
	var errs []error
	for len(h.order) > 0 {
		errs = append(errs, h.close(h.order[0]))
	}
	return errors.Join(errs...)
}

// partition returns the handle of p, and makes its file if there is none.
func (s *Store) partition(ctx context.Context, p place) (*sql.DB, error) {
	if db, ok := s.open.use(p); ok {
		return db, nil
	}
	if err := s.open.trim(); err != nil {
		return nil, wrap("open", err)
	}
	path := s.path(p)
	if err := create(path); err != nil {
		return nil, wrap("make partition", err)
	}
	db, err := sql.Open("sqlite", s.name(path, false))
	if err != nil {
		return nil, wrap("open", err)
	}
	db.SetMaxOpenConns(1)
	if err := prepare(ctx, db, schema(s.config.Columns)); err != nil {
		_ = db.Close()
		return nil, wrap("make partition", err)
	}
	s.open.add(p, db)
	return db, nil
}

// prepare makes the table of a partition, and adds to that of an older version what came later. Rows from before
// have no dialog.
func prepare(ctx context.Context, db *sql.DB, schema string) error {
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	var have int
	const columns = "SELECT count(*) FROM pragma_table_info('excerpt') WHERE name IN ('dialog', 'parts')"
	err := db.QueryRowContext(ctx, columns).Scan(&have)
	if err != nil || have == 2 {
		return err
	}
	statements := []string{}
	for _, column := range later {
		statements = append(statements, "ALTER TABLE excerpt ADD COLUMN "+column)
	}
	_, err = db.ExecContext(ctx, "BEGIN IMMEDIATE;"+strings.Join(append(statements, index), ";")+";COMMIT")
	return err
}

// create makes an empty file that nobody else may read, and its directory; both outlive a crash of the host.
func create(path string) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := syncDir(filepath.Dir(dir)); err != nil {
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
	return errors.Join(file.Close(), syncDir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// name returns what the driver opens: a file that must be there.
func (s *Store) name(path string, reading bool) string {
	pragmas := []string{fmt.Sprintf("busy_timeout(%d)", s.config.BusyLimit/time.Millisecond)}
	if reading {
		pragmas = append(pragmas, "query_only(1)")
	} else {
		pragmas = append(pragmas, "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)")
	}
	q := url.Values{"mode": {"rw"}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}
