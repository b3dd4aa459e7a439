package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// sees returns the excerpt of a sensor that saw a part of the dialog: id, what is missing, and how much was seen.
func sees(sensor, id, dialog string, completeness int, missing ...string) Draft {
	d := Call(id)
	d.Sensor, d.Dialog, d.Completeness, d.Missing = sensor, &dialog, completeness, missing
	d.Duration, d.DisconnectBy, d.Flags = nil, "unknown", []string{}
	if len(missing) > 0 {
		d.Status = "partial"
	}
	return d
}

// failOver returns a call whose INVITE and answer one host of a pair saw, and whose BYE the other; and the row that is
// right of it. Each host expires it by what it saw: host B's row may lie in the next partition.
func failOver(dialog string) (a, b, right Draft) {
	a = sees("a", "of"+dialog, dialog, 60, "bye", "bye_response")
	a.Setup, a.Answer, a.EndCause, a.EndSource = after(0), after(2*time.Second+300), "timeout", "max_duration"
	a.Flags = []string{"answer_by_ack"}
	b = sees("b", "bye"+dialog, dialog, 40, "invite", "final_response", "ack").On(1)
	sixteen, talk := 16, 61_000
	b.End, b.EndCause, b.EndSource, b.Q850 = after(63*time.Second+500), "normal", "observed", &sixteen
	b.Flags = []string{"cause_derived"}
	right = a
	right.Status, right.Missing, right.Completeness, right.Billable = "complete", []string{}, 100, true
	right.End, right.EndCause, right.EndSource, right.Q850, right.Duration = b.End, "normal", "observed", &sixteen, &talk
	right.Flags = []string{"cause_derived", "answer_by_ack"}
	return a, b, right
}

// inEveryOrder calls try with every order of xs.
func inEveryOrder(xs []Draft, try func([]Draft)) {
	if len(xs) < 2 {
		try(xs)
		return
	}
	for i := range xs {
		rest := slices.Delete(slices.Clone(xs), i, i+1)
		inEveryOrder(rest, func(order []Draft) { try(append([]Draft{xs[i]}, order...)) })
	}
}

func aFailOverIsOneRow(t *testing.T, s store.Store) {
	a, b, right := failOver("d1")
	for _, order := range [][]Draft{{a}, {b}, {b}, {a}} {
		put(t, s, order...)
	}
	want(t, s, right)
	count(t, s, "billing", 1)
	for n, parcel := range [][]Draft{{a, b}, {b, a}} {
		a, b, _ := failOver(fmt.Sprint("in one put ", n))
		for i := range parcel {
			parcel[i] = map[string]Draft{"a": a, "b": b}[parcel[i].Sensor]
		}
		put(t, s, parcel...)
		put(t, s, parcel...)
		count(t, s, "billing", 2+n)
	}
	theirs, byes, _ := failOver("d1")
	theirs.Purpose, byes.Purpose = "fraud", "capacity" // no purpose is completed by what another has
	put(t, s, byes)
	put(t, s, theirs)
	expect(t, s, store.Query{Purpose: "fraud"}, theirs)
	expect(t, s, store.Query{Purpose: "capacity"}, byes)
}

// anOpenCallIsCompletedToo: host A published the answer and an interim, then host B saw the BYE; what A publishes in
// the end, when it has waited long enough, changes nothing.
func anOpenCallIsCompletedToo(t *testing.T, s store.Store) {
	n := 0
	stop, bye, right := failOver("d")
	answer, interim := stop, stop
	answer.Stage, answer.Missing, answer.Completeness, answer.EndCause, answer.EndSource = "answer", []string{}, 0, "", ""
	interim.Stage, interim.Missing, interim.Completeness = "interim", []string{}, 0
	answer.Revision, interim.Revision, stop.Revision, right.Revision = 1, 2, 3, 3
	inEveryOrder([]Draft{answer, interim, stop, bye}, func(order []Draft) {
		n++
		for _, d := range renamed(n, append(order, order[0])...) {
			put(t, s, d)
		}
		body := string(renamed(n, right)[0].Excerpt(t).Body())
		dialog := fmt.Sprintf(`"d/%d"`, n)
		got := slices.DeleteFunc(answerOf(t, s), func(b string) bool { return !strings.Contains(b, dialog) })
		if len(got) != 1 || got[0] != body {
			t.Fatalf("order %d: got %s\nwant %s", n, got, body)
		}
	})
	count(t, s, "billing", n)
}

func answerOf(t *testing.T, s store.Store) []string {
	return answer(t, s, store.Query{Purpose: "billing"})
}

// renamed returns the drafts as those of another call.
func renamed(n int, drafts ...Draft) []Draft {
	drafts = slices.Clone(drafts)
	for i := range drafts {
		d := &drafts[i]
		d.ID = fmt.Sprintf("%s/%d", d.ID, n)
		if d.Dialog != nil {
			dialog := fmt.Sprintf("%s/%d", *d.Dialog, n)
			d.Dialog = &dialog
		}
	}
	return drafts
}

// aSensorThatForgotIsCompletedByItself: a host whose state was lost between answer and BYE.
func aSensorThatForgotIsCompletedByItself(t *testing.T, s store.Store) {
	a, b, right := failOver("d")
	b.Sensor = "a"
	put(t, s, b)
	put(t, s, a)
	want(t, s, right)
}

// aByeThatTwoSourcesOfASensorSawIsOneRow: a sensor has the whole call from a folder, and from the wire, on which it
// missed the beginning, its BYE; and the BYE of another call with the same Call-ID and tags, which stays a row.
func aByeThatTwoSourcesOfASensorSawIsOneRow(t *testing.T, s store.Store) {
	n := 0
	whole, bye, other := sees("a", "whole", "d", 100), sees("a", "bye", "d", 40, "invite", "final_response", "ack"),
		sees("a", "other", "d", 40, "invite", "final_response", "ack")
	whole.End, bye.End, other.End = after(time.Minute), after(time.Minute), after(time.Hour)
	inEveryOrder([]Draft{whole, bye, other}, func(order []Draft) {
		n++
		for _, d := range renamed(n, order...) {
			put(t, s, d)
		}
		want(t, s, renamed(n, other, whole)...)
		sweep(t, s, Expires, 2)
	})
}

// partsOfADialogInAnyOrder: whatever sensors saw of a dialog, and in whatever order and parcels it comes, the store
// has the rows that all of it makes together.
func partsOfADialogInAnyOrder(histories int) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		random := rand.New(rand.NewPCG(3, 5))
		for round := range histories {
			dialog := fmt.Sprintf("d%04d", round)
			drafts := pieces(random, dialog)
			var xs []policy.Excerpt
			for i := range drafts {
				drafts[i].number = uint64(i + 1)
				xs = append(xs, drafts[i].Excerpt(t))
			}
			var bodies []string
			rows := store.Rows(nil, xs)
			for _, row := range rows {
				bodies = append(bodies, string(row.Body()))
			}
			arrivals := slices.Concat(drafts, drafts[:random.IntN(len(drafts))])
			random.Shuffle(len(arrivals), func(i, j int) { arrivals[i], arrivals[j] = arrivals[j], arrivals[i] })
			for len(arrivals) > 0 {
				n := 1 + random.IntN(len(arrivals))
				put(t, s, arrivals[:n]...)
				arrivals = arrivals[n:]
			}
			got := slices.DeleteFunc(answerOf(t, s), func(b string) bool { return !strings.Contains(b, `"`+dialog+`"`) })
			slices.Sort(bodies)
			slices.Sort(got)
			if !slices.Equal(got, bodies) {
				t.Fatalf("round %d:\ngot  %s\nwant %s", round, strings.Join(got, "\n"), strings.Join(bodies, "\n"))
			}
		}
	}
}

// pieces returns excerpts of two to five sensors of one dialog.
func pieces(random *rand.Rand, dialog string) (drafts []Draft) {
	whole, bye, _ := failOver(dialog)
	for sensor := range 2 + random.IntN(4) {
		d := []Draft{whole, bye, sees("", "mid"+dialog, dialog, 80, "invite"), sees("", "mid"+dialog, dialog, 20,
			"invite", "final_response", "bye"), sees("", whole.ID, dialog, 100), sees("", whole.ID, dialog, 60, "invite", "ack"),
			sees("", whole.ID, dialog, 80, "bye_response")}[random.IntN(7)]
		d.Sensor = fmt.Sprintf("s%d", sensor)
		if d.ID != whole.ID && random.IntN(3) == 0 {
			d.ID += "/2"
		}
		if d.EndSource == "" && !slices.Contains(d.Missing, "bye") {
			d.End, d.EndCause, d.EndSource = after(time.Duration(40+10*random.IntN(6))*time.Second), "normal", "observed"
		}
		d = d.On(random.IntN(2))
		drafts = append(drafts, d)
	}
	return drafts
}

// callsThatAreWholeStayApart: two calls of a PBX that uses Call-ID and tags again, each seen from its INVITE on.
func callsThatAreWholeStayApart(t *testing.T, s store.Store) {
	a, b := sees("a", "first", "d", 100), sees("a", "second", "d", 100)
	copied := sees("b", "bye", "d", 40, "invite", "final_response", "ack")
	put(t, s, a, copied, b) // host B saw the BYE of one of them as well: no third call
	want(t, s, a, b)
	count(t, s, "billing", 2)
}

func anEndBeforeTheAnswerIsAnothers(t *testing.T, s store.Store) {
	a, b, _ := failOver("d")
	b.End = after(time.Second)
	put(t, s, b)
	put(t, s, a)
	want(t, s, a, b)
}

// ofOneRevisionTheBestStays: a capture that was read while it grew, then whole; and of bodies that are worth the
// same, the one that was published later.
func ofOneRevisionTheBestStays(t *testing.T, s store.Store) {
	cut, whole, first, second := Call("a"), Call("a"), Call("a"), Call("a")
	cut.Status, cut.Completeness = "partial", 40
	first.Text, second.Text = "first", "second"
	for i, d := range []*Draft{&whole, &first, &second, &cut} {
		d.number = uint64(i + 1)
	}
	n := 0
	inEveryOrder([]Draft{cut, first, second, whole}, func(order []Draft) {
		n++
		for _, d := range renamed(n, order...) {
			put(t, s, d)
		}
		expect(t, s, store.Query{Purpose: "billing"}, renamed(n, second)...)
		sweep(t, s, Expires, 1)
	})
}
