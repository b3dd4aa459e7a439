package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

func contains(body, id string) bool { return strings.Contains(body, `"id":"`+id+`"`) }

func bodiesComeBackByteForByte(t *testing.T, s store.Store) {
	d := Call("a")
	d.Text = "a \"b\"\n\x00 \u2028 é 𝄞 </script>"
	put(t, s, d)
	want(t, s, d)
}

func queryKeepsToItsBounds(t *testing.T, s store.Store) {
	noon := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
	at := after
	early, exact, late, half, none := Call("early"), Call("exact"), Call("late"), Call("half"), Call("none")
	early.Setup, exact.Setup, late.Setup = at(-time.Microsecond*1500), at(0), at(time.Second)
	half.Answer = at(500 * time.Millisecond) // its INVITE was not seen
	phone := Call("phone").On(1)
	phone.Kind, phone.Schema, phone.Event = "registration", "sipsieve.registration/1", at(time.Millisecond)
	put(t, s, early, exact, late, half, none, phone)
	for _, c := range []struct {
		q    store.Query
		want []Draft
	}{
		{store.Query{}, []Draft{early, exact, half, late, none, phone}},
		{store.Query{From: noon}, []Draft{exact, half, late, phone}},
		{store.Query{To: noon}, []Draft{early}},
		{store.Query{From: noon, To: noon.Add(time.Second)}, []Draft{exact, half, phone}},
		{store.Query{From: noon.Add(time.Millisecond), To: noon.Add(time.Hour)}, []Draft{half, late, phone}},
		{store.Query{Kind: "registration"}, []Draft{phone}},
		{store.Query{Kind: "device"}, nil},
		{store.Query{Limit: 6}, []Draft{early, exact, half, late, none, phone}},
		{store.Query{Limit: 9}, []Draft{early, exact, half, late, none, phone}},
	} {
		c.q.Purpose = "billing"
		expect(t, s, c.q, c.want...)
	}
}

func queryStopsWhenItsReaderDoes(t *testing.T, s store.Store) {
	put(t, s, Call("a"), Call("b"), Call("c").On(1))
	for range s.Query(t.Context(), store.Query{Purpose: "billing"}) {
		break
	}
	put(t, s, Call("d"))
	count(t, s, "billing", 4)
}

func noPurposeNoAnswer(t *testing.T, s store.Store) {
	put(t, s, Call("a"))
	for _, purpose := range []string{"", "*", "%", ".", "..", "billing/../billing", "BILLING"} {
		var last error
		for item, err := range s.Query(t.Context(), store.Query{Purpose: purpose}) {
			if last = err; err == nil {
				t.Errorf("purpose %q: got %s, want nothing", purpose, item.Body)
			}
		}
		if !errors.Is(last, store.ErrNoPurpose) {
			t.Errorf("purpose %q: error = %v, want ErrNoPurpose", purpose, last)
		}
	}
}

func oddPurposesAreRefusedAlone(t *testing.T, s store.Store) {
	odd := Call("b")
	odd.Purpose = "../up"
	err := s.Put(t.Context(), excerpts(t, Call("a"), odd, Call("c")))
	var refused store.Refused
	if !errors.As(err, &refused) || !errors.Is(err, store.ErrName) || errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("error = %v, want Refused for ErrName", err)
	}
	if len(refused) != 1 || refused[0].Count != 1 {
		t.Errorf("refused = %+v, want 1", refused)
	}
	want(t, s, Call("a"), Call("c"))
}

func sweepForgetsWholeDaysOnly(t *testing.T, s store.Store) {
	theirs := Call("a")
	theirs.Purpose = "fraud"
	put(t, s, Call("a").On(-1), Call("b").On(-1), Call("c"), Call("d").On(1), theirs)
	sweep(t, s, Call("").On(-2).day, 0)
	sweep(t, s, Expires, 4)
	want(t, s, Call("d").On(1))
	count(t, s, "fraud", 0)
	sweep(t, s, Expires, 0)
	want(t, s, Call("d").On(1))
}

func sweep(t *testing.T, s store.Store, day policy.Date, want int) {
	t.Helper()
	gone, err := s.Sweep(t.Context(), day)
	if err != nil {
		t.Fatal(err)
	}
	if gone != want {
		t.Errorf("swept on %v: %d rows, want %d", day, gone, want)
	}
}

func sweptDaysCanBeFilledAgain(t *testing.T, s store.Store) {
	put(t, s, Call("a"))
	sweep(t, s, Expires, 1)
	put(t, s, Call("b"))
	want(t, s, Call("b"))
}

// readersAndWritersDoNotMeet: a reader sees every row that was there when it began, one version of each, whatever
// is put meanwhile.
func readersAndWritersDoNotMeet(t *testing.T, s store.Store) {
	var drafts []Draft
	for n := range 100 {
		drafts = append(drafts, Call(fmt.Sprintf("call%03d", n)))
	}
	put(t, s, drafts...)
	done := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for revision := 2; ; revision++ {
			if ctx.Err() != nil {
				done <- nil
				return
			}
			for i := range drafts {
				drafts[i].Revision = revision
			}
			if err := s.Put(context.WithoutCancel(ctx), excerpts(t, drafts...)); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 10 {
		if got := len(answer(t, s, store.Query{Purpose: "billing"})); got != 100 {
			t.Errorf("rows = %d, want 100", got)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	count(t, s, "billing", 100)
}

// sweepLeavesReadersAlone: a reader in the middle of what is swept ends with what it had or could still read.
func sweepLeavesReadersAlone(t *testing.T, s store.Store) {
	put(t, s, Call("a"), Call("b"), Call("c"), Call("d").On(1))
	var bodies []string
	for item, err := range s.Query(t.Context(), store.Query{Purpose: "billing"}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(bodies) == 0 {
			sweep(t, s, Expires, 3)
		}
		bodies = append(bodies, string(item.Body))
	}
	if len(bodies) < 2 || !contains(bodies[len(bodies)-1], "d") {
		t.Errorf("bodies = %s, want the first at least, and d at the end", bodies)
	}
	want(t, s, Call("d").On(1))
}

func closedIsUnavailable(t *testing.T, s store.Store) {
	put(t, s, Call("a"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, count := s.Count(t.Context())
	_, sweep := s.Sweep(t.Context(), Expires)
	var query error
	for _, err := range s.Query(t.Context(), store.Query{Purpose: "billing"}) {
		query = err
	}
	for name, err := range map[string]error{
		"put": s.Put(t.Context(), excerpts(t, Call("b"))), "count": count, "sweep": sweep, "query": query,
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: error = %v, want ErrUnavailable", name, err)
		}
	}
}

func anEndedContextIsUnavailable(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, excerpts(t, Call("a"))); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error = %v, want ErrUnavailable", err)
	}
	put(t, s, Call("a"))
	want(t, s, Call("a"))
}
