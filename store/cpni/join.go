package cpni

import (
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/track"
)

// linkHeaders are what legs show of each other. None of them is copied into a Record for it.
var linkHeaders = []sip.Header{sip.Link, sip.Correlation, sip.SessionID, sip.PChargingVector, sip.Replaces, sip.ReferTo,
	sip.ReferredBy}

// joined are the fields that only Legs can tell.
var joined = []string{sessionGroup, correlation, correlationScore, "transfer"}

const (
	sessionGroup     = "session_group"
	correlation      = "correlation"
	correlationScore = "correlation_score"
)

// NeedsLegs reports whether one of the fields is told by what joins the legs of a call.
func NeedsLegs(fields []Field) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return slices.Contains(joined, f.String()) })
}

// Join returns session_group, correlation and correlation_score for a reader that is shown joins of at least min, 0 to
// 100: of a call that is joined by nothing as sure, an unknown group, the word none, and 0. A group is the same for all
// purposes, so it comes as Text: Group makes of it what one purpose may keep. Get does not know it.
func (r *Record) Join(f Field, min int) Value {
	if r.in.call == nil {
		return Value{}
	}
	return ofJoin(r.in.call, f.String(), min)
}

func ofJoin(c *track.Call, field string, min int) Value {
	by, group := c.Join.By(min)
	switch {
	case field == correlation:
		return word(correlationWords[by])
	case field == correlationScore:
		return number(int64(by.Score()))
	case by == track.Uncorrelated:
		return Value{}
	}
	return hide(group[:])
}

// CorrelationWord returns the word of c.
func CorrelationWord(c track.Correlation) string { return correlationWords[c] }
