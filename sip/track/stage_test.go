package track

import (
	"testing"
	"time"

	"sipsieve/sip/event"
)

func TestEachAnsweredForkHasItsOwnRecord(t *testing.T) {
	cs := callsOf(t, `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180 tag=one
00:00.200  alice <- bob   180 tag=two
00:05.000  alice <- bob   200 INVITE tag=one
00:05.020  alice -> bob   ACK tag=one
00:05.100  alice <- bob   200 INVITE tag=two
00:05.120  alice -> bob   ACK tag=two
00:05.200  alice -> bob   BYE tag=two
00:05.210  alice <- bob   200 BYE tag=two
00:30.000  alice -> bob   BYE tag=one
00:30.010  alice <- bob   200 BYE tag=one`, 0)
	if len(cs) != 2 {
		t.Fatalf("%d records, want 2", len(cs))
	}
	second, first := cs[0], cs[1]
	if second.Flags&event.SecondFork == 0 || first.Flags&event.SecondFork != 0 {
		t.Error("the short one is the second fork")
	}
	if d := second.End.Sub(second.Answer); d != 100*time.Millisecond {
		t.Errorf("second fork lasts %v", d)
	}
	if d := first.End.Sub(first.Answer); d != 25*time.Second {
		t.Errorf("first fork lasts %v", d)
	}
	if !second.Ring.Equal(first.Ring.Add(100 * time.Millisecond)) {
		t.Error("the second fork has its own ring time")
	}
	if first.Forks != 2 || second.Forks != 2 {
		t.Errorf("forks = %d, %d, want 2", first.Forks, second.Forks)
	}
}

func TestOrphansOpenNothing(t *testing.T) {
	tr := New(DefaultLimits())
	events := follow(t, tr, play(t, `
00:00.000  alice -> bob   INVITE unseen
00:00.100  alice <- bob   180
00:01.000  alice <- bob   486 INVITE
00:01.100  alice -> bob   ACK`), time.Minute)
	if len(events) != 0 || tr.Counts().Orphans != 3 {
		t.Errorf("events %d, orphans %d, want 0 and 3", len(events), tr.Counts().Orphans)
	}
}

func TestOnlyTheChosenStagesArePublished(t *testing.T) {
	tr := New(DefaultLimits())
	tr.PublishAt(event.StagesOf(event.Start, event.Answer))
	events := follow(t, tr, play(t, answeredCall), 0)
	if len(events) != 3 {
		t.Fatalf("%d events, want 3", len(events))
	}
	for i, e := range events {
		if want := []event.Stage{event.Start, event.Answer, event.Stop}[i]; e.Stage != want || e.Revision != i+1 {
			t.Errorf("event %d: stage %d revision %d", i, e.Stage, e.Revision)
		}
	}
}

func TestFloodEvictsUnansweredOnly(t *testing.T) {
	ladder := answeredCall
	for i := range 20 {
		ladder += "callid flood" + string(rune('a'+i)) + "\n00:06.00" + string(rune('0'+i/10)) + "  " +
			"mallory -> bob INVITE\n"
	}
	ladder += "callid\n01:04.900  alice -> bob   BYE\n01:04.950  alice <- bob   200 BYE\n"
	l := DefaultLimits()
	l.Calls = 4
	tr := New(l)
	var good, evicted int
	for _, c := range callsIn(follow(t, tr, play(t, ladder), 0)) {
		switch {
		case c.Status == event.Complete && c.Disposition == event.Answered:
			good++
		case c.Status == event.Evicted && c.EndCause == event.EndEvicted:
			evicted++
		}
	}
	if good != 1 || evicted != 17 || tr.Counts().Evicted != 17 {
		t.Errorf("good %d, evicted %d, counted %d; want 1, 17, 17", good, evicted, tr.Counts().Evicted)
	}
}

func TestRegistrationsTellChangesOnly(t *testing.T) {
	tr := New(DefaultLimits())
	events := follow(t, tr, play(t, `
00:00.000  alice -> bob   REGISTER
00:00.010  alice <- bob   401
00:00.020  alice -> bob   REGISTER
    Expires: 3600
00:00.030  alice <- bob   200
    Expires: 3600
10:00.000  alice -> bob   REGISTER
    Expires: 3600
10:00.010  alice <- bob   200
    Expires: 3600
20:00.000  alice -> bob   REGISTER
    Expires: 0
20:00.010  alice <- bob   200
    Expires: 0`), 2*time.Hour)
	var got []event.RegistrationState
	for _, e := range events {
		got = append(got, e.Registration.State)
	}
	if len(got) != 2 || got[0] != event.Registered || got[1] != event.Deregistered {
		t.Errorf("states %v, want registered and deregistered", got)
	}
}
