package collector

import (
	"cmp"
	"math"
	"slices"
	"time"

	"sipsieve/sip/event"
	"sipsieve/store/policy"
)

// windowLimit is how many excerpts a window has at most: then it leaves before its end.
const windowLimit = 4096

const (
	noPlace = math.MaxUint64 // of an excerpt of a file, or of the run before
	unsaved = math.MaxUint64 // number of an excerpt that is in no log
)

// A gathered excerpt waits for the end of its window, or has left it and is not settled.
type gathered struct {
	policy.Excerpt
	name   event.Key // of its entry in the log
	number uint64    // by which it is known whether that is on the disk; 0 of the run before
	place  uint64    // in the queue of live excerpts, or noPlace: only what is live is shed
	window uint64    // number of the window that it has left
}

// A window is excerpts that are published together.
type window struct {
	ends   time.Time // by the clock, which may be set
	opened time.Time
	length time.Duration
	list   []gathered
}

// over reports whether w has ended. If the clock was set back it ends after its length.
func (w *window) over(now time.Time) bool {
	return !now.Before(w.ends) || now.Sub(w.opened) >= w.length
}

// windows are the excerpts of one purpose that are not published at once. Each is settled for the queues of its lane, so
// that the end of a call or a cut goes on, as soon as it is in the log; if the log's disk fails, once it is put.
type windows struct {
	log     *excerptLog
	open    []window // the last one takes what comes
	left    uint64   // how many windows have left
	out     []gathered
	leaving queue       // the excerpts of out
	unsaved [2][]placed // by kind of queue: live, files
	parting []parting   // windows of which something is in out
	count   int         // of open and out
	waits   int         // of these, those that are not live
	outLive int         // live ones of out
}

// A placed is the place and the number of an excerpt that is not known to be in the log.
type placed struct{ place, number uint64 }

// A parting is a window that has left, and the places below which everything is in it or in those before.
type parting struct {
	window uint64
	below  [2]uint64
}

// add gathers x, whose place is that in the queue of its kind.
func (w *windows) add(x policy.Excerpt, kind int, place uint64, length time.Duration) {
	now := time.Now()
	if n := len(w.open); n == 0 || w.open[n-1].over(now) || w.open[n-1].length != length { // another policy is in force
		w.open = append(w.open, window{ends: now.Truncate(length).Add(length), opened: now, length: length})
	}
	last := &w.open[len(w.open)-1]
	g := gathered{Excerpt: x, place: noPlace}
	if kind == ofLive {
		g.place = place
	}
	w.log.add(&g, last.ends)
	w.unsaved[kind] = append(w.unsaved[kind], placed{place, g.number})
	last.list = append(last.list, g)
	w.noteAdded(&g, 1)
}

// noteAdded counts n excerpts such as g.
func (w *windows) noteAdded(g *gathered, n int) {
	w.count += n
	switch {
	case g.place == noPlace:
		w.waits += n
	case g.window > 0:
		w.outLive += n
	}
}

// restore takes up an excerpt of the run before, whose window ends then.
func (w *windows) restore(g gathered, ends time.Time, length time.Duration) {
	i, there := slices.BinarySearchFunc(w.open, ends, func(one window, t time.Time) int { return one.ends.Compare(t) })
	if !there {
		w.open = slices.Insert(w.open, i, window{ends: ends, opened: time.Now(), length: length})
	}
	w.open[i].list = append(w.open[i].list, g)
	w.noteAdded(&g, 1)
}

// full reports whether the window that takes what comes has to leave.
func (w *windows) full() bool {
	n := len(w.open)
	return n > 0 && len(w.open[n-1].list) >= windowLimit
}

// leave has the windows leave for which it is time, sorted by id, and returns how many of their excerpts have expired: those
// are removed. added is how many places the queues have given.
func (w *windows) leave(isTime func(*window) bool, added [2]uint64) (expired int) {
	var stay []window
	today := policy.DateOf(time.Now())
	for i := range w.open {
		one := &w.open[i]
		if !isTime(one) {
			stay = append(stay, *one)
			continue
		}
		w.left++
		slices.SortStableFunc(one.list, func(a, b gathered) int {
			return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Revision, b.Revision))
		})
		for _, g := range one.list {
			if g.Expired(today) {
				w.remove(&g)
				expired++
				continue
			}
			if g.window = w.left; g.place != noPlace {
				w.outLive++
			}
			w.out = append(w.out, g)
			w.leaving.add(g.Excerpt)
		}
		w.leaving.due = len(w.leaving.waiting) > 0
	}
	if len(stay) < len(w.open) {
		w.parting = append(w.parting, parting{w.left, w.below(stay, added)})
	}
	w.open = stay
	w.part()
	return expired
}

// below returns the places below which nothing is in stay.
func (w *windows) below(stay []window, added [2]uint64) [2]uint64 {
	for i := range stay {
		for _, g := range stay[i].list {
			if g.number != 0 { // it has a place in one of both
				return [2]uint64{}
			}
		}
	}
	return added
}

// part settles what is in windows of which everything is put.
func (w *windows) part() {
	for len(w.parting) > 0 && (len(w.out) == 0 || w.out[0].window > w.parting[0].window) {
		for kind := range w.unsaved {
			w.settle(kind, func(p placed) bool { return p.place < w.parting[0].below[kind] })
		}
		w.parting = w.parting[1:]
	}
}

// settle removes the first ones of which settled is true from those that are not known to be in the log.
func (w *windows) settle(kind int, settled func(placed) bool) {
	list := w.unsaved[kind]
	for len(list) > 0 && settled(list[0]) {
		list = list[1:]
	}
	w.unsaved[kind] = list
}

// head returns the place before which everything of a kind is settled; noPlace if everything is.
func (w *windows) head(kind int) uint64 {
	w.settle(kind, func(p placed) bool { return p.number < w.log.saved })
	if len(w.unsaved[kind]) == 0 {
		return noPlace
	}
	return w.unsaved[kind][0].place
}

// put notes that the batch that the publisher has is settled, but for its last excerpts that were refused, and returns the
// places of these that are live.
func (w *windows) put(refused int) (places []uint64) {
	n := len(w.leaving.taken)
	for i := range w.out[:n] {
		w.remove(&w.out[i])
		if place := w.out[i].place; i >= n-refused && place != noPlace {
			places = append(places, place)
		}
	}
	clear(w.out[:n])
	w.out = w.out[n:]
	w.part()
	return places
}

// remove notes that g waits no more.
func (w *windows) remove(g *gathered) {
	w.log.remove(g.name)
	w.noteAdded(g, -1)
}

// shed drops the last n live excerpts that have left their window and that the publisher has not, as far as there are so
// many, and returns their places.
func (w *windows) shed(n int) (places []uint64) {
	taken := len(w.leaving.taken)
	var left []gathered
	for _, g := range slices.Backward(w.out[taken:]) {
		if g.place == noPlace || len(places) == n {
			left = append(left, g)
			continue
		}
		w.remove(&g)
		places = append(places, g.place)
	}
	slices.Reverse(left)
	w.out = append(w.out[:taken:taken], left...)
	w.leaving.waiting, w.leaving.places = nil, w.leaving.places[:len(left)]
	for i := range left {
		w.leaving.waiting = append(w.leaving.waiting, left[i].Excerpt)
	}
	w.part()
	return places
}

// canShed reports whether shed would drop anything.
func (w *windows) canShed() bool {
	return slices.ContainsFunc(w.out[len(w.leaving.taken):], func(g gathered) bool { return g.place != noPlace })
}

// end stops publishing. It returns how many excerpts that have left their window are in no log.
func (w *windows) end() (lost int) {
	for i := range w.out {
		if !w.log.has(&w.out[i]) {
			w.noteAdded(&w.out[i], -1)
			lost++
		}
	}
	w.out = nil
	w.leaving.end()
	return lost
}

// holds reports whether the live excerpt at a place is not settled.
func (w *windows) holds(place uint64) bool {
	isIt := func(g gathered) bool { return g.place == place }
	return slices.ContainsFunc(w.out, isIt) ||
		slices.ContainsFunc(w.open, func(one window) bool { return slices.ContainsFunc(one.list, isIt) })
}
