package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"

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

// A codeError is an error of the database without its words, which may quote a row.
type codeError struct {
	doing string
	code  int
}

// words are what SQLite's primary result codes mean, for whoever operates the host.
var words = map[int]string{
	codes.SQLITE_ERROR:    "an error of this program, please report it",
	codes.SQLITE_BUSY:     "another process holds a lock",
	codes.SQLITE_NOMEM:    "out of memory",
	codes.SQLITE_READONLY: "the disk is read-only",
	codes.SQLITE_IOERR:    "the disk cannot be read or written",
	codes.SQLITE_CORRUPT:  "damaged",
	codes.SQLITE_FULL:     "the disk is full",
	codes.SQLITE_CANTOPEN: "a file cannot be opened",
	codes.SQLITE_NOTADB:   "damaged",
}

// Error names what was done, what is wrong and SQLite's extended result code.
func (e codeError) Error() string {
	return fmt.Sprintf("sqlite: %s: %s (code %d)", e.doing, cmp.Or(words[e.code&0xff], "unavailable"), e.code)
}

// Unwrap returns store.ErrUnavailable: what is wrong with a file may be mended.
func (e codeError) Unwrap() error { return store.ErrUnavailable }

// codeOf returns SQLite's extended result code of err, false if it has none.
func codeOf(err error) (code int, ok bool) {
	var ours codeError
	var theirs *driver.Error
	switch {
	case errors.As(err, &ours):
		return ours.code, true
	case errors.As(err, &theirs):
		return theirs.Code(), true
	}
	return 0, false
}

// isDamage reports whether err shows that a file is damaged: it is no database, malformed or too short, or has not what
// its manifest says.
func isDamage(err error) bool {
	code, _ := codeOf(err)
	switch code & 0xff {
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return true
	}
	return code == codes.SQLITE_IOERR_SHORT_READ || errors.Is(err, errDamaged)
}

// isSuspect reports whether err may come of a damaged file, such as one whose schema has another name for a table, and
// of a fault of this program as well. It is neither if it is of the disk, of a lock, or of who stops.
func isSuspect(err error) bool {
	var path *os.PathError
	if errors.As(err, &path) || isOf(err, ErrNewer, sql.ErrConnDone, sql.ErrTxDone, context.Canceled, context.DeadlineExceeded) {
		return false
	}
	code, ok := codeOf(err)
	if !ok {
		return err != nil
	}
	switch code & 0xff {
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED, codes.SQLITE_PROTOCOL, codes.SQLITE_NOMEM, codes.SQLITE_INTERRUPT,
		codes.SQLITE_IOERR, codes.SQLITE_FULL, codes.SQLITE_CANTOPEN, codes.SQLITE_PERM:
		return false
	}
	return true
}

// isOfPlace reports whether err is of one partition, as far as it shows: another may be well.
func isOfPlace(err error) bool {
	code, _ := codeOf(err)
	return isOf(err, errDamaged, syscall.EIO) || isDamage(err) || code&0xff == codes.SQLITE_IOERR ||
		errors.As(err, new(damageError)) || errors.As(err, new(againError))
}

// causeOf returns the cause of err, for metrics and the log.
func causeOf(err error) store.Cause {
	code, _ := codeOf(err)
	switch {
	case errors.As(err, new(damageError)), errors.As(err, new(againError)), isDamage(err):
		return store.CauseDamaged
	case code&0xff == codes.SQLITE_FULL, isOf(err, syscall.ENOSPC, syscall.EDQUOT):
		return store.CauseFull
	case code&0xff == codes.SQLITE_BUSY:
		return store.CauseTimeout
	}
	return store.CauseOf(err)
}

// faults returns why partitions of the directory take nothing, by purpose.
func (d directory) faults(failed map[string]error) error {
	var all store.Faults
	for _, purpose := range slices.Sorted(maps.Keys(failed)) {
		err, cause := failed[purpose], causeOf(failed[purpose])
		if code, ok := codeOf(err); ok && cause == store.CauseUnavailable && code&0xff != codes.SQLITE_ERROR {
			if why := d.writable(); why != nil { // SQLite says of most errors of a disk that there was one
				err = fmt.Errorf("%w; %w", why, err)
			}
		}
		all = append(all, store.Fault{Purpose: purpose, Cause: cause, Err: fmt.Errorf("store in %s: %w", d, err)})
	}
	return all
}

// writable returns why no file can be written in the directory, nil if one can.
func (d directory) writable() error {
	f, err := os.CreateTemp(string(d), ".probe-*")
	if err == nil {
		_, err = f.Write([]byte{0})
		err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	}
	return wrap("write", err)
}

// isOf reports whether err is one of targets.
func isOf(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
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
