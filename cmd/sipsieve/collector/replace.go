// This file has methods of Collector because what replaces a policy stands apart from what works by it.

package collector

import (
	"context"
	"errors"
	"slices"
	"time"

	"sipsieve/store/policy"
)

// A replacement is purposes that take the place of those of the same names.
type replacement struct {
	purposes []*policy.Purpose
	done     chan time.Time
}

// errEnded is the error of a Replace after the last record.
var errEnded = errors.New("collector: no more records are made")

// Replace has records made for these purposes, which have the names of those before, and returns since when: every record
// is made for the old ones alone or for the new ones alone. What was made before stays as it is, also what waits. It may be
// called from any goroutine, and waits for Run. After an error nothing is replaced.
func (c *Collector) Replace(ctx context.Context, purposes []*policy.Purpose) (since time.Time, err error) {
	r := replacement{purposes: purposes, done: make(chan time.Time, 1)}
	select {
	case c.replacing <- r:
		return <-r.done, nil
	case <-c.ended:
		return since, errEnded
	case <-ctx.Done():
		return since, context.Cause(ctx)
	}
}

// replace takes up the purposes of r, between two records.
func (c *Collector) replace(r replacement) {
	list := slices.Clone(c.config.Purposes)
	for i, u := range list {
		if k := slices.IndexFunc(r.purposes, func(p *policy.Purpose) bool { return p.Name == u.Name }); k >= 0 {
			list[i], c.lanes.all[i].purpose = r.purposes[k], r.purposes[k]
		}
	}
	c.config.Purposes, c.encoder.purposes = list, list
	r.done <- time.Now()
}
