// Package storetest is the contract of a store.Store as tests, whatever it keeps its rows in.
package storetest

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// Run holds the stores that open returns, empty and each by itself, to the contract of store.Store, and to the laws
// of order with that many random histories. None of the stores suppresses what has expired.
func Run(t *testing.T, histories int, open func(t *testing.T) store.Store) {
	run(t, open, map[string]func(*testing.T, store.Store){
		"ReplaysInsertNothing":             replaysInsertNothing,
		"OneRowOfOneIDInOnePut":            oneRowOfOneIDInOnePut,
		"JoinDoesNotDependOnOrder":         joinDoesNotDependOnOrder(histories),
		"OfOneRevisionTheBestStays":        ofOneRevisionTheBestStays,
		"AFailOverIsOneRow":                aFailOverIsOneRow,
		"AnOpenCallIsCompletedToo":         anOpenCallIsCompletedToo,
		"AFailOverOfOneSensorThatForgot":   aSensorThatForgotIsCompletedByItself,
		"AByeOfTwoSourcesIsOneRow":         aByeThatTwoSourcesOfASensorSawIsOneRow,
		"PartsOfADialogInAnyOrder":         partsOfADialogInAnyOrder(histories),
		"CallsThatAreWholeStayApart":       callsThatAreWholeStayApart,
		"AnEndBeforeTheAnswerIsAnothers":   anEndBeforeTheAnswerIsAnothers,
		"NeighbouringDaysAreJoined":        neighbouringDaysAreJoined,
		"DistantDaysAreNot":                distantDaysAreNot,
		"PurposesAreKeptApart":             purposesAreKeptApart,
		"BodiesComeBackByteForByte":        bodiesComeBackByteForByte,
		"QueryKeepsToItsBounds":            queryKeepsToItsBounds,
		"QueryStopsWhenItsReaderDoes":      queryStopsWhenItsReaderDoes,
		"NoPurposeNoAnswer":                noPurposeNoAnswer,
		"OddPurposesAreRefusedAlone":       oddPurposesAreRefusedAlone,
		"SweepForgetsWholeDaysOnly":        sweepForgetsWholeDaysOnly,
		"SweptDaysCanBeFilledAgain":        sweptDaysCanBeFilledAgain,
		"ReadersAndWritersDoNotMeet":       readersAndWritersDoNotMeet,
		"SweepLeavesReadersAlone":          sweepLeavesReadersAlone,
		"LargePutsAreKeptWhole":            largePutsAreKeptWhole,
		"ClosedIsUnavailable":              closedIsUnavailable,
		"AnEndedContextIsUnavailable":      anEndedContextIsUnavailable,
		"StarsAndQuotesInIDsAreNothingOdd": starsAndQuotesInIDsAreNothingOdd,
	})
}

// run runs tests, each with a store of its own.
func run(t *testing.T, open func(*testing.T) store.Store, tests map[string]func(*testing.T, store.Store)) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			test(t, s)
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// Expires is the day that excerpts of Call expire unless they say otherwise.
var Expires = policy.Date{Year: 2026, Month: time.November, Day: 24}

// A Draft is an excerpt in the making: what is not set is as Call has it.
type Draft struct {
	Schema       string      `json:"schema"`
	Kind         string      `json:"kind"`
	Stage        string      `json:"stage"`
	ID           string      `json:"id"`
	Dialog       *string     `json:"dialog"`
	Revision     int         `json:"revision"`
	Status       string      `json:"status"`
	Missing      []string    `json:"missing"`
	Completeness int         `json:"completeness"`
	Purpose      string      `json:"purpose"`
	Policy       string      `json:"policy"`
	Class        string      `json:"class"`
	Expires      string      `json:"expires"`
	Site         string      `json:"site"`
	Sensor       string      `json:"sensor"`
	Source       string      `json:"source"`
	Setup        *Moment     `json:"setup_time"`
	Event        *Moment     `json:"event_time,omitempty"`
	Answer       *Moment     `json:"answer_time"`
	End          *Moment     `json:"end_time"`
	Duration     *int        `json:"duration_ms"`
	Q850         *int        `json:"q850_cause"`
	Flags        []string    `json:"call_flags"`
	DisconnectBy string      `json:"disconnect_by"`
	EndCause     string      `json:"end_cause"`
	EndSource    string      `json:"end_time_source"`
	Billable     bool        `json:"billable"`
	Account      string      `json:"account_id,omitempty"`
	TrunkIn      string      `json:"trunk_in,omitempty"`
	TrunkOut     string      `json:"trunk_out,omitempty"`
	Disposition  string      `json:"disposition,omitempty"`
	CallID       string      `json:"call_id,omitempty"`
	Text         string      `json:"text,omitempty"`
	day          policy.Date // Expires
	number       uint64      // in the sensor's stream, see Numbered; 0 if it is not known
}

// A Moment is a time as a policy writes it that keeps it in full.
type Moment time.Time

// MarshalJSON writes m in UTC with microseconds.
func (m Moment) MarshalJSON() ([]byte, error) {
	return []byte(time.Time(m).UTC().Format(`"2006-01-02T15:04:05.000000Z"`)), nil
}

// after returns the Moment so long after noon of a day.
func after(d time.Duration) *Moment {
	m := Moment(time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC).Add(d))
	return &m
}

// Call returns a draft: the call of that id as sensor s1 publishes it for billing.
func Call(id string) Draft {
	minute := 61000
	return Draft{Schema: "sipsieve.call/1", Kind: "call", Stage: "stop", ID: id, Revision: 1, Status: "complete",
		Missing: []string{}, Completeness: 100, Purpose: "billing", Policy: "0123456789abcdef", Class: "cpni",
		Site: "dfw1", Sensor: "s1", Source: "interface", Duration: &minute, day: Expires}
}

// On returns d as it expires so many days after Expires.
func (d Draft) On(days int) Draft {
	day := time.Date(Expires.Year, Expires.Month, Expires.Day+days, 0, 0, 0, 0, time.UTC)
	d.day = policy.Date{Year: day.Year(), Month: day.Month(), Day: day.Day()}
	return d
}

// Numbered returns d with its place in its sensor's stream.
func (d Draft) Numbered(n uint64) Draft {
	d.number = n
	return d
}

// of returns d as that sensor published it.
func (d Draft) of(sensor string, number uint64) Draft {
	d.Sensor = sensor
	return d.Numbered(number)
}

// Excerpt returns d as it comes from the bus.
func (d Draft) Excerpt(t testing.TB) policy.Excerpt {
	t.Helper()
	d.Expires = fmt.Sprintf("%04d-%02d-%02d", d.day.Year, d.day.Month, d.day.Day)
	payload, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	x, err := policy.Received(payload)
	if err != nil {
		t.Fatal(err)
	}
	x.Published = policy.Sequence{Stream: int64(min(d.number, 1)), Number: d.number}
	return x
}

func put(t *testing.T, s store.Store, drafts ...Draft) {
	t.Helper()
	if err := s.Put(t.Context(), excerpts(t, drafts...)); err != nil {
		t.Fatal(err)
	}
}

func excerpts(t testing.TB, drafts ...Draft) (xs []policy.Excerpt) {
	t.Helper()
	for _, d := range drafts {
		xs = append(xs, d.Excerpt(t))
	}
	return xs
}

// answer returns the bodies that q has.
func answer(t *testing.T, s store.Store, q store.Query) []string {
	t.Helper()
	return collect(t, s.Query(t.Context(), q))
}

func collect(t *testing.T, items iter.Seq2[store.Item, error]) (all []string) {
	t.Helper()
	for item, err := range items {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(item.Body))
	}
	return all
}

// want complains unless the store's answer for billing is these drafts, in whatever order.
func want(t *testing.T, s store.Store, drafts ...Draft) {
	t.Helper()
	expect(t, s, store.Query{Purpose: "billing"}, drafts...)
}

func expect(t *testing.T, s store.Store, q store.Query, drafts ...Draft) {
	t.Helper()
	bodies, got := bodiesOf(t, drafts...), answer(t, s, q)
	slices.Sort(bodies)
	slices.Sort(got)
	if !slices.Equal(got, bodies) {
		t.Errorf("%+v\ngot  %s\nwant %s", q, got, bodies)
	}
}

func bodiesOf(t *testing.T, drafts ...Draft) (bodies []string) {
	t.Helper()
	for _, x := range excerpts(t, drafts...) {
		bodies = append(bodies, string(x.Body()))
	}
	return bodies
}

// count complains unless a purpose has n rows.
func count(t *testing.T, s store.Store, purpose string, n int) {
	t.Helper()
	counts, err := s.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if counts[purpose] != n {
		t.Errorf("rows of %s = %d, want %d", purpose, counts[purpose], n)
	}
}
