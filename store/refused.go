package store

import (
	"errors"
	"fmt"
	"strings"

	"sipsieve/store/policy"
)

// ErrFull is the cause when a stream has no room: what does not fit is counted, and announced by a record of kind loss.
var ErrFull = errors.New("full")

// ErrTooLarge is the cause when an excerpt is larger than a message may be.
var ErrTooLarge = errors.New("too large")

// A Refusal is how many excerpts of one purpose a Put did not keep, and why: Err wraps ErrFull, ErrTooLarge or
// ErrName.
type Refusal struct {
	Purpose  string
	Count    int
	Err      error
	Excerpts []policy.Excerpt // those, nil if it is not known which
}

// Reason returns why, in the word that a record of the loss has: full, too_large or refused.
func (r *Refusal) Reason() string {
	switch {
	case errors.Is(r.Err, ErrFull):
		return "full"
	case errors.Is(r.Err, ErrTooLarge):
		return "too_large"
	}
	return "refused"
}

// Refused is the error of a Put that kept all excerpts but these. To put them again is no use until the cause is gone.
type Refused []Refusal

// Error lists purposes, counts and causes. A purpose that is no name is left out: it may be what was wrong.
func (r Refused) Error() string {
	var b strings.Builder
	b.WriteString("store: refused")
	for i, one := range r {
		if i > 0 {
			b.WriteByte(';')
		}
		if CheckName(one.Purpose) == nil {
			fmt.Fprintf(&b, " %s:", one.Purpose)
		}
		fmt.Fprintf(&b, " %d: %v", one.Count, one.Err)
	}
	return b.String()
}

// Unwrap returns the causes.
func (r Refused) Unwrap() []error {
	errs := make([]error, len(r))
	for i, one := range r {
		errs[i] = one.Err
	}
	return errs
}
