package track

import (
	"time"

	"sipsieve/sip"
)

// A Tracker follows the calls and registrations of one shard of one clock domain. It is used by one goroutine.
type Tracker struct{}

// New returns a Tracker that remembers no more than l.
func New(l Limits) *Tracker { return &Tracker{} }

// Observe takes note of m and appends to dst what m brought to an end. It keeps nothing of m's own memory.
func (t *Tracker) Observe(dst []Event, m *sip.Message, k Keys) []Event { return dst }

// Advance moves the Tracker's clock to now, if that is later, and appends to dst what has run out.
func (t *Tracker) Advance(dst []Event, now time.Time) []Event { return dst }

// Finish appends to dst what is open, as the end of a capture leaves it. The Tracker is empty afterwards.
func (t *Tracker) Finish(dst []Event) []Event { return dst }

// Counts returns what has been counted so far.
func (t *Tracker) Counts() Counts { return Counts{} }
