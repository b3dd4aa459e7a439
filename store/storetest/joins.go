package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sipsieve/store"
	"sipsieve/store/cpni"
)

func replaysInsertNothing(t *testing.T, s store.Store) {
	a, b := Call("a"), Call("b")
	put(t, s, a, b)
	put(t, s, a, b)
	put(t, s, b)
	count(t, s, "billing", 2)
	want(t, s, a, b)
}

func oneRowOfOneIDInOnePut(t *testing.T, s store.Store) {
	first, second, other := Call("a"), Call("a"), Call("a").On(1)
	second.Revision, second.Text = 2, "second"
	other.Sensor = "s0"
	put(t, s, first, second, first, other)
	count(t, s, "billing", 1)
	want(t, s, other) // of equals the lower sensor name
}

// publications returns what n sensors publish of one call: each a few revisions whose rank never falls. Each sensor
// has the call expire on a day of its own, one of two that are neighbours.
func publications(random *rand.Rand, id string, sensors int) (drafts []Draft) {
	for sensor := range sensors {
		on := random.IntN(2)
		stage, status, completeness := 0, 0, 0
		for revision := range 1 + random.IntN(3) {
			d := Call(id).On(on)
			d.Sensor, d.Revision = fmt.Sprintf("s%d", sensor), revision+1
			before := stage
			if stage = min(4, stage+random.IntN(3)); stage > before {
				status, completeness = random.IntN(3), 20*random.IntN(6)
			}
			d.Stage = cpni.StageWords()[stage]
			d.Status, d.Completeness = []string{"evicted", "partial", "complete"}[status], completeness
			drafts = append(drafts, d)
		}
	}
	return drafts
}

// joinDoesNotDependOnOrder: whatever the order and the parcels in which publications come, what wins by the
// rule among all is what is left.
func joinDoesNotDependOnOrder(histories int) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		random := rand.New(rand.NewPCG(7, 11))
		for round := range histories {
			id := fmt.Sprintf("call%04d", round)
			drafts := publications(random, id, 1+random.IntN(3))
			best := drafts[0]
			for _, d := range drafts[1:] {
				if store.Replaces(d.Excerpt(t), best.Excerpt(t)) {
					best = d
				}
			}
			arrivals := slices.Concat(drafts, drafts[:1+random.IntN(len(drafts))])
			random.Shuffle(len(arrivals), func(i, j int) { arrivals[i], arrivals[j] = arrivals[j], arrivals[i] })
			for len(arrivals) > 0 {
				n := 1 + random.IntN(len(arrivals))
				put(t, s, arrivals[:n]...)
				arrivals = arrivals[n:]
			}
			purpose := store.Query{Purpose: "billing"}
			body := string(best.Excerpt(t).Body())
			got := slices.DeleteFunc(answer(t, s, purpose), func(b string) bool { return !contains(b, id) })
			if len(got) != 1 || got[0] != body {
				t.Fatalf("round %d: got %s, want %s", round, got, body)
			}
		}
		count(t, s, "billing", histories)
	}
}

func neighbouringDaysAreJoined(t *testing.T, s store.Store) {
	for _, days := range []int{1, -1} {
		id := fmt.Sprintf("id%d", days)
		old, fresh, late := Call(id), Call(id).On(days), Call(id)
		old.Stage = "start"
		fresh.Sensor = "s2"
		late.Stage, late.Revision, late.Text = "answer", 2, "late"
		put(t, s, old)
		put(t, s, fresh)
		put(t, s, late)
	}
	put(t, s, Call("other"))
	count(t, s, "billing", 3)
	before, after := Call("id-1").On(-1), Call("id1").On(1)
	before.Sensor, after.Sensor = "s2", "s2"
	want(t, s, before, Call("other"), after)
}

func distantDaysAreNot(t *testing.T, s store.Store) {
	put(t, s, Call("a"), Call("a").On(2))
	want(t, s, Call("a"), Call("a").On(2))
}

func purposesAreKeptApart(t *testing.T, s store.Store) {
	theirs := Call("a")
	theirs.Purpose = "fraud"
	put(t, s, Call("a"), theirs)
	want(t, s, Call("a"))
	expect(t, s, store.Query{Purpose: "fraud"}, theirs)
	expect(t, s, store.Query{Purpose: "capacity"})
	count(t, s, "fraud", 1)
	count(t, s, "capacity", 0)
}

// largePutsAreKeptWhole puts more than a store may write at once, of two days in turn, the second much less often.
func largePutsAreKeptWhole(t *testing.T, s store.Store) {
	const n = 2500
	var drafts []Draft
	for i := range n {
		drafts = append(drafts, Call(fmt.Sprintf("call%05d", i)).On(i%10/9))
	}
	put(t, s, drafts...)
	count(t, s, "billing", n)
	put(t, s, drafts...)
	count(t, s, "billing", n)
}

func starsAndQuotesInIDsAreNothingOdd(t *testing.T, s store.Store) {
	odd := []Draft{Call(`"`), Call(`%`), Call(`'; DROP TABLE excerpt; --`), Call(`*`), Call(`\u0041`), Call("é")}
	put(t, s, odd...)
	put(t, s, odd...)
	want(t, s, odd...)
}
