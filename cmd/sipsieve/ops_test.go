package main

import (
	"encoding/json"
	"maps"
	"slices"
	"syscall"
	"testing"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"
	"sipsieve/store/bus"
)

// opsOf returns the records about sensors in the store of s, which no daemon keeps.
func opsOf(t *testing.T, s *config.Setup) (list []store.OpsRecord) {
	t.Helper()
	answer, closing, err := daemon.Reader(s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closing() }()
	for item, err := range answer(t.Context(), store.Query{Purpose: store.Ops}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := store.ReadOps(item.Body)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// kindsOf returns how many records there are of each kind.
func kindsOf(list []store.OpsRecord) map[store.OpsKind]int {
	kinds := map[store.OpsKind]int{}
	for _, r := range list {
		kinds[r.Kind]++
	}
	return kinds
}

// addUp adds the counts of one ledger of OPS to sum.
func addUp(t *testing.T, sum map[string]float64, path string, counts json.RawMessage) {
	t.Helper()
	var tree map[string]json.RawMessage
	if err := json.Unmarshal(counts, &tree); err == nil {
		for key, value := range tree {
			addUp(t, sum, path+"."+key, value)
		}
		return
	}
	var n float64
	if err := json.Unmarshal(counts, &n); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if sum[path] += n; sum[path] == 0 {
		delete(sum, path)
	}
}

// TestLedgersOfOPSAddUpToTheStatus: those of all runs are what the status had at the end of each.
func TestLedgersOfOPSAddUpToTheStatus(t *testing.T) {
	t.Parallel()
	s := newSite(t, 20)
	s.configure(t, 0)
	n := len(s.replayed(t))
	want := map[string]float64{}
	for range 2 {
		p := s.start(t)
		p.await(t, n)
		var l *ledger.Ledger
		s.await(t, "all counts", func(now *daemon.Status) bool {
			l = now.Ledger
			for _, x := range l.Excerpts {
				if x.Pending > 0 {
					return false
				}
			}
			return now.Reading == 0
		})
		counts, err := l.Since(ledger.New())
		if err != nil {
			t.Fatal(err)
		}
		addUp(t, want, "", counts)
		if code := p.stop(t, syscall.SIGTERM); code != 0 {
			t.Fatalf("exit code = %d\n%s", code, p.stderr.String())
		}
	}
	list, got := opsOf(t, s.setup(t)), map[string]float64{}
	for _, r := range list {
		if r.Kind == store.Ledger {
			addUp(t, got, "", r.Ledger)
		}
	}
	for _, sum := range []map[string]float64{got, want} {
		maps.DeleteFunc(sum, func(key string, _ float64) bool { return slices.Contains(peaks, key) })
	}
	if !maps.Equal(got, want) || len(got) < 20 {
		t.Errorf("sums = %v\nwant   %v", got, want)
	}
	if kinds := kindsOf(list); kinds[store.SensorStart] != 2 || kinds[store.SensorStop] != 2 || kinds[store.SensorCrash] != 0 ||
		kinds[store.PolicyInForce] != kinds[store.Ledger] {
		t.Errorf("kinds = %v, want two clean runs", kinds)
	}
	proven(t, list)
}

// peaks are what no sum is made of: the highest value, and how far the host's clock can be believed now.
var peaks = []string{".host.clock_unsynchronised", ".host.clock_max_error_us"}

// proven has the ledgers, the times of stops and those since a crash follow each other without a gap.
func proven(t *testing.T, list []store.OpsRecord) {
	t.Helper()
	var spans []store.OpsRecord
	for _, r := range list {
		if r.Kind == store.Ledger || r.Gap() == store.GapDown || r.Gap() == store.GapRestart {
			spans = append(spans, r)
		}
	}
	slices.SortFunc(spans, func(a, b store.OpsRecord) int { return a.From.Compare(b.From) })
	for i, r := range spans[min(1, len(spans)):] {
		if !r.From.Equal(spans[i].To) {
			t.Errorf("%s from %v follows %s until %v", r.Kind, r.From, spans[i].Kind, spans[i].To)
		}
	}
}

// TestAHubHasWhatItsSensorsCovered: what a sensor covered comes to the storage host by way of the hub, also what it could
// not put before it was killed.
func TestAHubHasWhatItsSensorsCovered(t *testing.T) {
	t.Parallel()
	srv := natsServer(t, t.TempDir(), nil)
	s := newSite(t, 20)
	s.configure(t, 0)
	s.pushesTo(t, srv.ClientURL())
	s.arrange(t, bus.Remote{URL: srv.ClientURL()})
	n := len(s.replayed(t))
	p := s.start(t)
	p.await(t, n)
	if code := p.stop(t, syscall.SIGKILL); code == 0 {
		t.Error("it was not killed")
	}
	s.readsNothingMore(t)
	p = s.start(t)
	until(t, "the start on OPS", func() bool {
		now, err := s.reported(t.Context())
		return err == nil && now.Ledger.Ops.Acknowledged > 0 && now.Ledger.Ops.Pending == 0
	})
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d\n%s", code, p.stderr.String())
	}
	sensor := opsOf(t, s.setup(t))
	h := s.storageHost(t)
	p = h.start(t)
	until(t, "what the sensor covered", func() bool {
		now, err := h.reported(t.Context())
		return err == nil && now.Records[store.Ops] >= len(sensor)
	})
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d\n%s", code, p.stderr.String())
	}
	list := opsOf(t, h.setup(t))
	same := func(a, b store.OpsRecord) bool { return a.ID() == b.ID() }
	if !slices.EqualFunc(list, sensor, same) {
		t.Errorf("the storage host has %v, the sensor %v", kindsOf(list), kindsOf(sensor))
	}
	kinds := kindsOf(list)
	if kinds[store.SensorStart] != 1 || kinds[store.SensorCrash] != 1 || kinds[store.SensorStop] != 1 {
		t.Errorf("kinds = %v, want a start, one after a crash and a stop", kinds)
	}
	proven(t, list)
}
