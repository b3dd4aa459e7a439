package collector

import (
	"errors"
	"fmt"
	"syscall"

	"sipsieve/store"
)

// A Standstill is why the stream of a purpose takes nothing.
type Standstill struct {
	Purpose string
	Cause   store.Cause
	Err     error // of the last Put; it wraps disk, if there is one
	disk    error // why the Sink's disk cannot be written; nil if it can
}

// NewStandstill returns the Standstill of a Put that ended with err. An embedded bus whose disk cannot be written may
// say anything: disk returns the reason then, nil if it is not the disk; it is nil for a Sink elsewhere.
func NewStandstill(purpose string, err error, disk func(error) error) *Standstill {
	s := &Standstill{Purpose: purpose, Cause: store.CauseOf(err), Err: err}
	if disk == nil || s.Cause == store.CausePermission || s.Cause == store.CauseMissing {
		return s
	}
	if s.disk = disk(err); s.disk != nil {
		s.Err = fmt.Errorf("%w: %w", s.disk, err)
		if errors.Is(s.disk, syscall.ENOSPC) {
			s.Cause = store.CauseFull
		}
	}
	return s
}

// String returns the stream and the cause, or the disk that all streams stand on, without the error of the Sink.
func (s *Standstill) String() string {
	if s.disk != nil {
		return "the bus takes nothing: " + s.disk.Error()
	}
	return fmt.Sprintf("%s takes nothing: %s", store.StreamName(s.Purpose), s.Cause)
}
