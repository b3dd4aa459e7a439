package legs

import (
	"testing"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/siptest"
)

// BenchmarkEvidence is what one INVITE shows, read and hashed: half of what a call costs its shard for its legs.
func BenchmarkEvidence(b *testing.B) {
	ms := siptest.Play(b, hosts+legText("B2B_a-1-of-alice", "alice", "sbc", 0, 60, "Session-ID: "+uuidA+";remote="+uuidB,
		"X-Call-ID: 0123456789@192.0.2.9", "P-Charging-Vector: icid-value=AyretyU0dm+6O2IrT5tAFrbHLso="))
	l := testLinking(b)
	b.ReportAllocs()
	for b.Loop() {
		l.AddInvite(&event.Evidence{Opens: true}, &ms[0])
	}
}

// BenchmarkLegs is one leg, joined by its header with the leg before: opened, told at Stop ten seconds later and
// forgotten. At 200 legs a second 2,000 are open.
func BenchmarkLegs(b *testing.B) {
	l := New(DefaultLimits(100_000))
	const talk, every = 10 * time.Second, 5 * time.Millisecond
	key := func(i int) event.Key { return event.Key{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24), 9} }
	at, i := siptest.Start, 0
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(every)
		k := key(i)
		e := event.Evidence{Leg: k, Opens: true, Src: uint64(1 + i%2), Dst: uint64(2 + i%2)}
		if i%2 == 1 {
			e.Add(event.LinkKeyKind(event.HeaderCorrelation), key(i-1).Short())
		}
		e.Add(event.LinkKeyKind(event.SDPCorrelation), uint64(i)*0x9e3779b97f4a7c15)
		e.Add(event.CalledKey, uint64(i%100)<<32|1)
		l.Observe(&event.Event{Time: at, Key: k, Kind: event.LinkKind, Evidence: &e})
		if old := i - int(talk/every); old >= 0 {
			k := key(old)
			l.Complete(&event.Event{Time: at, Key: k, Kind: event.CallKind, Stage: event.Stop, Call: &event.Call{Leg: k}})
		}
		i++
	}
	b.ReportMetric(float64(l.Counts().Remembered), "remembered")
}
