package daemon

import (
	"strings"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
	"sipsieve/store/vault"
)

// TestEachHostHasASensorOfItsLosses has two hosts whose names differ in the last character only.
func TestEachHostHasASensorOfItsLosses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 31)
	a, b := lossSensor(PlaceStore, long+"1"), lossSensor(PlaceStore, long+"2")
	if a == b || store.CheckName(a) != nil || store.CheckName(b) != nil {
		t.Errorf("%q and %q, want two names", a, b)
	}
	if got := lossSensor(PlaceHub, "s1"); got != "hub-s1" {
		t.Errorf("%q, want hub-s1", got)
	}
}

// TestALossThatIsPutAgainIsOneRecord makes the records of one loss twice, as a kill between their Put and its mark has it.
func TestALossThatIsPutAgainIsOneRecord(t *testing.T) {
	t.Parallel()
	r, err := newLossRecords(&config.Setup{Config: config.Config{Site: "dfw1", Sensor: "s1"}, Policy: shippedPolicy(t), Vault: vault.Demo()})
	if err != nil {
		t.Fatal(err)
	}
	under := restore{Lost: store.Cursor{"s1": {Stream: 1, Number: 3}}, Last: store.Cursor{"s1": {Stream: 1, Number: 9}},
		Since: time.Now().UnixMilli()}
	first := r.ofStore("billing", under.loss(2))
	again := r.ofStore("billing", under.loss(2))
	if len(first) != 2 || len(again) != 2 {
		t.Fatalf("%d and %d records, want that of the purpose and the loss window", len(first), len(again))
	}
	for i := range first {
		if first[i].ID != again[i].ID {
			t.Errorf("%s: ids %s and %s, want one", first[i].Purpose, first[i].ID, again[i].ID)
		}
	}
	if window := r.window(PlaceStore, "billing", cpni.Loss{From: time.UnixMilli(under.Since), To: time.UnixMilli(under.Since),
		Reason: "damaged", Event: under.loss(2).Event}); window[0].ID != first[1].ID {
		t.Error("the loss window is not of the time at which the restore was found")
	}
}

// shippedPolicy returns the shipped policy, not bound.
func shippedPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	p, err := config.ReadPolicy("")
	if err != nil {
		t.Fatal(err)
	}
	return p
}
