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

// Limits are those of Legs. If there are too many legs, the oldest is evicted with its whole group, so that no record
// shows half a join.
type Limits struct {
	Legs   int
	Window time.Duration // longest time between INVITEs that a Call-ID rule, a session description or Referred-By joins
	Near   time.Duration // longest time between two INVITEs that are joined without any header
}

// DefaultLimits returns limits for that many calls.
func DefaultLimits(calls int) Limits {
	return Limits{Legs: calls, Window: 10 * time.Second, Near: 2 * time.Second}
}

// New returns Legs with these limits.
func New(limits Limits) *Legs {
	l := &Legs{limits: limits}
	l.keys = linkKeys{legs: &l.legs, index: make(map[uint64]bucket), shared: &l.counts.shared}
	l.groups = groups{legs: &l.legs}
	return l
}

// Share makes b limit the legs of l as well. It is called before Observe.
func (l *Legs) Share(b *mem.Budget) { l.budget = b }

// Leave returns the legs of l to its Budget. l must not be used afterwards.
func (l *Legs) Leave() {
	l.budget.GiveAll(l.legs.Len())
	l.budget = nil
}

// Counts returns what has been counted so far.
func (l *Legs) Counts() Counts { return l.counts.read() }

// Observe applies the Evidence of ev, an Event of LinkKind.
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

// Complete sets the groups of the call of ev, an Event of CallKind, as they are at ev's place in the order. After Stop
// the call is joined with no further one.
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

// open adds the leg that ev opens and returns its number, 0 if too many legs have its Call-ID.
func (l *Legs) open(ev *event.Event) uint32 {
	for has := l.legs.Len(); has >= l.limits.Legs || !l.budget.Take(has); has = l.legs.Len() {
		l.counts.forgotten.Add(l.freeGroup(l.opened.First()))
	}
	e, t := ev.Evidence, ev.Time.UnixNano()
	n := l.legs.New()
	g := l.legs.At(n)
	*g = leg{key: e.Leg, callID: ev.Key.Short(), group: ev.Key.With(dayKey(t)), time: t, groupNext: n, calls: 1,
		src: e.Src, dst: e.Dst, port: e.Port, until: t + int64(l.limits.Window)}
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

// dayKey returns a Key of the UTC day of ns (Unix nanoseconds): a Call-ID may be used again on another day.
func dayKey(ns int64) (k event.Key) {
	day := event.DayOf(ns)
	for i := range 4 {
		k[i] = byte(day >> (8 * i))
	}
	return k
}

// end records that a call of n has ended. A group is kept until all of it has ended.
func (l *Legs) end(n uint32) {
	g := l.legs.At(n)
	if g.calls--; g.calls > 0 {
		return
	}
	l.keys.drop(n, forLiveCalls)
	l.release(n)
}

// release frees the group of n, if no leg of it is open or has a link key.
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

// freeGroup frees the group of n, and returns how many legs it had.
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

// free frees leg n.
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
		l.timers.Set(n, g.time+near)
	case inferred:
		l.timers.Set(n, g.time+2*near)
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

// onTimer handles n's timer, which expired at t (nanoseconds).
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

// infer joins a with the only leg that the host to which a was sent sent on within Near, for the same number: if no
// other leg to that host could be the cause of that one, and if neither is joined yet.
func (l *Legs) infer(a uint32) {
	g := l.legs.At(a)
	value, ok := g.called()
	if !ok || g.best != event.Uncorrelated || g.calls == 0 {
		return
	}
	near := int64(l.limits.Near)
	b, n := l.keys.uniqueCandidate(token(event.LeftKey, value), g.time+1, g.time+near)
	if n == 1 && b != a && l.legs.At(b).calls > 0 {
		t := l.legs.At(b).time
		if _, n = l.keys.uniqueCandidate(token(event.ArrivedKey, value), t-near, t-1); n == 1 {
			l.join(a, b, event.Inferred)
			return
		}
	}
	if n > 1 {
		l.counts.ambiguous.Add(1)
	}
}

// joinOpened joins n by the evidence of its INVITE: with the legs of a transfer, and with the legs of the one call that
// the strongest evidence names.
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

// joinReferred applies an accepted REFER in n. The call that follows has the name of n's group, even if n was published
// before that.
func (l *Legs) joinReferred(n uint32, e *event.Evidence) {
	if e.N == 0 {
		return
	}
	if v := e.First(event.ReferKey); v != 0 {
		l.keys.add(n, event.ReferKey, v)
	}
	l.groups.mark(n, event.TransferCorrelation)
	l.joinReplaced(n, e, event.Attended)
	l.legs.At(n).until = l.now + int64(l.limits.Window)
	l.setTimer(n)
}

// joinReplaced joins n with the call that Replaces in e names, and with the legs that name the same call.
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

// only returns a leg with a link key, if all legs with it are in one group.
func (l *Legs) only(n uint32, kind event.LinkKeyKind, value uint64) (p uint32, ok bool) {
	if value == 0 {
		return 0, false
	}
	c := candidates{legs: l, opened: n}
	c.take(kind, value)
	return c.settle()
}

// joinBy joins n with the legs of the one call that its evidence of that Correlation names. It returns false if it
// names no call, or several.
func (l *Legs) joinBy(n uint32, e *event.Evidence, by event.Correlation) bool {
	c := candidates{legs: l, opened: n, by: by}
	kind, named := event.LinkKeyKind(by), namesCallID(by)
	for i, k := range e.Kinds[:e.N] {
		if named && (k == kind || k == event.PointerKey && by == event.HeaderCorrelation) {
			c.take(event.CallIDKey, e.Values[i])
		}
	}
	if named {
		c.take(kind, l.legs.At(n).callID)
	}
	if c.n == 0 { // else the legs are named, and other keys are not needed
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

// namesCallID reports whether evidence of that Correlation may be the other leg's Call-ID.
func namesCallID(by event.Correlation) bool {
	return by == event.HeaderCorrelation || by == event.HEPCorrelation || by == event.CallIDRule
}

// join joins two legs. It returns false if their groups together are too large.
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
