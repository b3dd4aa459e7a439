package sqlite

import (
	"encoding/json"

	"sipsieve/sip/event"
	"sipsieve/store/policy"
)

// A found is a row that is there: its envelope as far as a join needs it, and where it is.
type found struct {
	policy.Excerpt
	in          place
	joined      bool   // it has parts
	body, parts []byte // loaded when they are needed
}

// A group is what has an id or a dialog in common: excerpts to put, in the order in which they come, and rows.
type group struct {
	xs   []policy.Excerpt
	rows []found
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
		if row.joined || other(row.Excerpt) {
			return false
		}
	}
	return true
}

// groups finds the group of an id or a dialog. Two that turn out to be one are merged into the earlier.
type groups struct {
	order        []*group
	ids, dialogs map[string]*group
	moved        map[*group]*group
}

// gather returns the groups of xs.
func gather(xs []policy.Excerpt) *groups {
	g := &groups{ids: map[string]*group{}, dialogs: map[string]*group{}, moved: map[*group]*group{}}
	for _, x := range xs {
		one := g.of(x)
		one.xs = append(one.xs, x)
	}
	return g
}

// add puts each row into its group. A row that is in two is found once for each; it counts once.
func (g *groups) add(rows []found) {
	for _, row := range rows {
		one := g.of(row.Excerpt)
		one.rows = append(one.rows, row)
	}
}

// of returns the group of x, a new one if nothing is known of it.
func (g *groups) of(x policy.Excerpt) *group {
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

func (g *groups) resolve(one *group) *group {
	for g.moved[one] != nil {
		one = g.moved[one]
	}
	return one
}

// list returns the groups in the order of their first excerpts.
func (g *groups) list() (all []*group) {
	for _, one := range g.order {
		if g.moved[one] == nil {
			all = append(all, one)
		}
	}
	return all
}

// keys returns the ids and the dialogs of g as lists in JSON.
func (g *groups) keys() (ids, dialogs string) {
	list := func(m map[string]*group) string {
		names := make([]string, 0, len(m))
		for name := range m {
			names = append(names, name)
		}
		text, _ := json.Marshal(names)
		return string(text)
	}
	return list(g.ids), list(g.dialogs)
}
