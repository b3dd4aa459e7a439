package sqlite

import (
	"context"
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

// join puts xs, whose own partition is p, or less where what is there already wins.
func (s *Store) join(ctx context.Context, p place, xs []policy.Excerpt) error {
	near, err := s.near(p)
	if err != nil {
		return err
	}
	g := gather(xs)
	for _, q := range near {
		rows, err := s.lookUp(ctx, q, g)
		if err != nil {
			return err
		}
		g.add(rows)
	}
	c := change{write: map[place][]store.Row{}, out: map[place][]string{}}
	for _, one := range g.list() {
		if one.plain() {
			c.settle(p, one)
			continue
		}
		if err := s.rejoin(ctx, one, &c); err != nil {
			return err
		}
	}
	return s.apply(ctx, c)
}

// near returns the partitions where an id or a dialog of p may lie: p's own and the days beside it, or all of the
// purpose.
func (s *Store) near(p place) ([]place, error) {
	u := s.purpose(p)
	days, anyDay := u.DaysApart(), u != nil && u.FromReceipt
	if !anyDay && days == 1 {
		return slices.DeleteFunc([]place{p.next(-1), p, p.next(1)}, func(q place) bool { return !s.exists(q) }), nil
	}
	all, err := s.places(p.purpose)
	if anyDay {
		return all, err
	}
	from, to := p.next(-days).day(), p.next(days).day()
	return slices.DeleteFunc(all, func(q place) bool { return q.day().Before(from) || q.day().After(to) }), err
}

// purpose returns the purpose of p in the store's policy, nil if it has none.
func (s *Store) purpose(p place) *policy.Purpose {
	if s.config.Policy == nil {
		return nil
	}
	u, _ := s.config.Policy.Purpose(p.purpose)
	return u
}

// settle puts the best of one id where no other id has to do with it. Of all that is there only one stays.
func (c *change) settle(p place, g *group) {
	best, rows := g.xs[0], g.rows
	for _, x := range g.xs[1:] {
		if store.Replaces(x, best) {
			best = x
		}
	}
	if len(rows) == 0 {
		c.write[p] = append(c.write[p], store.Row{Excerpt: best})
		return
	}
	kept := rows[0]
	for _, row := range rows[1:] {
		loser := row
		if store.Replaces(row.Excerpt, kept.Excerpt) {
			loser, kept = kept, row
		}
		c.out[loser.in] = append(c.out[loser.in], loser.ID)
	}
	if !store.Replaces(best, kept.Excerpt) {
		return
	}
	c.write[p] = append(c.write[p], store.Row{Excerpt: best})
	if kept.in != p {
		c.out[kept.in] = append(c.out[kept.in], kept.ID)
	}
}

// rejoin makes the rows of one group anew, of all that was published of it.
func (s *Store) rejoin(ctx context.Context, g *group, c *change) error {
	var xs []policy.Excerpt
	for i := range g.rows {
		parts, err := s.load(ctx, &g.rows[i])
		if err != nil {
			return err
		}
		xs = append(xs, parts...)
	}
	xs = append(xs, g.xs...)
	there := map[place][]string{} // ids that are as they should be
	for _, row := range store.Rows(s.purpose(place{purpose: xs[0].Purpose}), xs) {
		q := place{row.Purpose, row.Expires}
		there[q] = append(there[q], row.ID)
		same := func(f found) bool {
			return f.in == q && f.ID == row.ID && string(f.body) == string(row.Body()) &&
				string(f.parts) == string(row.PartsText())
		}
		if !slices.ContainsFunc(g.rows, same) {
			c.write[q] = append(c.write[q], row)
		}
	}
	for _, f := range g.rows {
		if !slices.Contains(there[f.in], f.ID) {
			c.out[f.in] = append(c.out[f.in], f.ID)
		}
	}
	return nil
}
