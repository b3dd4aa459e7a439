package track

import (
	"sync/atomic"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// Legs join the calls of one clock domain that are legs of one call: a B2BUA shows two dialogs where people hear one
// conversation. A join is a link, never a merge: each leg keeps its own Events. What is joined follows from the
// Events in their order alone, whatever shards they came from. Legs are used by one goroutine; its LegCounts may be
// read from any.
type Legs struct {
	limits LegLimits
	budget *mem.Budget
	now    int64
	legs   mem.Slab[knownLeg]
	index  map[uint64]bucket // by clue
	opened mem.List          // in the order in which they opened
	lapses mem.Deadlines
	counts legCounters
}

// LegLimits bound what Legs remember. What does not fit is counted, and the oldest goes with all that it is joined
// with, so that nobody is shown half a join.
type LegLimits struct {
	Legs   int
	Window time.Duration // between two INVITEs that a Call-ID rule, a session description or Referred-By joins
	Near   time.Duration // between two INVITEs that are joined without any header
}

// DefaultLegLimits returns limits for that many calls.
func DefaultLegLimits(calls int) LegLimits {
	return LegLimits{Legs: calls, Window: 10 * time.Second, Near: 2 * time.Second}
}

// LegCounts is what Legs have counted.
type LegCounts struct {
	Remembered uint64                     // now
	Joined     [event.Correlations]uint64 // by what joined a leg, or several, with others
	Ambiguous  uint64                     // evidence that fits several calls: no join
	Shared     uint64                     // clues that too many legs have, or that a leg has no room for
	Full       uint64                     // joins that would have made too large a group
	Forgotten  uint64                     // legs that made room
}

type legCounters struct {
	remembered, ambiguous, shared, full, forgotten atomic.Uint64
	joined                                         [event.Correlations]atomic.Uint64
}

// Limits of what peers choose: legs that have one clue, and legs of one call.
const (
	mostShared = 16
	mostJoined = 64
)

// A knownLeg is a call as Legs remember it. It holds no pointer; times are nanoseconds.
type knownLeg struct {
	key      event.Key // Call-ID and caller tag
	group    event.Key // what the legs of its call are named by if it is the first of them
	name     uint64    // of its Call-ID
	at       int64     // its INVITE, or the first message seen
	until    int64     // when clues of the window go
	src, dst uint64    // hosts
	port     uint16

	up         uint32 // an earlier leg that it is joined with by upBy; 0 for the first
	circle     uint32 // the next of those it is joined with by anything
	calls      uint16 // it and its answered forks that are not over
	upBy, best event.Correlation
	transfer   event.Transfer
	step       step
	n          uint8
	clues      [event.MaxClues + 2]clue
}

// A clue is a place in the row of the legs that have it.
type clue struct {
	token uint64
	next  uint32
	kind  event.ClueKind
}

// A bucket is the row of the legs that have one clue, the newest first.
type bucket struct {
	first  uint32
	n      uint8
	common bool // too many had it: it says nothing until they are gone
}

// NewLegs returns Legs that remember no more than l.
func NewLegs(l LegLimits) *Legs {
	return &Legs{limits: l, index: make(map[uint64]bucket)}
}

// Counts returns what has been counted so far.
func (l *Legs) Counts() (c LegCounts) {
	c.Remembered, c.Ambiguous, c.Shared = l.counts.remembered.Load(), l.counts.ambiguous.Load(), l.counts.shared.Load()
	c.Full, c.Forgotten = l.counts.full.Load(), l.counts.forgotten.Load()
	for i := range c.Joined {
		c.Joined[i] = l.counts.joined[i].Load()
	}
	return c
}

// Observe learns what an Event of LinkKind shows. Events come in the order of their Time, Key and Ordinal.
func (l *Legs) Observe(ev *event.Event) {
	l.advance(ev.Time.UnixNano())
	e := ev.Evidence
	n := l.find(ev.Key, e.Leg)
	switch {
	case n == 0 && e.Opens:
		if n = l.open(ev); n != 0 {
			l.joinOpened(n, e)
		}
	case n != 0 && e.Opens:
		l.legs.At(n).calls++
	case n != 0:
		l.joinReferred(n, e)
	}
}

// Complete sets what the call of ev is joined with, as far as it is known at ev's place in the order. After Stop
// the call can be joined with no further one.
func (l *Legs) Complete(ev *event.Event) {
	l.advance(ev.Time.UnixNano())
	if ev.Call == nil {
		return
	}
	n := l.find(ev.Key, ev.Call.Leg)
	if n == 0 {
		return
	}
	ev.Call.Join = l.joinOf(n)
	if g := l.legs.At(n); ev.Call.Transfer == event.NoTransfer {
		ev.Call.Transfer = g.transfer
	}
	if ev.Stage == event.Stop {
		l.end(n)
	}
}

// open remembers the call that ev opens, 0 if there is no room for its Call-ID.
func (l *Legs) open(ev *event.Event) uint32 {
	for has := l.legs.Len(); has >= l.limits.Legs || !l.budget.Take(has); has = l.legs.Len() {
		l.forget(l.opened.First())
	}
	e, at := ev.Evidence, ev.Time.UnixNano()
	n := l.legs.New()
	g := l.legs.At(n)
	*g = knownLeg{key: e.Leg, name: ev.Key.Short(), group: ev.Key.With(dayKey(at)), at: at, circle: n, calls: 1,
		src: e.Src, dst: e.Dst, port: e.Port, until: at + int64(l.limits.Window)}
	l.opened.Append(n)
	l.counts.remembered.Add(1)
	if !l.hold(n, event.NameClue, g.name) {
		l.free(n)
		return 0
	}
	for i := range e.N {
		l.holdOpened(n, e.Kinds[i], e.Values[i])
	}
	l.await(n)
	return n
}

// holdOpened makes n one of those that have a clue of its INVITE.
func (l *Legs) holdOpened(n uint32, kind event.ClueKind, value uint64) {
	g := l.legs.At(n)
	switch {
	case kind == event.PointerClue || kind == event.ReferredClue:
	case kind != event.CalledClue:
		l.hold(n, kind, value)
	case g.src != 0:
		l.hold(n, event.ArrivedClue, value^g.dst)
		l.hold(n, event.LeftClue, value^g.src)
	}
}

// dayKey returns a Key of the UTC day of at: a Call-ID may be used again on another one.
func dayKey(at int64) (k event.Key) {
	day := dayOf(at)
	for i := range 4 {
		k[i] = byte(day >> (8 * i))
	}
	return k
}

// find returns the leg with that Call-ID and caller tag, 0 without one.
func (l *Legs) find(call, key event.Key) uint32 {
	t := token(event.NameClue, call.Short())
	for n := l.index[t].first; n != 0; n = l.after(n, t) {
		if l.legs.At(n).key == key {
			return n
		}
	}
	return 0
}

// end takes note that a call of n is over. What is joined is kept until all of it is over.
func (l *Legs) end(n uint32) {
	g := l.legs.At(n)
	if g.calls--; g.calls > 0 {
		return
	}
	l.drop(n, ofTheLiving)
	l.release(n)
}

// release frees n and all that it is joined with, if nothing of it is open or has a clue.
func (l *Legs) release(n uint32) {
	for p := n; ; {
		g := l.legs.At(p)
		if g.calls > 0 || g.n > 0 {
			return
		}
		if p = g.circle; p == n {
			break
		}
	}
	l.freeAll(n)
}

// forget frees n and all that it is joined with, to make room.
func (l *Legs) forget(n uint32) { l.counts.forgotten.Add(l.freeAll(n)) }

func (l *Legs) freeAll(n uint32) (count uint64) {
	for p := l.legs.At(n).circle; ; count++ {
		next := l.legs.At(p).circle
		l.free(p)
		if p == n {
			return count + 1
		}
		p = next
	}
}

func (l *Legs) free(n uint32) {
	l.drop(n, func(event.ClueKind) bool { return true })
	l.lapses.Stop(n)
	l.opened.Remove(n)
	*l.legs.At(n) = knownLeg{}
	l.legs.Free(n)
	l.budget.Give(l.legs.Len())
	l.counts.remembered.Add(^uint64(0))
}

// token returns what a clue is found by.
func token(kind event.ClueKind, value uint64) uint64 {
	return value ^ uint64(kind)*0x9e3779b97f4a7c15
}

// hold makes n one of those that have a clue. It reports false if they are too many.
func (l *Legs) hold(n uint32, kind event.ClueKind, value uint64) bool {
	g, t := l.legs.At(n), token(kind, value)
	for _, c := range g.clues[:g.n] {
		if c.token == t {
			return true
		}
	}
	b := l.index[t]
	if b.n == mostShared {
		b.common = true
		l.index[t] = b
	}
	if b.n == mostShared || int(g.n) == len(g.clues) {
		l.counts.shared.Add(1)
		return false
	}
	g.clues[g.n] = clue{token: t, next: b.first, kind: kind}
	g.n++
	l.index[t] = bucket{first: n, n: b.n + 1, common: b.common}
	return true
}

// after returns the leg that stands behind n in the row of those with the clue t, 0 behind the last.
func (l *Legs) after(n uint32, t uint64) uint32 { return l.place(n, t).next }

func (l *Legs) place(n uint32, t uint64) *clue {
	g := l.legs.At(n)
	i := 0
	for g.clues[i].token != t {
		i++
	}
	return &g.clues[i]
}

// drop takes n out of the rows of its clues of those kinds.
func (l *Legs) drop(n uint32, which func(event.ClueKind) bool) {
	g := l.legs.At(n)
	for i := 0; i < int(g.n); {
		c := g.clues[i]
		if !which(c.kind) {
			i++
			continue
		}
		b := l.index[c.token]
		if b.first == n {
			b.first = c.next
		} else {
			p := b.first
			for l.after(p, c.token) != n {
				p = l.after(p, c.token)
			}
			l.place(p, c.token).next = c.next
		}
		if b.n--; b.n == 0 {
			delete(l.index, c.token)
		} else {
			l.index[c.token] = b
		}
		g.n--
		g.clues[i] = g.clues[g.n]
	}
}

// Share has l remember legs out of b, and no more than its limits.
func (l *Legs) Share(b *mem.Budget) { l.budget = b }

// Leave gives back what l has of its Budget. L is not used afterwards.
func (l *Legs) Leave() {
	l.budget.GiveAll(l.legs.Len())
	l.budget = nil
}
