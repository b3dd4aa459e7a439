package store

import (
	"slices"

	"sipsieve/sip/event"
	"sipsieve/store/policy"
)

// A Found is a row that is in a store: its envelope as far as a join needs it, and where it is.
type Found struct {
	policy.Excerpt
	In          Place
	Joined      bool   // it has parts
	Body, Parts []byte // loaded when they are needed
}

// Publications returns what f was made of, as it was published, once Body and Parts are loaded.
func (f *Found) Publications() ([]policy.Excerpt, error) {
	if f.Parts != nil {
		return ReadParts(f.Parts)
	}
	x, err := Kept(f.Body, f.Published)
	return []policy.Excerpt{x}, err
}

// A group is what has an id or a dialog in common: excerpts to put, in the order in which they come, and rows.
type group struct {
	xs   []policy.Excerpt
	rows []Found
}

// plain reports whether all of g has one id and nothing of another is joined to it: then the best of it is all.
func (g *group) plain() bool {
	one := g.xs[0]
	other := func(x policy.Excerpt) bool {
		return x.ID != one.ID || x.Dialog != "" && (x.Missing^one.Missing)&event.NoInvite != 0
	}
	for _, x := range g.xs {
		if other(x) {
			return false
		}
	}
	for _, row := range g.rows {
		if row.Joined || other(row.Excerpt) {
			return false
		}
	}
	return true
}

// Groups are excerpts to put in groups of what has an id or a dialog in common, each with the rows that have to do with
// it. Two groups that turn out to be one are merged into the earlier.
type Groups struct {
	order        []*group
	ids, dialogs map[string]*group
	moved        map[*group]*group
}

// Gather returns the groups of xs.
func Gather(xs []policy.Excerpt) *Groups {
	g := &Groups{ids: map[string]*group{}, dialogs: map[string]*group{}, moved: map[*group]*group{}}
	for _, x := range xs {
		one := g.of(x)
		one.xs = append(one.xs, x)
	}
	return g
}

// Add puts each row into its group.
func (g *Groups) Add(rows []Found) {
	for _, row := range rows {
		one := g.of(row.Excerpt)
		one.rows = append(one.rows, row)
	}
}

// of returns the group of x, a new one if nothing is known of it.
func (g *Groups) of(x policy.Excerpt) *group {
	one := g.resolve(g.ids[x.ID])
	if x.Dialog != "" {
		other := g.resolve(g.dialogs[x.Dialog])
		switch {
		case one == nil:
			one = other
		case other != nil && other != one:
			one.xs, one.rows = append(one.xs, other.xs...), append(one.rows, other.rows...)
			g.moved[other] = one
		}
	}
	if one == nil {
		one = new(group)
		g.order = append(g.order, one)
	}
	g.ids[x.ID] = one
	if x.Dialog != "" {
		g.dialogs[x.Dialog] = one
	}
	return one
}

func (g *Groups) resolve(one *group) *group {
	for g.moved[one] != nil {
		one = g.moved[one]
	}
	return one
}

// Keys returns the ids and the dialogs of g.
func (g *Groups) Keys() (ids, dialogs []string) {
	list := func(m map[string]*group) []string {
		names := make([]string, 0, len(m))
		for name := range m {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	return list(g.ids), list(g.dialogs)
}

// Join returns the change that puts the excerpts of g, whose own partition is p, or less where what is there already
// wins. It calls load for the Body and Parts of rows, once and only if there are some to be made anew.
func (g *Groups) Join(u *policy.Purpose, p Place, load func([]*Found) error) (Change, error) {
	c := Change{Write: map[Place][]Row{}, Out: map[Place][]string{}}
	var odd []*group
	var needed []*Found
	for _, one := range g.order {
		switch {
		case g.moved[one] != nil:
		case one.plain():
			c.settle(p, one)
		default:
			odd = append(odd, one)
			for i := range one.rows {
				needed = append(needed, &one.rows[i])
			}
		}
	}
	if len(needed) > 0 {
		if err := load(needed); err != nil {
			return c, err
		}
	}
	for _, one := range odd {
		if err := c.rejoin(u, one); err != nil {
			return c, err
		}
	}
	return c, nil
}

// A Change is what a Put does to the partitions: rows to write, and ids to take out.
type Change struct {
	Write map[Place][]Row
	Out   map[Place][]string
}

// settle puts the best of one id where no other id has to do with it. Of all that is there only one stays.
func (c *Change) settle(p Place, g *group) {
	best, rows := g.xs[0], g.rows
	for _, x := range g.xs[1:] {
		if Replaces(x, best) {
			best = x
		}
	}
	if len(rows) == 0 {
		c.Write[p] = append(c.Write[p], Row{Excerpt: best})
		return
	}
	kept := rows[0]
	for _, row := range rows[1:] {
		loser := row
		if Replaces(row.Excerpt, kept.Excerpt) {
			loser, kept = kept, row
		}
		c.Out[loser.In] = append(c.Out[loser.In], loser.ID)
	}
	if !Replaces(best, kept.Excerpt) {
		return
	}
	c.Write[p] = append(c.Write[p], Row{Excerpt: best})
	if kept.In != p {
		c.Out[kept.In] = append(c.Out[kept.In], kept.ID)
	}
}

// rejoin makes the rows of one group anew, of all that was published of it.
func (c *Change) rejoin(u *policy.Purpose, g *group) error {
	var xs []policy.Excerpt
	for i := range g.rows {
		parts, err := g.rows[i].Publications()
		if err != nil {
			return err
		}
		xs = append(xs, parts...)
	}
	xs = append(xs, g.xs...)
	there := map[Place][]string{} // ids that are as they should be
	for _, row := range Rows(u, xs) {
		q := PlaceOf(row.Excerpt)
		there[q] = append(there[q], row.ID)
		same := func(f Found) bool {
			return f.In == q && f.ID == row.ID && string(f.Body) == string(row.Body()) &&
				string(f.Parts) == string(row.PartsText())
		}
		if !slices.ContainsFunc(g.rows, same) {
			c.Write[q] = append(c.Write[q], row)
		}
	}
	for _, f := range g.rows {
		if !slices.Contains(there[f.In], f.ID) {
			c.Out[f.In] = append(c.Out[f.In], f.ID)
		}
	}
	return nil
}
