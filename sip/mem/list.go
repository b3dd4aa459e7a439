package mem

// Lists are several lists of the numbers of one Slab, in the order in which the numbers were appended. A number stands
// in one of the lists or in none. Lists are numbered, too: 1 is the first, 0 stands for none. The zero Lists are empty.
// Every method takes constant time.
type Lists struct {
	lists []ends // by list
	links []link // by number
}

type ends struct{ first, last, n uint32 }

type link struct{ list, before, after uint32 }

// Move removes n from its list and appends it to list; 0 only removes it. If n stands in list already, it keeps its
// place.
func (l *Lists) Move(n, list uint32) {
	for int(n) >= len(l.links) {
		l.links = append(l.links, link{})
	}
	own := &l.links[n]
	if own.list == list {
		return
	}
	l.unlink(*own)
	if *own = (link{list: list}); list == 0 {
		return
	}
	for int(list) >= len(l.lists) {
		l.lists = append(l.lists, ends{})
	}
	e := &l.lists[list]
	own.before = e.last
	if e.last == 0 {
		e.first = n
	} else {
		l.links[e.last].after = n
	}
	e.last = n
	e.n++
}

// unlink makes the neighbours of a number with link old those of each other.
func (l *Lists) unlink(old link) {
	if old.list == 0 {
		return
	}
	list := &l.lists[old.list]
	list.n--
	if old.before == 0 {
		list.first = old.after
	} else {
		l.links[old.before].after = old.after
	}
	if old.after == 0 {
		list.last = old.before
	} else {
		l.links[old.after].before = old.before
	}
}

// Of returns the list in which n stands, 0 for none.
func (l *Lists) Of(n uint32) uint32 {
	if int(n) >= len(l.links) {
		return 0
	}
	return l.links[n].list
}

// First returns the first number of list, 0 if it is empty.
func (l *Lists) First(list uint32) uint32 { return l.ends(list).first }

// Last returns the last number of list, 0 if it is empty.
func (l *Lists) Last(list uint32) uint32 { return l.ends(list).last }

// Len returns how many numbers stand in list.
func (l *Lists) Len(list uint32) int { return int(l.ends(list).n) }

func (l *Lists) ends(list uint32) ends {
	if int(list) >= len(l.lists) {
		return ends{}
	}
	return l.lists[list]
}

// Before returns the number before n in its list, 0 if n is the first. n stands in a list.
func (l *Lists) Before(n uint32) uint32 { return l.links[n].before }

// A List is a single list of numbers of a Slab, for instance in the order of their last use. The zero List is empty.
type List struct{ lists Lists }

// Append puts n at the end, wherever it stood before.
func (l *List) Append(n uint32) {
	l.lists.Move(n, 0)
	l.lists.Move(n, 1)
}

// Remove removes n, if it stands in l.
func (l *List) Remove(n uint32) { l.lists.Move(n, 0) }

// First returns the number that was appended longest ago, 0 if l is empty.
func (l *List) First() uint32 { return l.lists.First(1) }
