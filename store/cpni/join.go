package cpni

import (
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/event"
)

// linkHeaders are what legs show of each other. None of them is copied into a Record for it.
var linkHeaders = []sip.Header{sip.Link, sip.Correlation, sip.SessionID, sip.PChargingVector, sip.Replaces, sip.ReferTo,
	sip.ReferredBy}

// joined are the fields that need Legs.
var joined = []string{sessionGroup, correlation, correlationScore, "transfer"}

const (
	sessionGroup     = "session_group"
	correlation      = "correlation"
	correlationScore = "correlation_score"
)

// NeedsLegs reports whether one of the fields follows from the joins of a call's legs.
func NeedsLegs(fields []Field) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return slices.Contains(joined, f.String()) })
}

func ofJoin(c *event.Call, field string, min int) Value {
	by, group := c.Join.By(min)
	switch {
	case field == correlation:
		return word(correlationWords[by])
	case field == correlationScore:
		return number(int64(by.Score()))
	case by == event.Uncorrelated:
		return Value{}
	}
	return hide(group[:])
}

// CorrelationWord returns the word of c.
func CorrelationWord(c event.Correlation) string { return correlationWords[c] }
