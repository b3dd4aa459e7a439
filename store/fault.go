package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A Cause is why a stream or a store takes or gives nothing at the moment: one word of a closed set, for metrics.
type Cause string

// Causes of a Fault.
const (
	CausePermission  Cause = "permission"  // the server refuses this user
	CauseMissing     Cause = "missing"     // there is no such stream, consumer or table
	CauseFull        Cause = "full"        // there is no room
	CauseTimeout     Cause = "timeout"     // it is reached, and does not answer in time
	CauseUnavailable Cause = "unavailable" // it is not reached, or says that it cannot at the moment
	CauseDamaged     Cause = "damaged"     // what it has on disk cannot be read
)

// Causes returns all causes.
func Causes() []Cause {
	return []Cause{CausePermission, CauseMissing, CauseFull, CauseTimeout, CauseUnavailable, CauseDamaged}
}

// A Fault is why the excerpts of one purpose do not come through at the moment. It wraps ErrUnavailable and Err.
type Fault struct {
	Purpose string
	Cause   Cause
	Err     error

	// Left is how many excerpts of a Put, the last ones of the purpose, are still to be put: those before them need not be
	// put again. 0 if that is not known.
	Left int
}

// Error names the purpose's stream and the cause.
func (f Fault) Error() string {
	return fmt.Sprintf("%s: %s: %v", StreamName(f.Purpose), f.Cause, f.Err)
}

// Unwrap returns ErrUnavailable and the error below.
func (f Fault) Unwrap() []error { return []error{ErrUnavailable, f.Err} }

// Faults is the error of a Put of several purposes that has not put those of these purposes; what is of another
// purpose was put. To put all of it again stores nothing twice.
type Faults []Fault

// Error lists the faults.
func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, one := range f {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the faults.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, one := range f {
		errs[i] = one
	}
	return errs
}

// CauseOf returns the cause of err: that of the first Fault in it, else CauseFull of ErrFull, CauseTimeout of a deadline
// that has passed, and CauseUnavailable of anything else.
func CauseOf(err error) Cause {
	var f Fault
	switch {
	case errors.As(err, &f):
		return f.Cause
	case errors.Is(err, ErrFull):
		return CauseFull
	case errors.Is(err, context.DeadlineExceeded):
		return CauseTimeout
	}
	return CauseUnavailable
}
