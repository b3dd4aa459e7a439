package main

import (
	"errors"
	"fmt"

	"sipsieve/store"
)

// A standstill is why the bus takes nothing.
type standstill struct {
	err  error // of the last Put; it wraps disk, if there is one
	disk error // why the state folder cannot be written; nil if it can
}

func (s *standstill) String() string {
	if s.disk != nil {
		return "the bus takes nothing: " + s.disk.Error()
	}
	return "the bus takes nothing"
}

// came keeps what came of putting held excerpts. It logs when the bus begins to take nothing, once more when the reason
// changes, and when it takes excerpts again. An embedded bus that cannot write says that a batch is incomplete: the
// state folder is tried for the reason.
func (c *collector) came(held int, err error) {
	if !errors.Is(err, store.ErrUnavailable) {
		if c.stuck.Swap(nil) != nil {
			c.d.log.Info("bus takes excerpts again")
		}
		return
	}
	now := &standstill{err: err}
	if c.d.Bus != nil && c.d.Bus.URL == "" {
		if disk := writable(c.d.State); disk != nil {
			now.disk = fmt.Errorf("state folder %s: %w", c.d.State, disk)
			now.err = fmt.Errorf("%w: %w", now.disk, err)
		}
	}
	if before := c.stuck.Swap(now); before == nil || before.String() != now.String() {
		c.d.log.Warn("bus unavailable, holding excerpts", "held", held, "err", now.err)
	}
}
