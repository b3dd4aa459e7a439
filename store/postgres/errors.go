package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"sipsieve/store"
)

// ErrNewer is the cause when the database was made, or migrated, by a newer sipsieve than this.
var ErrNewer = errors.New("the database is of a newer sipsieve: install that here too")

// ErrOlder is the cause when the database was made by an older sipsieve and has not been migrated since.
var ErrOlder = errors.New("the database is of an older sipsieve: the daemon that keeps it brings it to this version")

// words say what the server's codes mean that an operator can do something about (PostgreSQL, appendix A).
var words = map[string]string{
	"25006": "the server is read-only: name the primary, or all with target_session_attrs=read-write",
	"28000": "the server refuses this user from this host (pg_hba.conf)",
	"28P01": "wrong user or password",
	"3D000": "no such database",
	"40001": "another transaction was first",
	"40P01": "deadlock",
	"42501": "this user lacks a privilege",
	"42P01": "a table is gone",
	"53100": "the server's disk is full",
	"53200": "the server is out of memory, or of locks: raise max_locks_per_transaction",
	"53300": "the server has no connection left",
	"55P03": "another session holds a lock",
	"57014": "cancelled by the server",
	"57P01": "the server stops",
	"57P02": "the server crashed",
	"57P03": "the server starts or stops",
	"58030": "the server cannot read or write its disk",
	"XX001": "data of the server is damaged",
	"XX002": "an index of the server is damaged",
}

// causes are the causes that codes, or their first two letters, are of; all others are store.CauseUnavailable.
var causes = map[string]store.Cause{
	"28": store.CausePermission, "42501": store.CausePermission,
	"3D": store.CauseMissing, "3F": store.CauseMissing, "42P01": store.CauseMissing,
	"53100": store.CauseFull,
	"55P03": store.CauseTimeout, "57014": store.CauseTimeout,
	"XX001": store.CauseDamaged, "XX002": store.CauseDamaged,
}

// fault returns err as a store.Fault of a purpose.
func fault(purpose string, err error) error {
	cause := store.CauseOf(err)
	var theirs *pgconn.PgError
	if errors.As(err, &theirs) {
		for _, key := range []string{theirs.Code[:min(2, len(theirs.Code))], theirs.Code} {
			if c, ok := causes[key]; ok {
				cause = c
			}
		}
	}
	return store.Fault{Purpose: purpose, Cause: cause, Err: wrap("put", err)}
}

// wrap returns err with what was done. What is wrong with a server may be mended, so it is always store.ErrUnavailable.
// The server's own words are left out, and what the driver adds to them: they may quote a row or a URL.
func wrap(doing string, err error) error {
	switch {
	case err == nil || errors.Is(err, store.ErrUnavailable):
		return err
	case errors.Is(err, ErrNewer), errors.Is(err, ErrOlder), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("postgres: %s: %w: %w", doing, store.ErrUnavailable, bare(err))
	}
	return fmt.Errorf("postgres: %s: %w: %s", doing, store.ErrUnavailable, explain(err))
}

// bare returns the first of its causes that err wraps, without the text around it.
func bare(err error) error {
	for _, cause := range []error{ErrNewer, ErrOlder, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, cause) {
			return cause
		}
	}
	return err
}

// explain returns what is known of err without a text that the server or the driver made.
func explain(err error) string {
	var theirs *pgconn.PgError
	var dial *net.OpError
	var lookUp *net.DNSError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var certificate x509.CertificateInvalidError
	var file *fs.PathError
	switch {
	case errors.As(err, &theirs):
		if word, ok := words[theirs.Code]; ok {
			return theirs.Code + ": " + word
		}
		return "code " + theirs.Code
	case errors.As(err, &lookUp):
		return "the server's name cannot be looked up"
	case errors.As(err, &host):
		return "the server's certificate is of another name"
	case errors.As(err, &authority):
		return "the server's certificate is not of the authority in ca"
	case errors.As(err, &certificate):
		return "the server's certificate is not valid"
	case errors.As(err, &file):
		return file.Error()
	case errors.As(err, &dial):
		return dial.Err.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, pgconn.ErrConnClosed):
		return "the connection was cut"
	}
	return fmt.Sprintf("%T", innermost(err))
}

// innermost returns what err wraps in the end.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// readOnly reports whether err is that the server, or the session, takes no writes.
func readOnly(err error) bool {
	var theirs *pgconn.PgError
	return errors.As(err, &theirs) && theirs.Code == "25006"
}

// ofData reports whether err is about the values that were sent: no waiting mends it. Classes of PostgreSQL: 22 data
// exception, 23 integrity constraint violation, 54 program limit exceeded.
func ofData(err error) bool {
	var theirs *pgconn.PgError
	if !errors.As(err, &theirs) {
		return false
	}
	for _, class := range []string{"22", "23", "54"} {
		if strings.HasPrefix(theirs.Code, class) {
			return true
		}
	}
	return false
}
