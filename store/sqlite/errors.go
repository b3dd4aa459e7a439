package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	driver "modernc.org/sqlite" // registers the driver sqlite
	codes "modernc.org/sqlite/lib"

	"sipsieve/store"
)

// errClosed is final for this Store, but not for what is put: another may take it.
var errClosed = fmt.Errorf("sqlite: closed: %w", store.ErrUnavailable)

// errDamaged is the cause when a file is not what it was written as.
var errDamaged = errors.New("damaged")

// A damageError is of a partition that is damaged, or not there.
type damageError struct{ place }

// Error names the partition.
func (e damageError) Error() string {
	return "sqlite: damaged: " + e.Purpose + " " + e.Expires.String()
}

// Unwrap returns the cause, which passes when the partition is set aside.
func (e damageError) Unwrap() error { return store.ErrUnavailable }

// damagedBy returns err, and that it is of p if it shows that p is damaged.
func damagedBy(p place, err error) error {
	if isDamage(err) {
		return errors.Join(damageError{p}, err)
	}
	return err
}

// A codeError is an error of the database without its words, which may quote a row.
type codeError struct {
	doing string
	code  int
}

// Error names what was done and SQLite's extended result code.
func (e codeError) Error() string {
	return fmt.Sprintf("sqlite: %s: %v: code %d", e.doing, store.ErrUnavailable, e.code)
}

// Unwrap returns store.ErrUnavailable: what is wrong with a file may be mended.
func (e codeError) Unwrap() error { return store.ErrUnavailable }

// isDamage reports whether err shows that a file is damaged: it is no database, malformed or too short, its tables are
// not ours, or a key is there twice that was not found.
func isDamage(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	code := 0
	var ours codeError
	var theirs *driver.Error
	switch {
	case errors.As(err, &ours):
		code = ours.code
	case errors.As(err, &theirs):
		code = theirs.Code()
	}
	switch code & 0xff {
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB, codes.SQLITE_CONSTRAINT, codes.SQLITE_ERROR, codes.SQLITE_MISMATCH,
		codes.SQLITE_FORMAT:
		return true
	}
	return code == codes.SQLITE_IOERR_SHORT_READ
}

// wrap returns err with what was done. What is wrong with a file may be mended, so it is always store.ErrUnavailable.
func wrap(doing string, err error) error {
	var theirs *driver.Error
	switch {
	case err == nil || errors.Is(err, store.ErrUnavailable):
		return err
	case errors.As(err, &theirs):
		return codeError{doing, theirs.Code()}
	case errors.Is(err, ErrNewer), errors.Is(err, errDamaged), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("sqlite: %s: %w: %w", doing, store.ErrUnavailable, err)
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("sqlite: %s: %w: %w", doing, store.ErrUnavailable, errDamaged)
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("sqlite: %s: %w: %w", doing, store.ErrUnavailable, path.Err)
	}
	return fmt.Errorf("sqlite: %s: %w: %T", doing, store.ErrUnavailable, err)
}
