package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/sqlite"
	"sipsieve/store/storetest"
	"sipsieve/store/vault"
)

// A fakeBus is a bus that has so many excerpts for the store, or refuses to deliver any again.
type fakeBus struct {
	behind uint64
	refuse error
	away   bool
	agains []store.Cursor // of what it was to deliver again
}

func (b *fakeBus) Behind(context.Context, string) (uint64, error) { return b.behind, nil }

func (b *fakeBus) Again(_ context.Context, _ string, lost store.Cursor) error {
	if b.refuse == nil {
		b.agains = append(b.agains, lost)
	}
	return b.refuse
}

func (b *fakeBus) Away() bool { return b.away }

// damagedStore returns a store of three calls whose only partition is gone, and the mending of it.
func damagedStore(t *testing.T, source refiller, log *strings.Builder) (*mending, []policy.Excerpt) {
	t.Helper()
	return damagedStoreIn(t, t.TempDir(), source, log)
}

// damagedStoreIn is damagedStore in a folder.
func damagedStoreIn(t *testing.T, dir string, source refiller, log *strings.Builder) (*mending, []policy.Excerpt) {
	t.Helper()
	xs := make([]policy.Excerpt, 3)
	for i, id := range []string{"a", "b", "c"} {
		xs[i] = storetest.Call(id).Numbered(uint64(i + 7)).Excerpt(t)
	}
	files, err := sqlite.Open(sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(files.Put(t.Context(), xs), files.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "billing", storetest.Expires.String()+".db")); err != nil {
		t.Fatal(err)
	}
	if files, err = sqlite.Open(sqlite.Config{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	records, err := newLossRecords(&config.Setup{Config: config.Config{Site: "dfw1", Sensor: "s1"}, Policy: shippedPolicy(t), Vault: vault.Demo()})
	if err != nil {
		t.Fatal(err)
	}
	return &mending{log: slog.New(slog.NewTextHandler(log, nil)), files: files, source: source, records: records,
		limit: mendLimit, blocked: map[string]*block{}}, xs
}

// lossesOf returns the records of losses that a poller gets of billing. There are as many loss windows.
func lossesOf(t *testing.T, files store.Store) (losses []string) {
	t.Helper()
	windows := 0
	defer func() {
		if windows != len(losses) {
			t.Errorf("%d loss windows, want one for each of %d", windows, len(losses))
		}
	}()
	for item, err := range files.Query(t.Context(), store.Query{Purpose: store.Ops, Stored: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(item.Body), `"loss_purpose":"billing"`) {
			windows++
		}
	}
	for item, err := range files.Query(t.Context(), store.Query{Purpose: "billing", Stored: true}) {
		if err != nil && !errors.As(err, new(store.DamageError)) {
			t.Fatal(err)
		}
		if strings.Contains(string(item.Body), `"kind":"loss"`) {
			losses = append(losses, string(item.Body))
		}
	}
	return losses
}

// TestWhatTheBusHasNoMoreIsALoss damages a partition of which the bus has but a part: it delivers again once, is waited
// for, and the rest is a record of the store.
func TestWhatTheBusHasNoMoreIsALoss(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	source := &fakeBus{behind: 1, refuse: errors.New("no")}
	m, xs := damagedStore(t, source, &log)
	m.mend(t.Context())
	m.mend(t.Context())
	source.refuse = nil
	m.mend(t.Context())
	m.mend(t.Context())
	if lost := lossesOf(t, m.files); len(source.agains) != 1 || len(lost) > 0 {
		t.Errorf("delivered again %d times, lost %v, want once, and nothing yet", len(source.agains), lost)
	}
	if got := source.agains[0]["s1"].Number; got != 7 {
		t.Errorf("delivered again from %d on, want 7", got)
	}
	if why := m.unready(); len(why) != 1 || !strings.Contains(why[0], "CPNI_BILLING") || !strings.Contains(why[0], "3 rows") {
		t.Errorf("unready = %q, want the 3 rows", why)
	}
	if err := m.files.Put(t.Context(), xs[1:2]); err != nil {
		t.Fatal(err)
	}
	source.behind = 0
	m.mend(t.Context())
	m.mend(t.Context())
	lost := lossesOf(t, m.files)
	if len(lost) != 1 || !strings.Contains(lost[0], `"count":2,"reason":"damaged"`) ||
		!strings.Contains(lost[0], `"sensor":"store-s1"`) {
		t.Errorf("losses = %s, want 2 rows, once", lost)
	}
	to := map[string]string{}
	if m.troubles(to); to["store.damaged.billing"] != "2 rows of damaged partitions are missing" || len(m.unready()) > 0 {
		t.Errorf("troubles = %v, unready = %q, want 2 rows, and ready", to, m.unready())
	}
	for text, n := range map[string]int{"cannot be filled in now": 1, "was damaged": 1, "are lost": 1} {
		if got := strings.Count(log.String(), text); got != n {
			t.Errorf("%q stands %d times in the log, want %d:\n%s", text, got, n, log.String())
		}
	}
}

// TestALossIsARecordBeforeItIsEntered has the record refused for the moment, and has a kill come between it and the mark.
func TestALossIsARecordBeforeItIsEntered(t *testing.T) {
	t.Parallel()
	m, _ := damagedStore(t, new(fakeBus), new(strings.Builder))
	m.mend(t.Context())
	d := m.files.Damaged()[0] // refilling
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.announce(over, d); err == nil {
		t.Error("no error of a store that takes nothing")
	}
	if lost, left := lossesOf(t, m.files), m.files.Damaged(); len(lost) > 0 || len(left) != 1 {
		t.Errorf("losses %s, %v to be announced, want none and one", lost, left)
	}
	for range 2 { // the second as after a kill, which d is of before
		if err := m.announce(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if lost, left := lossesOf(t, m.files), m.files.Damaged(); len(lost) != 1 || len(left) > 0 {
		t.Errorf("losses %s, %v to be announced, want one and none", lost, left)
	}
}

// TestABusThatRefusesIsNotWaitedForForEver has a bus refuse to deliver again. While it is away it is waited for.
func TestABusThatRefusesIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	source := &fakeBus{refuse: errors.New("not allowed"), away: true}
	m, _ := damagedStore(t, source, new(strings.Builder))
	m.limit = 1 // ns
	for range 3 {
		m.mend(t.Context())
	}
	if lost := lossesOf(t, m.files); len(lost) > 0 {
		t.Errorf("losses %s, want none while the bus is away", lost)
	}
	to := map[string]string{}
	if m.troubles(to); !strings.Contains(to["store.damaged.billing"], "3 rows") ||
		!strings.Contains(to["store.damaged.billing"], "not allowed") {
		t.Errorf("troubles = %v, want the rows, and why they do not come", to)
	}
	source.away = false
	for range 3 {
		m.mend(t.Context())
	}
	if lost := lossesOf(t, m.files); len(lost) != 1 || !strings.Contains(lost[0], `"count":3`) || len(m.files.Damaged()) > 0 {
		t.Errorf("losses %s, %v to be announced, want one and none", lost, m.files.Damaged())
	}
}

// TestABlockEndsWithWhatLacked: the rows come while the bus refuses, so that nothing is lacking, and nothing is blocked.
func TestABlockEndsWithWhatLacked(t *testing.T) {
	t.Parallel()
	m, xs := damagedStore(t, &fakeBus{refuse: errors.New("not allowed")}, new(strings.Builder))
	m.mend(t.Context())
	if len(m.blocked) != 1 {
		t.Errorf("%d purposes are blocked, want 1", len(m.blocked))
	}
	if err := m.files.Put(t.Context(), xs); err != nil {
		t.Fatal(err)
	}
	m.mend(t.Context())
	if len(m.blocked) > 0 || len(m.files.Damaged()) > 0 {
		t.Errorf("%d purposes are blocked, %v lacks, want none and nothing", len(m.blocked), m.files.Damaged())
	}
}

// TestADamageAfterALossIsCountedInFull has rows that were announced as lost come after all, and the partition damaged again.
func TestADamageAfterALossIsCountedInFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m, xs := damagedStoreIn(t, dir, new(fakeBus), new(strings.Builder))
	m.mend(t.Context())
	m.mend(t.Context())
	if left := m.files.Damaged(); len(left) > 0 {
		t.Fatalf("%v to be announced, want none", left)
	}
	if err := m.files.Put(t.Context(), xs[:2]); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "billing", storetest.Expires.String()+".db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.files.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range m.files.Damaged() {
		if d.Purpose == "billing" && d.Missing == 2 {
			return
		}
	}
	t.Errorf("damaged: %v, want 2 rows of billing", m.files.Damaged())
}
