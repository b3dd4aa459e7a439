package coverage

import (
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// texts returns the texts of policies that were put.
func (s *site) texts(t *testing.T) (list []store.OpsRecord) {
	t.Helper()
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	for _, body := range s.bodies {
		r, err := store.ReadOps([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind != store.PolicyText {
			continue
		}
		if policy.HashOf([]byte(r.Text)) != r.Policy {
			t.Errorf("the text of %s has another hash", r.Policy)
		}
		list = append(list, r)
	}
	return list
}

// TestTheTextOfAPolicyIsPutOnceAMonth: not at each start, at once if the policy is another, and so that there is one for as
// long as there is a record of a year that was made under it.
func TestTheTextOfAPolicyIsPutOnceAMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		spend := func(length time.Duration, stop bool) {
			l, end := s.run(t)
			time.Sleep(length)
			end()
			if !stop {
				return
			}
			if err := l.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(want int) {
			t.Helper()
			if got := len(s.texts(t)); got != want {
				t.Fatalf("%d texts, want %d", got, want)
			}
		}
		spend(time.Minute, true)
		expect(1)
		spend(time.Minute, false) // a crash
		spend(time.Minute, true)
		expect(1)
		s.more = "# a comment\n"
		spend(time.Minute, true)
		expect(2)
		time.Sleep(29 * day)
		spend(time.Minute, true)
		expect(2)
		time.Sleep(day)
		spend(time.Minute, true)
		expect(3)
		list := s.texts(t)
		if list[0].Policy == list[1].Policy || list[1].Policy != list[2].Policy {
			t.Errorf("policies = %s, %s, %s: want one, then another twice", list[0].Policy, list[1].Policy, list[2].Policy)
		}
		last := policy.DateOf(list[2].From.AddDate(1, 0, 0)) // of a record just before the next text
		if list[1].Expires.Compare(last) < 0 {
			t.Errorf("the text expires on %v, a record under it on %v", list[1].Expires, last)
		}
	})
}

// TestARunPutsTheTextAgain: the hour after it is a month old.
func TestARunPutsTheTextAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		time.Sleep(58 * time.Minute) // few signs of life before the full hour
		l, end := s.run(t)
		time.Sleep(time.Minute)
		l.mu.Lock()
		l.text.Put = l.text.Put.Add(-textEvery)
		l.mu.Unlock()
		time.Sleep(2 * time.Minute)
		end()
		if got := len(s.texts(t)); got != 2 {
			t.Errorf("%d texts, want 2", got)
		}
	})
}

// TestATextThatFindsNoRoomIsPutLater: the queue is full of others.
func TestATextThatFindsNoRoomIsPutLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l, err := Open(s.config(t))
		if err != nil {
			t.Fatal(err)
		}
		for range waitingLimit / 600 {
			_ = l.queue.add(store.OpsRecord{Kind: store.PolicyInForce})
		}
		l.putText(time.Now())
		if l.text.Policy != "" {
			t.Error("a text that was dropped counts as put")
		}
		l.queue.waiting, l.queue.fresh, l.queue.bytes = nil, nil, 0
		l.putText(time.Now())
		if got := l.queue.list(); len(got) != 1 || l.text.Policy == "" {
			t.Errorf("%d records wait, want the text", len(got))
		}
	})
}
