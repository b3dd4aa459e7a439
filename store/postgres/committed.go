package postgres

import (
	"maps"
	"sync"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// committed is how far each sensor's stream was put into the database by this process, by purpose. A database that is
// restored, or whose standby took over without the last transactions, has less.
type committed struct {
	mu        sync.Mutex
	byPurpose map[string]store.Cursor
	missed    map[string]store.Cursor // what transactions found missing: after they commit, the database has more again
	set       map[string]int          // calls of SetCommitted
}

// A position is what was committed of a purpose before a transaction.
type position struct {
	store.Cursor
	set int
}

// position returns what was committed of a purpose up to now.
func (c *committed) position(purpose string) position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return position{maps.Clone(c.byPurpose[purpose]), c.set[purpose]}
}

// reach enters what a transaction has put, and what the database had before it and lacked of before.
func (c *committed) reach(purpose string, before position, had, put store.Cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byPurpose[purpose] == nil {
		c.add(purpose, store.Cursor{})
	}
	for sensor, s := range put {
		c.byPurpose[purpose].Reach(sensor, s)
	}
	if before.set == c.set[purpose] {
		merge(c.missed[purpose], lacking(before.Cursor, had))
	}
}

// add makes the entries of a purpose. c.mu is held.
func (c *committed) add(purpose string, by store.Cursor) {
	if c.byPurpose == nil {
		c.byPurpose, c.missed, c.set = map[string]store.Cursor{}, map[string]store.Cursor{}, map[string]int{}
	}
	c.byPurpose[purpose], c.missed[purpose] = by, store.Cursor{}
}

// Committed returns how far each sensor's stream of a purpose was put, as far as this Store knows it.
func (c *committed) Committed(purpose string) store.Cursor { return c.position(purpose).Cursor }

// SetCommitted has the Store take by for what was put of a purpose: by a process before this one, or after what the
// database lacks was put again.
func (c *committed) SetCommitted(purpose string, by store.Cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if by = maps.Clone(by); by == nil {
		by = store.Cursor{}
	}
	c.add(purpose, by)
	c.set[purpose]++
}

// lackedBefore returns what transactions found missing of a purpose since SetCommitted.
func (c *committed) lackedBefore(purpose string) store.Cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.missed[purpose])
}

// lacking returns the first publication of each sensor that was put and that a database lacks which has no more than has.
func lacking(put, has store.Cursor) store.Cursor {
	lost := store.Cursor{}
	for sensor, last := range put {
		switch have, ok := has[sensor]; {
		case !has.Before(sensor, last):
		case ok && have.Stream == last.Stream:
			lost[sensor] = policy.Sequence{Stream: have.Stream, Number: have.Number + 1}
		default:
			lost[sensor] = policy.Sequence{Stream: last.Stream, Number: 1}
		}
	}
	return lost
}

// merge enters in lost the publications of more that are earlier, or of another sensor.
func merge(lost, more store.Cursor) {
	for sensor, s := range more {
		if have, ok := lost[sensor]; !ok || s.Compare(have) < 0 {
			lost[sensor] = s
		}
	}
}
