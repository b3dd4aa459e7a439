package storetest

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// noon is the middle of the day on which the sensors of these tests ran.
var noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

// ops returns the record of that kind of sensor s1 which spans the time between two minutes after noon.
func ops(kind store.OpsKind, first, last int) store.OpsRecord {
	return store.OpsRecord{Kind: kind, Site: "dfw1", Sensor: "s1", Policy: "0123456789abcdef", Expires: Expires,
		From: noon.Add(time.Duration(first) * time.Minute), To: noon.Add(time.Duration(last) * time.Minute)}
}

// putOps puts records as they come from the bus.
func putOps(t *testing.T, s store.Store, records ...store.OpsRecord) {
	t.Helper()
	var xs []policy.Excerpt
	for i := range records {
		x, err := records[i].Excerpt()
		if err != nil {
			t.Fatal(err)
		}
		xs = append(xs, x)
	}
	if err := s.Put(t.Context(), xs); err != nil {
		t.Fatal(err)
	}
}

// expectOps complains unless the answer to q is these records in this order.
func expectOps(t *testing.T, s store.Store, q store.Query, records ...store.OpsRecord) {
	t.Helper()
	q.Purpose = store.Ops
	var got, want []string
	for item, err := range s.Query(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := store.ReadOps(item.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(r)
		got = append(got, string(text))
	}
	for _, r := range records {
		text, _ := json.Marshal(r)
		want = append(want, string(text))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v\ngot  %s\nwant %s", q, got, want)
	}
}

func opsComeBackByTimeAndKind(t *testing.T, s store.Store) {
	start, stop := ops(store.SensorStart, 0, 10), ops(store.SensorStop, 10, 60)
	loss, count := ops(store.LossWindow, 20, 21), ops(store.Ledger, 10, 59)
	loss.Purpose, loss.Count, loss.Reason = "billing", 17, "overflow"
	count.Ledger = json.RawMessage(`{"calls":{"live":-3,"opened":12}}`)
	other := ops(store.PolicyInForce, 5, 120)
	other.Sensor, other.Site, other.Expires = "s2", "dfw2", policy.Date{Year: 2027, Month: time.May, Day: 1}
	putOps(t, s, stop, start, loss, other, count)
	expectOps(t, s, store.Query{}, start, loss, count, stop, other)
	expectOps(t, s, store.Query{Kind: string(store.LossWindow)}, loss)
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	expectOps(t, s, store.Query{From: minute(21)}, loss, count, stop, other) // by the end of their spans
	expectOps(t, s, store.Query{From: minute(22)}, count, stop, other)
	expectOps(t, s, store.Query{To: minute(11)}, start)
	expectOps(t, s, store.Query{From: minute(121)})
}

// opsThatComeAgainAreThereOnce: after a crash a sensor repeats what it does not know to be put.
func opsThatComeAgainAreThereOnce(t *testing.T, s store.Store) {
	one, other := ops(store.LossWindow, 0, 1), ops(store.LossWindow, 0, 1)
	one.Purpose, one.Reason, other.Purpose, other.Reason = "billing", "full", "billing", "overflow"
	putOps(t, s, one, other, one)
	putOps(t, s, other)
	count(t, s, store.Ops, 2)
}

// opsGoOnTheirDay: they are forgotten like any other record, and nothing of another purpose goes with them.
func opsGoOnTheirDay(t *testing.T, s store.Store) {
	later := ops(store.Ledger, 60, 120)
	later.Expires.Year++
	putOps(t, s, ops(store.Ledger, 0, 60), later)
	put(t, s, Call("a"))
	if gone, err := s.Sweep(t.Context(), Expires); err != nil || gone != 2 {
		t.Errorf("gone = %d, %v, want the ledger and the call of that day", gone, err)
	}
	expectOps(t, s, store.Query{}, later)
}
