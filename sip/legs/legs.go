package legs

import (
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// Legs are the legs of one clock domain. They are used by one goroutine; their Counts may be read by any.
type Legs struct {
	limits Limits
	budget *mem.Budget
	now    int64 // nanoseconds
	legs   mem.Slab[leg]
	keys   linkKeys
	groups groups
	opened mem.List // in the order in which they opened
	timers mem.Deadlines
	counts counters
}

// Limits bound what Legs remember. When a leg does not fit, the oldest is forgotten with all that it is joined with, so
// that no record shows half a join.
type Limits struct {
	Legs   int
	Window time.Duration // between two INVITEs that a Call-ID rule, a session description or Referred-By joins
	Near   time.Duration // between two INVITEs that are joined without any header
}

// DefaultLimits returns limits for that many calls.
func DefaultLimits(calls int) Limits {
	return Limits{Legs: calls, Window: 10 * time.Second, Near: 2 * time.Second}
}

// New returns Legs that remember no more than limits.
func New(limits Limits) *Legs {
	l := &Legs{limits: limits}
	l.keys = linkKeys{legs: &l.legs, index: make(map[uint64]bucket), shared: &l.counts.shared}
	l.groups = groups{legs: &l.legs}
	return l
}

// Share makes l remember legs out of b, and no more than its limits. It is called before Observe.
func (l *Legs) Share(b *mem.Budget) { l.budget = b }

// Leave gives back what l has of its Budget. L is not used afterwards.
func (l *Legs) Leave() {
	l.budget.GiveAll(l.legs.Len())
	l.budget = nil
}

// Counts returns what has been counted so far.
func (l *Legs) Counts() Counts { return l.counts.read() }

// Observe takes the Evidence of ev, an Event of LinkKind.
func (l *Legs) Observe(ev *event.Event) {
	l.advance(ev.Time.UnixNano())
	e := ev.Evidence
	n := l.keys.find(ev.Key, e.Leg)
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

// Complete sets what the call of ev, an Event of CallKind, is joined with, as far as it is known at ev's place in the
// order. After Stop the call is joined with no further one.
func (l *Legs) Complete(ev *event.Event) {
	l.advance(ev.Time.UnixNano())
	if ev.Call == nil {
		return
	}
	n := l.keys.find(ev.Key, ev.Call.Leg)
	if n == 0 {
		return
	}
	ev.Call.Join = l.groups.joinOf(n)
	if g := l.legs.At(n); ev.Call.Transfer == event.NoTransfer {
		ev.Call.Transfer = g.transfer
	}
	if ev.Stage == event.Stop {
		l.end(n)
	}
}

// open remembers the call that ev opens. It returns 0 if too many legs have its Call-ID.
func (l *Legs) open(ev *event.Event) uint32 {
	for has := l.legs.Len(); has >= l.limits.Legs || !l.budget.Take(has); has = l.legs.Len() {
		l.counts.forgotten.Add(l.freeGroup(l.opened.First()))
	}
	e, at := ev.Evidence, ev.Time.UnixNano()
	n := l.legs.New()
	g := l.legs.At(n)
	*g = leg{key: e.Leg, callID: ev.Key.Short(), group: ev.Key.With(dayKey(at)), at: at, groupNext: n, calls: 1,
		src: e.Src, dst: e.Dst, port: e.Port, until: at + int64(l.limits.Window)}
	l.opened.Append(n)
	l.counts.remembered.Add(1)
	if !l.keys.add(n, event.CallIDKey, g.callID) {
		l.free(n)
		return 0
	}
	for i := range e.N {
		l.keys.addEvidence(n, e.Kinds[i], e.Values[i])
	}
	l.setTimer(n)
	return n
}

// dayKey returns a Key of the UTC day of a time in Unix nanoseconds: a Call-ID may be used again on another one.
func dayKey(ns int64) (k event.Key) {
	day := int32(ns / int64(24*time.Hour))
	for i := range 4 {
		k[i] = byte(day >> (8 * i))
	}
	return k
}

// end records that a call of n is over. What is joined is kept until all of it is over.
func (l *Legs) end(n uint32) {
	g := l.legs.At(n)
	if g.calls--; g.calls > 0 {
		return
	}
	l.keys.drop(n, forLiveCalls)
	l.release(n)
}

// release frees the group of n, if none of it is open or has a link key.
func (l *Legs) release(n uint32) {
	for p := n; ; {
		g := l.legs.At(p)
		if g.calls > 0 || g.n > 0 {
			return
		}
		if p = g.groupNext; p == n {
			break
		}
	}
	l.freeGroup(n)
}

// freeGroup frees n and all that it is joined with, and returns how many they were.
func (l *Legs) freeGroup(n uint32) (count uint64) {
	for p := l.legs.At(n).groupNext; ; count++ {
		next := l.legs.At(p).groupNext
		l.free(p)
		if p == n {
			return count + 1
		}
		p = next
	}
}

func (l *Legs) free(n uint32) {
	l.keys.drop(n, func(event.LinkKeyKind) bool { return true })
	l.timers.Stop(n)
	l.opened.Remove(n)
	*l.legs.At(n) = leg{}
	l.legs.Free(n)
	l.budget.Give(l.legs.Len())
	l.counts.remembered.Add(^uint64(0))
}

// setTimer sets n's timer by its step.
func (l *Legs) setTimer(n uint32) {
	g, near := l.legs.At(n), int64(l.limits.Near)
	switch g.step {
	case inferring:
		l.timers.Set(n, g.at+near)
	case inferred:
		l.timers.Set(n, g.at+2*near)
	default:
		g.step = windowOpen
		l.timers.Set(n, g.until)
	}
}

// advance moves the clock to now, if that is later, and handles the timers that expire before.
func (l *Legs) advance(now int64) {
	l.now = max(l.now, now)
	for n, t, ok := l.timers.Expired(l.now - 1); ok; n, t, ok = l.timers.Expired(l.now - 1) {
		l.onTimer(n, t)
	}
}

// onTimer does what n's timer, which expired at t, is for.
func (l *Legs) onTimer(n uint32, t int64) {
	g := l.legs.At(n)
	switch g.step {
	case inferring:
		l.infer(n)
		g.step = inferred
		l.setTimer(n)
	case inferred:
		g.step = windowOpen
		l.keys.drop(n, func(k event.LinkKeyKind) bool { return k == event.ArrivedKey || k == event.LeftKey })
		l.setTimer(n)
		l.release(n)
	case windowOpen:
		if t < g.until {
			l.setTimer(n)
			return
		}
		g.step = windowShut
		l.keys.drop(n, forWindow)
		l.release(n)
	}
}

// infer joins a with the one leg that left, within Near, the host that a came to, for the same number: if no other did,
// if no other call could have caused it, and if neither is joined with anything.
func (l *Legs) infer(a uint32) {
	g := l.legs.At(a)
	value, ok := g.called()
	if !ok || g.best != event.Uncorrelated || g.calls == 0 {
		return
	}
	near := int64(l.limits.Near)
	b, n := l.keys.uniqueCandidate(token(event.LeftKey, value), g.at+1, g.at+near)
	if n == 1 && b != a && l.legs.At(b).calls > 0 {
		at := l.legs.At(b).at
		if _, n = l.keys.uniqueCandidate(token(event.ArrivedKey, value), at-near, at-1); n == 1 {
			l.join(a, b, event.Inferred)
			return
		}
	}
	if n > 1 {
		l.counts.ambiguous.Add(1)
	}
}

// joinOpened joins n with the legs that its INVITE shows it to belong with: those of a transfer, and those that the
// strongest evidence of one call names.
func (l *Legs) joinOpened(n uint32, e *event.Evidence) {
	l.joinReplaced(n, e, event.Attended)
	if p, ok := l.only(n, event.ReferKey, e.First(event.ReferredKey)); ok {
		l.joinTransfer(n, p, event.Blind)
	}
	for by := event.HeaderCorrelation; by > event.Inferred; by-- {
		if l.joinBy(n, e, by) {
			return
		}
	}
}

// joinReferred takes an accepted REFER in n. The call that follows has the name of n's group, even if n is published
// before it is seen.
func (l *Legs) joinReferred(n uint32, e *event.Evidence) {
	if e.N == 0 {
		return
	}
	if v := e.First(event.ReferKey); v != 0 {
		l.keys.add(n, event.ReferKey, v)
	}
	l.groups.note(n, event.TransferCorrelation)
	l.joinReplaced(n, e, event.Attended)
	l.legs.At(n).until = l.now + int64(l.limits.Window)
	l.setTimer(n)
}

// joinReplaced joins n with the call that Replaces in e names, and with the legs that name the same.
func (l *Legs) joinReplaced(n uint32, e *event.Evidence, how event.Transfer) {
	const kind = event.LinkKeyKind(event.TransferCorrelation)
	v := e.First(kind)
	if v == 0 {
		return
	}
	l.keys.add(n, kind, v)
	for _, t := range [...]uint64{token(event.CallIDKey, v), token(kind, v)} {
		for p := l.keys.index[t].first; p != 0; p = l.keys.after(p, t) {
			l.joinTransfer(n, p, how)
		}
	}
}

// joinTransfer joins two legs of a transfer.
func (l *Legs) joinTransfer(a, b uint32, how event.Transfer) {
	if a != b && l.join(a, b, event.TransferCorrelation) {
		l.legs.At(a).transfer, l.legs.At(b).transfer = how, how
	}
}

// only returns the leg that has a link key, if all that have it are joined already.
func (l *Legs) only(n uint32, kind event.LinkKeyKind, value uint64) (p uint32, ok bool) {
	if value == 0 {
		return 0, false
	}
	c := candidates{legs: l, of: n}
	c.take(kind, value)
	return c.settle()
}

// joinBy joins n with the legs of the one call that its evidence of that correlation names. It reports false if there
// is none, or if there are several.
func (l *Legs) joinBy(n uint32, e *event.Evidence, by event.Correlation) bool {
	c := candidates{legs: l, of: n, by: by}
	kind, named := event.LinkKeyKind(by), namesCallID(by)
	for i, k := range e.Kinds[:e.N] {
		if named && (k == kind || k == event.PointerKey && by == event.HeaderCorrelation) {
			c.take(event.CallIDKey, e.Values[i])
		}
	}
	if named {
		c.take(kind, l.legs.At(n).callID)
	}
	if c.n == 0 { // else the legs are named, and what else they have alike is not needed
		for i, k := range e.Kinds[:e.N] {
			if k == kind {
				c.take(kind, e.Values[i])
			}
		}
	}
	if _, ok := c.settle(); ok {
		for _, p := range c.found[:c.n] {
			l.join(n, p, by)
		}
		return true
	}
	if c.common {
		l.keys.distrust(e, kind)
	}
	return false
}

// namesCallID reports whether evidence of that correlation may be the other leg's Call-ID.
func namesCallID(by event.Correlation) bool {
	return by == event.HeaderCorrelation || by == event.HEPCorrelation || by == event.CallIDRule
}

// join joins two legs. It reports false if their groups together are too large.
func (l *Legs) join(a, b uint32, by event.Correlation) bool {
	merged, ok := l.groups.join(a, b, by)
	switch {
	case !ok:
		l.counts.full.Add(1)
	case merged:
		l.counts.joined[by].Add(1)
	}
	return ok
}
