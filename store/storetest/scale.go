package storetest

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"sync"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// What a Scale has beside many small accounts and trunks.
const (
	largeAccount = "account-large" // of a fifth of all calls
	largeTrunk   = "trunk-large"   // where half of all calls come in
	scaleDays    = 10              // of setup times, each with an expiry of its own
)

// A Scale is that many calls of ten days, in the order of their setup times: for measures of how many rows a store
// reads. One account has a fifth of them and 50,000 share the rest, but for a tenth that has none. One trunk has half of
// what comes in, 20 share the rest; 200 trunks share what goes out, and every 1,000th call goes out where it came in.
// Every 100,000th is redirected; each two calls in a row that begin with a number divisible by 50 have one call_id. Three
// sensors take turns.
type Scale int

// A ScaledCall is a call of a Scale.
type ScaledCall struct {
	ID, Kind, Sensor, Account, TrunkIn, TrunkOut, Disposition, CallID string // "" where it has none

	Setup     time.Time // to the millisecond
	Expires   policy.Date
	Published policy.Sequence
}

// Call returns the nth call of s, n from 0.
func (s Scale) Call(n int) ScaledCall {
	h := scatter(n)
	perDay := max(1, (int(s)+scaleDays-1)/scaleDays)
	const day = 24 * time.Hour
	ofDay := time.Duration(n%perDay) * (day / time.Duration(perDay))
	c := ScaledCall{ID: hexadecimal(h), Kind: "call", Sensor: [...]string{"s1", "s2", "s3"}[n%3],
		Account: largeAccount, TrunkIn: largeTrunk, TrunkOut: trunksOut[h>>32%200],
		Disposition: "answered", CallID: "2025-5:" + hexadecimal(scatter(-1-n)),
		Setup:   scaleStart.Add(time.Duration(n/perDay)*day + ofDay.Truncate(time.Millisecond)),
		Expires: scaleExpiry[n/perDay], Published: policy.Sequence{Stream: 1, Number: uint64(n/3 + 1)}}
	switch ten := h % 10; {
	case ten == 0:
		c.Account = ""
	case ten > 2:
		c.Account = "account" + strconv.FormatUint(h>>16%50_000, 10)
	}
	if h>>8%2 == 0 {
		c.TrunkIn = trunksIn[h>>40%20]
	}
	switch {
	case n%100_000 == 77:
		c.Disposition = "redirected"
	case h>>12%5 < 2:
		c.Disposition = [...]string{"busy", "no_answer", "cancelled", "failed"}[h>>20%4]
	}
	if n%1000 == 500 {
		c.TrunkOut = c.TrunkIn
	}
	if n%50 == 1 {
		c.CallID = "2025-5:" + hexadecimal(scatter(-n))
	}
	return c
}

var (
	scaleStart  = time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC) // setup time of the first call
	scaleExpiry = func() (days [scaleDays]policy.Date) {
		for n := range days {
			days[n] = policy.DateOf(Expires.Time().AddDate(0, 0, n))
		}
		return days
	}()
	trunksIn, trunksOut = numbered("trunk-in", 20), numbered("trunk-out", 200)
)

// numbered returns n names.
func numbered(name string, n int) (names []string) {
	for i := range n {
		names = append(names, name+strconv.Itoa(i))
	}
	return names
}

// scatter returns a number without an order (splitmix64), another for each n.
func scatter(n int) uint64 {
	z := uint64(n) * 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func hexadecimal(n uint64) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, n))
}

// A ScaledQuery is a Query of a Scale, and how many rows it returns.
type ScaledQuery struct {
	Name string
	store.Query
	Rows int
}

// Queries returns a Query for each filter and each order, all of the purpose billing and within a Limit.
func (s Scale) Queries() []ScaledQuery {
	day := scaleStart.AddDate(0, 0, 3)
	c := s.Call(int(s) * 2 / 5) // of the middle of a day
	for n := int(s) * 2 / 5; c.Account == "" || c.Account == largeAccount; n++ {
		c = s.Call(n)
	}
	on := func(name string, q store.Query) ScaledQuery {
		q.From, q.To = day, day.AddDate(0, 0, 1)
		return ScaledQuery{Name: name, Query: q}
	}
	from := store.Mark{Known: true, Milli: day.UnixMilli(), ID: "x"}.String()
	stored := store.Cursor{}
	for n := int(s) - 200; n < int(s)-197; n++ {
		stored[s.Call(n).Sensor] = s.Call(n).Published
	}
	queries := []ScaledQuery{
		on("a small account on a day", store.Query{Account: "account77"}),
		on("a large account on a day", store.Query{Account: largeAccount, Limit: 100}),
		on("a large trunk on a day", store.Query{Trunk: largeTrunk, Limit: 100}),
		on("a small trunk on a day", store.Query{Trunk: "trunk-out7", Limit: 100}),
		on("a common disposition on a day", store.Query{Disposition: "answered", Limit: 100}),
		on("a rare disposition on a day", store.Query{Disposition: "redirected"}),
		on("a kind on a day", store.Query{Kind: "call", Limit: 100}),
		on("a kind that is not there", store.Query{Kind: "device"}),
		on("a day", store.Query{Limit: 100}),
		{Name: "a small account", Query: store.Query{Account: c.Account}},
		{Name: "a large account", Query: store.Query{Account: largeAccount, Limit: 100}},
		{Name: "a rare disposition", Query: store.Query{Disposition: "redirected"}},
		{Name: "an account that is not there", Query: store.Query{Account: "nobody"}},
		{Name: "a pseudonym", Query: store.Query{Pseudonyms: []string{c.CallID, "2025-4:none"}}},
		{Name: "a page by time", Query: store.Query{After: from, Limit: 50}},
		{Name: "a page of a large account", Query: store.Query{Account: largeAccount, After: from, Limit: 50}},
		{Name: "stored since", Query: store.Query{Stored: true, After: stored.String()}},
		{Name: "a page of what was stored since", Query: store.Query{Stored: true, After: stored.String(), Limit: 50}},
	}
	s.count(queries)
	for i := range queries {
		queries[i].Purpose = "billing"
		if q := &queries[i]; q.Limit > 0 {
			q.Rows = min(q.Rows, q.Limit)
		}
	}
	return queries
}

// count enters how many calls of s each query has without its Limit, counted in ten parts side by side.
func (s Scale) count(queries []ScaledQuery) {
	const parts = 10
	var all sync.WaitGroup
	counts := make([][]int, parts)
	for part := range parts {
		counts[part] = make([]int, len(queries))
		all.Go(func() { s.countPart(queries, counts[part], int(s)*part/parts, int(s)*(part+1)/parts) })
	}
	all.Wait()
	for _, some := range counts {
		for i, n := range some {
			queries[i].Rows += n
		}
	}
}

// countPart adds to counts how many of the calls from first on and before last each query has.
func (s Scale) countPart(queries []ScaledQuery, counts []int, first, last int) {
	behind := make([]func(ScaledCall) bool, len(queries))
	for i := range queries {
		behind[i] = queries[i].behind()
	}
	for n := first; n < last; n++ {
		c := s.Call(n)
		for i := range queries {
			if queries[i].has(&c) && behind[i](c) {
				counts[i]++
			}
		}
	}
}

// has reports whether c meets the filters of q.
func (q *ScaledQuery) has(c *ScaledCall) bool {
	return (q.Kind == "" || q.Kind == c.Kind) && (q.Account == "" || q.Account == c.Account) &&
		(q.Disposition == "" || q.Disposition == c.Disposition) &&
		(q.Trunk == "" || q.Trunk == c.TrunkIn || q.Trunk == c.TrunkOut) &&
		(len(q.Pseudonyms) == 0 || q.Pseudonyms[0] == c.CallID) &&
		!c.Setup.Before(q.From) && (q.To.IsZero() || c.Setup.Before(q.To))
}

// behind returns what reports whether a call lies behind the After of q.
func (q *ScaledQuery) behind() func(ScaledCall) bool {
	if q.Stored {
		after, _ := store.ParseCursor(q.After)
		return func(c ScaledCall) bool { return after.Before(c.Sensor, c.Published) }
	}
	after, err := store.ParseMark(q.After)
	return func(c ScaledCall) bool {
		return err != nil || after.Compare(store.Mark{Known: true, Milli: c.Setup.UnixMilli(), ID: c.ID}) < 0
	}
}
