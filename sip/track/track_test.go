package track

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/siptest"
)

// What every test of this package plays and reads.
var (
	everything  = siptest.Everything
	play        = siptest.Play
	messages    = siptest.Messages
	testKeyer   = siptest.Keyer
	ladderStart = siptest.Start
)

// follow gives ms to tr, waits for a while, ends the capture, and returns the Events.
func follow(t testing.TB, tr *Tracker, ms []sip.Message, wait time.Duration) (events []event.Event) {
	t.Helper()
	for i := range ms {
		events = tr.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
		balance(t, tr, i+1, false)
	}
	if len(ms) > 0 && wait > 0 {
		events = tr.Advance(events, ms[len(ms)-1].Time.Add(wait))
		balance(t, tr, len(ms), false)
	}
	events = tr.Finish(events)
	balance(t, tr, len(ms), true)
	return events
}

// balance checks that tr's sums hold after n messages.
func balance(t testing.TB, tr *Tracker, n int, ended bool) {
	t.Helper()
	c := tr.Counts()
	var sum uint64
	for _, e := range c.Ended {
		sum += e
	}
	if c.Opened != sum+c.Live+c.Evicted {
		t.Fatalf("opened %d, ended %d + live %d + evicted %d", c.Opened, sum, c.Live, c.Evicted)
	}
	if uint64(n) != c.Tracked+c.Duplicates+c.Dropped {
		t.Fatalf("messages %d, tracked %d + duplicates %d + dropped %d", n, c.Tracked, c.Duplicates, c.Dropped)
	}
	if ended && (c.Live != 0 || held(tr.calls, "dialogs") != 0 || held(tr.calls, "index") != 0) {
		t.Fatalf("after the end: live %d, dialogs %d, index %d", c.Live, held(tr.calls, "dialogs"), held(tr.calls, "index"))
	}
}

// callsIn returns the calls at Stop, in the order of their Events.
func callsIn(events []event.Event) (cs []*event.Call) {
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	for _, e := range events {
		if e.Kind == event.CallKind && e.Stage == event.Stop {
			cs = append(cs, e.Call)
		}
	}
	return cs
}

// callsOf plays a ladder, waits, and returns the calls.
func callsOf(t testing.TB, ladder string, wait time.Duration) []*event.Call {
	t.Helper()
	return callsIn(follow(t, New(DefaultLimits()), play(t, ladder), wait))
}

// hidden returns the field of what v points to that names lead to, exported or not.
func hidden(v any, names ...string) reflect.Value {
	f := reflect.ValueOf(v).Elem()
	for _, name := range names {
		f = f.FieldByName(name)
		f = reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
	}
	return f
}

// held returns how many values a map, a Slab or a List has that is a field of v; of a List 1 for any.
func held(v any, names ...string) int {
	f := hidden(v, names...)
	if f.Kind() == reflect.Map {
		return f.Len()
	}
	if m := f.Addr().MethodByName("Len"); m.IsValid() {
		return int(m.Call(nil)[0].Int())
	}
	return min(int(f.Addr().MethodByName("First").Call(nil)[0].Uint()), 1)
}

// top returns how many values a Slab has had at once at most that is a field of v.
func top(v any, names ...string) int {
	return int(hidden(v, names...).Addr().MethodByName("Top").Call(nil)[0].Uint())
}
