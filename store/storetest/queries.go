package storetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/store"
)

// RunQueries holds stores to what a Query says of order, filters and paging.
func RunQueries(t *testing.T, open func(t *testing.T) store.Store) {
	run(t, open, map[string]func(*testing.T, store.Store){
		"QueryIsOrderedByTimeAndID":         queryIsOrderedByTimeAndID,
		"QueryKeepsToItsFilters":            queryKeepsToItsFilters,
		"PagesByTimeAreTheAnswer":           pagesByTimeAreTheAnswer,
		"PollsMissNothingAndRepeatNothing":  pollsMissNothingAndRepeatNothing,
		"ACorrectionIsPolledAgain":          aCorrectionIsPolledAgain,
		"WhatCompletesARowIsPolled":         whatCompletesARowIsPolled,
		"AnotherStreamOfASensorIsPolled":    anotherStreamOfASensorIsPolled,
		"APollEndsWithACursor":              aPollEndsWithACursor,
		"PagesOfAPollAreTheAnswer":          pagesOfAPollAreTheAnswer,
		"APollHasFiltersToo":                aPollHasFiltersToo,
		"CursorsOfAnotherOrderAreRefused":   cursorsOfAnotherOrderAreRefused,
		"WhatIsPutInAQueryIsOfTheNext":      whatIsPutInAQueryIsOfTheNext,
		"RowsOfUnknownPlaceAreInTheFirst":   rowsOfUnknownPlaceAreInTheFirst,
		"TheReaderOfAPageReadsNoOtherPages": theReaderOfAPageReadsNoOtherPages,
		"OpsComeBackByTimeAndKind":          opsComeBackByTimeAndKind,
		"OpsThatComeAgainAreThereOnce":      opsThatComeAgainAreThereOnce,
		"OpsGoOnTheirDay":                   opsGoOnTheirDay,
	})
}

// at returns the call of that id, so many milliseconds after noon.
func at(id string, milli int) Draft {
	d := Call(id)
	d.Setup = after(time.Duration(milli) * time.Millisecond)
	return d
}

func queryIsOrderedByTimeAndID(t *testing.T, s store.Store) {
	none := Call("z none").On(1)
	put(t, s, at("b", 5).On(1), at("c", 7).On(-3), at("a", 5).On(1), at("e", 1), none, at("d", -1).On(-20), at("B", 5))
	inOrder(t, s, store.Query{}, none, at("d", -1).On(-20), at("e", 1), at("B", 5), at("a", 5).On(1), at("b", 5).On(1), at("c", 7).On(-3))
}

// inOrder complains unless the answer for billing is these drafts in this order.
func inOrder(t *testing.T, s store.Store, q store.Query, drafts ...Draft) {
	t.Helper()
	q.Purpose = "billing"
	if got, bodies := answer(t, s, q), bodiesOf(t, drafts...); !slices.Equal(got, bodies) {
		t.Errorf("%+v\ngot  %s\nwant %s", q, got, bodies)
	}
}

func queryKeepsToItsFilters(t *testing.T, s store.Store) {
	a, b, c := at("a", 1), at("b", 2).On(1), at("c", 3)
	a.Account, a.TrunkIn, a.TrunkOut, a.Disposition, a.CallID = "acme", "in1", "out1", "answered", "2026-1:aaaa"
	b.Account, b.TrunkIn, b.Disposition, b.CallID = "acme", "out1", "busy", "2026-2:bbbb"
	c.Account, c.TrunkIn, c.Disposition, c.Text = "acme2", "in1", "answered", `"2026-1:aaaa"`
	put(t, s, c, a, b)
	for _, one := range []struct {
		q    store.Query
		want []Draft
	}{
		{store.Query{Account: "acme"}, []Draft{a, b}},
		{store.Query{Account: "acm"}, nil},
		{store.Query{Account: "acme", Disposition: "busy"}, []Draft{b}},
		{store.Query{Disposition: "answered"}, []Draft{a, c}},
		{store.Query{Trunk: "in1"}, []Draft{a, c}},
		{store.Query{Trunk: "out1"}, []Draft{a, b}},
		{store.Query{Trunk: "out1", Account: "acme", Limit: 1}, []Draft{a}},
		{store.Query{Pseudonyms: []string{"2026-1:aaaa", "2026-3:aaaa"}}, []Draft{a}},
		{store.Query{Pseudonyms: []string{"2026-2:bbbb", "2026-1:aaaa"}}, []Draft{a, b}},
		{store.Query{Pseudonyms: []string{"2026-1:aaa"}}, nil},
		{store.Query{Account: "acme", From: time.Time(*after(2 * time.Millisecond))}, []Draft{b}},
		{store.Query{Kind: "device", Account: "acme"}, nil},
	} {
		inOrder(t, s, one.q, one.want...)
	}
}

func pagesByTimeAreTheAnswer(t *testing.T, s store.Store) {
	var drafts []Draft
	for n := range 57 {
		d := at(fmt.Sprintf("call%02d", n*31%57), n/4).On(n % 5)
		if n < 6 {
			d.Setup = nil
		}
		drafts = append(drafts, d)
	}
	put(t, s, drafts...)
	whole := answer(t, s, store.Query{Purpose: "billing"})
	if len(whole) != 57 {
		t.Fatalf("rows = %d, want 57", len(whole))
	}
	for _, size := range []int{1, 4, 56, 57, 58} {
		if got := pages(t, s, store.Query{Purpose: "billing", Limit: size}); !slices.Equal(got, whole) {
			t.Errorf("pages of %d: %d records, want the same %d in one order", size, len(got), len(whole))
		}
	}
}

// pages returns the answer to q, read page by page.
func pages(t *testing.T, s store.Store, q store.Query) (all []string) {
	t.Helper()
	for {
		items := items(t, s, q)
		n := 0
		for _, item := range items {
			q.After = item.Next
			if item.Body != nil {
				n++
				all = append(all, string(item.Body))
			}
		}
		if n < q.Limit {
			return all
		}
	}
}

func items(t *testing.T, s store.Store, q store.Query) (all []store.Item) {
	t.Helper()
	for item, err := range s.Query(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, item)
	}
	return all
}

// poll returns the ids of the calls that were stored after the cursor, in order, and the next cursor.
func poll(t *testing.T, s store.Store, cursor string) (ids, next string) {
	t.Helper()
	all := items(t, s, store.Query{Purpose: "billing", Stored: true, After: cursor})
	if len(all) == 0 || all[len(all)-1].Body != nil {
		t.Fatalf("%d items, want an end without a body", len(all))
	}
	var list []string
	for _, item := range all[:len(all)-1] {
		_, id, _ := strings.Cut(string(item.Body), `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		list = append(list, id)
	}
	return strings.Join(list, " "), all[len(all)-1].Next
}

// expectPoll complains unless a poll has these calls, and returns the next cursor.
func expectPoll(t *testing.T, s store.Store, cursor, want string) (next string) {
	t.Helper()
	got, next := poll(t, s, cursor)
	if got != want {
		t.Errorf("stored since %q: %s, want %s", cursor, got, want)
	}
	return next
}

func pollsMissNothingAndRepeatNothing(t *testing.T, s store.Store) {
	cursor, number := "", map[string]uint64{}
	seen := map[string]int{}
	for round := range 10 {
		var drafts []Draft
		for n := range 30 {
			sensor := fmt.Sprint("s", n*n%3)
			number[sensor]++
			drafts = append(drafts, at(fmt.Sprintf("call%d.%d", round, n), -round).On(n%4).of(sensor, number[sensor]))
		}
		put(t, s, drafts...)
		var ids string
		ids, cursor = poll(t, s, cursor)
		for id := range strings.FieldsSeq(ids) {
			seen[id]++
		}
	}
	if len(seen) != 300 || slices.Max(slices.Collect(maps.Values(seen))) != 1 {
		t.Errorf("%d calls, each at most %d times, want 300, once", len(seen), slices.Max(slices.Collect(maps.Values(seen))))
	}
	expectPoll(t, s, cursor, "")
}

// aCorrectionIsPolledAgain: an older call whose record is replaced, also by one that expires on another day.
func aCorrectionIsPolledAgain(t *testing.T, s store.Store) {
	put(t, s, at("a", 1).of("s1", 1), at("b", 2).of("s1", 2))
	cursor := expectPoll(t, s, "", "a b")
	better := at("a", 1).On(1).of("s1", 3)
	better.Revision = 2
	put(t, s, better)
	cursor = expectPoll(t, s, cursor, "a")
	put(t, s, at("a", 1).of("s1", 1)) // comes again and changes nothing
	expectPoll(t, s, cursor, "")
}

// whatCompletesARowIsPolled: the end of a call that another sensor saw.
func whatCompletesARowIsPolled(t *testing.T, s store.Store) {
	a, b, _ := failOver("d1")
	put(t, s, at("other", 1).of("b", 4), a.of("a", 7))
	cursor := expectPoll(t, s, "", "ofd1 other")
	put(t, s, b.of("b", 5))
	cursor = expectPoll(t, s, cursor, "ofd1")
	expectPoll(t, s, cursor, "")
}

// anotherStreamOfASensorIsPolled: a spool that was made anew counts from 1 again.
func anotherStreamOfASensorIsPolled(t *testing.T, s store.Store) {
	put(t, s, at("a", 1).of("s1", 900))
	cursor := expectPoll(t, s, "", "a")
	x := at("b", 2).of("s1", 1).Excerpt(t)
	x.Published.Stream = 2
	if err := s.Put(t.Context(), append(excerpts(t), x)); err != nil {
		t.Fatal(err)
	}
	cursor = expectPoll(t, s, cursor, "b")
	expectPoll(t, s, cursor, "")
}

// aPollEndsWithACursor: also without a record, and also where what was put has become no row.
func aPollEndsWithACursor(t *testing.T, s store.Store) {
	if ids, cursor := poll(t, s, ""); ids != "" || cursor != store.Start {
		t.Errorf("an empty store: %q, %q, want no record, and the cursor before the first", ids, cursor)
	}
	put(t, s, at("a", 1).of("s1", 1))
	put(t, s, at("a", 1).of("s1", 2), at("a", 1).of("s0", 5))
	ids, cursor := poll(t, s, "")
	if ids != "a" || cursor != "s0:1.5,s1:1.2" {
		t.Errorf("poll = %q, %q, want the one call and both sensors", ids, cursor)
	}
	if ids, next := poll(t, s, cursor); ids != "" || next != cursor {
		t.Errorf("poll = %q, %q, want nothing and the same cursor", ids, next)
	}
}

func pagesOfAPollAreTheAnswer(t *testing.T, s store.Store) {
	var drafts []Draft
	for n := range 40 {
		drafts = append(drafts, at(fmt.Sprintf("call%02d", n*7%40), n).On(n%3).of(fmt.Sprint("s", n%4), uint64(n+1)))
	}
	put(t, s, drafts...)
	whole := pages(t, s, store.Query{Purpose: "billing", Stored: true, Limit: 1000})
	if len(whole) != 40 {
		t.Fatalf("rows = %d, want 40", len(whole))
	}
	for _, size := range []int{1, 7, 39, 40, 41} {
		if got := pages(t, s, store.Query{Purpose: "billing", Stored: true, Limit: size}); !slices.Equal(got, whole) {
			t.Errorf("pages of %d: %d records, want the same %d in one order", size, len(got), len(whole))
		}
	}
}

func aPollHasFiltersToo(t *testing.T, s store.Store) {
	a, b := at("a", 1).of("s1", 1), at("b", 2).of("s1", 2)
	a.Account, b.Account = "acme", "other"
	put(t, s, a, b)
	all := items(t, s, store.Query{Purpose: "billing", Stored: true, Account: "acme"})
	if len(all) != 2 || !contains(string(all[0].Body), "a") || all[1].Next != "s1:1.2" {
		t.Errorf("items = %d, want call a, and the cursor behind both", len(all))
	}
}

func cursorsOfAnotherOrderAreRefused(t *testing.T, s store.Store) {
	put(t, s, at("a", 1).of("s1", 1))
	for _, q := range []store.Query{{After: "s1:1.1"}, {After: "x/"}, {Stored: true, After: "123/a"},
		{Stored: true, After: "s1:1.1,s1:1.2"}, {Stored: true, After: "S1:1.1"}} {
		q.Purpose = "billing"
		var last error
		for item, err := range s.Query(t.Context(), q) {
			if last = err; err == nil {
				t.Errorf("after %q: got %s, want nothing", q.After, item.Body)
			}
		}
		if last == nil || !strings.Contains(last.Error(), store.ErrAfter.Error()) {
			t.Errorf("after %q: error = %v, want ErrAfter", q.After, last)
		}
	}
}

// whatIsPutInAQueryIsOfTheNext: what is put while an answer is read comes with the next poll, once.
func whatIsPutInAQueryIsOfTheNext(t *testing.T, s store.Store) {
	put(t, s, at("a", 1).of("s1", 1), at("b", 2).On(1).of("s1", 2))
	var cursor string
	var got []string
	for item, err := range s.Query(t.Context(), store.Query{Purpose: "billing", Stored: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			put(t, s, at("c", 3).On(2).of("s1", 3), at("d", 4).On(1).of("s0", 1))
		}
		cursor, got = item.Next, append(got, string(item.Body))
	}
	if len(got) != 3 || cursor != "s1:1.2" {
		t.Errorf("items = %d, cursor %s, want a, b and the end", len(got), cursor)
	}
	expectPoll(t, s, cursor, "d c")
}

// rowsOfUnknownPlaceAreInTheFirst: rows of older versions bear no number.
func rowsOfUnknownPlaceAreInTheFirst(t *testing.T, s store.Store) {
	put(t, s, at("old", 1), at("a", 2).of("s1", 1))
	cursor := expectPoll(t, s, "", "old a")
	put(t, s, at("b", 3).of("s1", 2))
	expectPoll(t, s, cursor, "b")
}

func theReaderOfAPageReadsNoOtherPages(t *testing.T, s store.Store) {
	put(t, s, at("a", 1).of("s1", 1), at("b", 2).of("s1", 2), at("c", 3).On(1).of("s1", 3))
	for _, q := range []store.Query{{Limit: 2}, {Limit: 2, Stored: true}} {
		q.Purpose = "billing"
		if all := items(t, s, q); len(all) != 2 || !contains(string(all[1].Body), "b") {
			t.Errorf("items = %d, want a and b: a page that is full has no end", len(all))
		}
	}
}
