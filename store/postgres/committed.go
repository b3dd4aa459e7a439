package postgres

import (
	"maps"
	"sync"

	"sipsieve/store"
)

// committed is how far each sensor's stream was put into the database by this process, by purpose. A database that is
// restored, or whose standby took over without the last transactions, has less.
type committed struct {
	mu        sync.Mutex
	byPurpose map[string]store.Cursor
}

// reach enters what a transaction has put.
func (c *committed) reach(purpose string, by store.Cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byPurpose == nil {
		c.byPurpose = map[string]store.Cursor{}
	}
	if c.byPurpose[purpose] == nil {
		c.byPurpose[purpose] = store.Cursor{}
	}
	for sensor, s := range by {
		c.byPurpose[purpose].Reach(sensor, s)
	}
}

// Committed returns how far each sensor's stream of a purpose was put, as far as this Store knows it.
func (c *committed) Committed(purpose string) store.Cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.byPurpose[purpose])
}

// SetCommitted has the Store take by for what was put of a purpose: by a process before this one, or after what the
// database lacks was put again.
func (c *committed) SetCommitted(purpose string, by store.Cursor) {
	c.mu.Lock()
	delete(c.byPurpose, purpose)
	c.mu.Unlock()
	c.reach(purpose, by)
}
