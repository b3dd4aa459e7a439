package reconcile

import (
	"fmt"
	"slices"
	"time"

	"sipsieve/store"
)

// A Coverage collects what OPS says of when sensors read what they were to read.
type Coverage struct {
	Records int // that were taken

	purpose string
	gaps    []Gap
	spans   []span // of which a ledger, or a gap, is the proof
	ledgers bool
}

type span struct{ from, to time.Time }

// NewCoverage returns a Coverage of the records of one purpose.
func NewCoverage(purpose string) *Coverage { return &Coverage{purpose: purpose} }

// Add takes one record of OPS.
func (v *Coverage) Add(r *store.OpsRecord) {
	v.Records++
	why := r.Gap()
	switch {
	case r.Kind == store.Ledger:
		v.ledgers = true
		v.spans = append(v.spans, span{r.From, r.To})
		return
	case why == "", why == store.GapLoss && r.Purpose != "" && r.Purpose != v.purpose:
		return
	}
	g := Gap{From: r.From, To: r.To, Reason: string(why), Sensor: r.Sensor, Detail: r.Reason}
	if r.Count > 0 {
		g.Detail = fmt.Sprintf("%s %d", r.Reason, r.Count)
	}
	v.gaps = append(v.gaps, g)
	v.spans = append(v.spans, span{r.From, r.To})
}

// Gaps returns when calls may lack or differ between from and to, and why. A time that no ledger and no gap has is one,
// too: a sensor was stopped and has not started again, or its records have not come yet. Without any ledger nothing is
// known of such times.
func (v *Coverage) Gaps(from, to time.Time) []Gap {
	list := slices.Clone(v.gaps)
	if !v.ledgers {
		return list
	}
	slices.SortFunc(v.spans, func(a, b span) int { return a.from.Compare(b.from) })
	reached := from
	for _, s := range v.spans {
		if s.from.After(reached) && reached.Before(to) {
			list = append(list, Gap{From: reached, To: s.from, Reason: ReasonNotCovered})
		}
		if s.to.After(reached) {
			reached = s.to
		}
	}
	if reached.Before(to) {
		list = append(list, Gap{From: reached, To: to, Reason: ReasonNotCovered})
	}
	return list
}
