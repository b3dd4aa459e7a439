package sqlite

import (
	"context"
	"encoding/json"
	"slices"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// Put joins xs with what is there. Excerpts of one partition are in one transaction, up to 1,000 of them.
// An error wraps store.ErrUnavailable, and then a part of xs may be kept already, which a repeated Put finds;
// or it is store.Refused, of excerpts whose purpose is no name.
func (s *Store) Put(ctx context.Context, xs []policy.Excerpt) error {
	if err := s.take(); err != nil {
		return err
	}
	defer s.writing.Unlock()
	alive, expired := s.expiry.Alive(xs)
	places, of, refused := sortOut(alive)
	for _, p := range places {
		for part := range slices.Chunk(of[p], commitLimit) {
			if err := s.join(ctx, p, part); err != nil {
				return err
			}
		}
	}
	s.expiry.Count(expired)
	if refused != nil {
		return refused
	}
	return nil
}

// sortOut returns the partitions of xs in the order of their first excerpt, and refuses purposes that are no names.
func sortOut(xs []policy.Excerpt) (order []place, of map[place][]policy.Excerpt, refused store.Refused) {
	of = map[place][]policy.Excerpt{}
	for _, x := range xs {
		if err := store.CheckName(x.Purpose); err != nil {
			refused = append(refused, store.Refusal{Purpose: x.Purpose, Count: 1, Err: err})
			continue
		}
		p := place{x.Purpose, x.Expires}
		if of[p] == nil {
			order = append(order, p)
		}
		of[p] = append(of[p], x)
	}
	return order, of, refused
}

// A change is what a join does to the partitions: rows to write in one, and ids to take out of others, which a row
// that replaces them, or a crash between two files, left there.
type change struct {
	write map[string]policy.Excerpt
	order []string // the ids of write, and of those that lost
	out   map[place][]string
}

// join puts xs, which all belong in p, or less where what is there already wins.
func (s *Store) join(ctx context.Context, p place, xs []policy.Excerpt) error {
	c := change{write: map[string]policy.Excerpt{}, out: map[place][]string{}}
	for _, x := range xs {
		before, seen := c.write[x.ID]
		if !seen {
			c.order = append(c.order, x.ID)
		}
		if !seen || store.Replaces(x, before) {
			c.write[x.ID] = x
		}
	}
	near, err := s.near(p)
	if err != nil {
		return err
	}
	kept := map[string]found{}
	for _, q := range near {
		if err := s.compare(ctx, q, &c, kept); err != nil {
			return err
		}
	}
	c.settle(p, kept)
	return s.apply(ctx, p, c)
}

// settle leaves of c what wins over the rows that were found.
func (c *change) settle(p place, kept map[string]found) {
	for id, row := range kept {
		switch {
		case !store.Replaces(c.write[id], row.excerpt):
			delete(c.write, id)
		case row.in != p:
			c.out[row.in] = append(c.out[row.in], id)
		}
	}
}

// near returns the partitions where an id of p may lie: p's own and the days beside it, or all of the purpose.
func (s *Store) near(p place) ([]place, error) {
	if s.config.Receipt[p.purpose] {
		return s.places(p.purpose)
	}
	return slices.DeleteFunc([]place{p.next(-1), p, p.next(1)}, func(q place) bool { return !s.exists(q) }), nil
}

// A found is the row of an id that won up to now, and where it is.
type found struct {
	excerpt policy.Excerpt
	in      place
}

// compare holds the rows of q against what c is to write and what was found elsewhere. Of all only one stays.
func (s *Store) compare(ctx context.Context, q place, c *change, kept map[string]found) error {
	rows, err := s.lookUp(ctx, q, c.order)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if before, twice := kept[row.ID]; twice {
			loser := q
			if store.Replaces(row, before.excerpt) {
				loser, kept[row.ID] = before.in, found{row, q}
			}
			c.out[loser] = append(c.out[loser], row.ID)
		} else {
			kept[row.ID] = found{row, q}
		}
	}
	return nil
}

// lookUp returns the envelopes of those ids that q has, as far as a join needs them.
func (s *Store) lookUp(ctx context.Context, q place, ids []string) (rows []policy.Excerpt, err error) {
	db, err := s.partition(ctx, q)
	if err != nil {
		return nil, err
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, wrap("look up", err)
	}
	result, err := db.QueryContext(ctx, `SELECT e.id, sensor, stage, revision, status, completeness
		FROM json_each(?) AS wanted CROSS JOIN excerpt AS e ON e.id = wanted.value`, string(list))
	if err != nil {
		return nil, wrap("look up", err)
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		var e policy.Excerpt
		if err := result.Scan(&e.ID, &e.Sensor, &e.Stage, &e.Revision, &e.Status, &e.Completeness); err != nil {
			return nil, wrap("look up", err)
		}
		rows = append(rows, e)
	}
	return rows, wrap("look up", result.Err())
}
