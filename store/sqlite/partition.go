package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"sipsieve/store/disk"
)

// A partition is a file that is open for writing, with its statements. They stay prepared over transactions.
type partition struct {
	db       *sql.DB
	manifest manifest // as it was committed last
	stat     os.FileInfo
	lookUp   *sql.Stmt
	insert   *sql.Stmt
	update   *sql.Stmt
	busy     bool // used since the last Settle
}

// close closes the file.
func (p *partition) close() error { return p.db.Close() }

// handles are the partitions that are open for writing, the one used last at the end. Store.writing guards them.
type handles struct {
	dir       directory
	catalogue *catalogue
	limit     int
	order     []place
	by        map[place]*partition
	intact    map[place]int64 // commits with which a partition was examined for an error, and is not damaged
}

// damagedBy returns err, and that it is of p if that is damaged.
func (h *handles) damagedBy(ctx context.Context, p place, err error) error {
	if isDamage(err) || isSuspect(err) && h.isDamaged(ctx, p) {
		return errors.Join(damageError{p}, err)
	}
	return err
}

// isDamaged examines a partition because of an error that a fault of this program gives as well: once for what it has.
func (h *handles) isDamaged(ctx context.Context, p place) bool {
	e, _ := h.catalogue.get(p)
	if commits, examined := h.intact[p]; examined && commits == e.Commits {
		return false
	}
	err := h.dir.examine(ctx, p, e)
	if isDamage(err) {
		return true
	}
	if err == nil || isSuspect(err) {
		if h.intact == nil {
			h.intact = map[place]int64{}
		}
		h.intact[p] = e.Commits
	}
	return false
}

// use returns the handle of p that is open, if there is one, and marks it as used.
func (h *handles) use(p place) (*partition, bool) {
	db, ok := h.by[p]
	if ok {
		h.remove(p)
		h.add(p, db)
	}
	return db, ok
}

// add takes db as the one used last.
func (h *handles) add(p place, db *partition) {
	if h.by == nil {
		h.by = map[place]*partition{}
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
	return db.close()
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

// partition returns the handle of p, and makes its file if the catalogue has none. A file that is not the one that was
// opened, or has less than the catalogue, is a damageError.
func (h *handles) partition(ctx context.Context, p place) (*partition, error) {
	one, ok := h.use(p)
	if ok {
		stat, err := os.Stat(h.dir.path(p))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, wrap("open", err)
		}
		if err != nil || !os.SameFile(stat, one.stat) {
			return nil, damageError{p}
		}
		one.busy = true
		return one, nil
	}
	if err := h.trim(); err != nil {
		return nil, wrap("open", err)
	}
	path := h.dir.path(p)
	e, known := h.catalogue.get(p)
	if known && e.Commits > 0 && !h.dir.exists(p) {
		return nil, damageError{p}
	}
	if err := create(path); err != nil {
		return nil, wrap("make partition", err)
	}
	// SQLite removes a log after what it could read of it.
	if err := os.Link(path+"-wal", h.dir.keptLog(p)); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrExist) {
		return nil, wrap("open", err)
	}
	one, err := open(ctx, path, e)
	if err != nil {
		return nil, h.damagedBy(ctx, p, wrap("open", err))
	}
	if one.manifest.Commits < e.Commits {
		return nil, errors.Join(damageError{p}, one.close())
	}
	if !known || one.manifest.Commits > e.Commits { // a crash came before it was entered
		e.manifest, e.Seal, e.Version = one.manifest.clone(), nil, version
		if err := h.catalogue.put(map[place]entry{p: e}, nil); err != nil {
			return nil, errors.Join(err, one.close())
		}
	}
	h.add(p, one)
	if err := os.Remove(h.dir.keptLog(p)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, wrap("open", err)
	}
	return one, nil
}

// A transaction of 2,000 rows changes a page of several indexes for nearly every row. A smaller cache writes them to the
// log more than once, and a smaller log copies them into the file after each transaction, with two more fsyncs.
const (
	cacheLimit = 16 << 10 // KiB of pages that a partition keeps in memory
	logLimit   = 4000     // pages of 4 KiB in the log before they are copied into the file
)

const updateManifest = "UPDATE manifest SET body = ?"

// open opens a partition for writing, of which the catalogue has e.
func open(ctx context.Context, path string, e entry) (p *partition, err error) {
	p = &partition{busy: true}
	if p.db, err = sql.Open("sqlite", dataSource(path, false)); err != nil {
		return nil, err
	}
	p.db.SetMaxOpenConns(1)
	if p.manifest, err = prepare(ctx, p.db, e); err == nil {
		p.stat, err = os.Stat(path)
	}
	for query, to := range map[string]**sql.Stmt{selectFound: &p.lookUp, insertRow("main"): &p.insert,
		updateManifest: &p.update} {
		if err == nil {
			*to, err = p.db.PrepareContext(ctx, query)
		}
	}
	if err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	return p, nil
}

// create makes an empty file of mode 0600, and its directory of mode 0700; both outlive a crash of the host. After an
// error neither is there, so that the next attempt syncs them too.
func create(path string) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := disk.SyncDir(filepath.Dir(dir)); err != nil {
			return errors.Join(err, os.Remove(dir))
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := errors.Join(file.Close(), disk.SyncDir(dir)); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// dataSource returns what the driver opens: a file that must be there.
func dataSource(path string, reading bool) string {
	pragmas := []string{fmt.Sprintf("busy_timeout(%d)", busyLimit/time.Millisecond)}
	if reading {
		pragmas = append(pragmas, "query_only(1)", "cache_size(-256)") // KiB: an answer may have many files open
	} else {
		pragmas = append(pragmas, "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)",
			fmt.Sprintf("cache_size(-%d)", cacheLimit), fmt.Sprintf("wal_autocheckpoint(%d)", logLimit))
	}
	q := url.Values{"mode": {"rw"}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}
