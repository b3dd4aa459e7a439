package bus

import (
	"os"
	"path/filepath"
	"testing"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/sqlite"
)

// TestADamagedPartitionIsRefilled deletes the file of a partition while its store puts: what comes next does not wait, and
// what was in the file comes again from the stream.
func TestADamagedPartitionIsRefilled(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	dir := t.TempDir()
	s, err := sqlite.Open(sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c := b.Consumer("billing", "store")
	running(t, c, s)
	publish(t, b, 0, 300)
	rows := func(n int) func() bool {
		return func() bool {
			counts, err := s.Count(t.Context())
			return err == nil && counts["billing"] == n && confirmed(t, b, "store")
		}
	}
	await(t, newMemory(), "300 rows", rows(300))
	files, err := filepath.Glob(filepath.Join(dir, "billing", "*.db*")) // with its log
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no partition")
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, 300, 301)
	await(t, newMemory(), "one more row", func() bool { return confirmed(t, b, "store") })
	missing := 0
	for _, d := range s.Damaged() {
		missing += d.Missing
	}
	var said error
	for _, err := range s.Query(t.Context(), store.Query{Purpose: "billing"}) {
		said = err
	}
	if counts, _ := s.Count(t.Context()); counts["billing"]+missing != 301 || missing == 0 || said == nil {
		t.Errorf("%v rows, %d missing, error %v, want 301 in all, and the missing said", counts, missing, said)
	}
	if err := c.Again(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	await(t, newMemory(), "301 rows", rows(301))
	if left := s.Damaged(); len(left) > 0 {
		t.Errorf("still missing: %v", left)
	}
}

// TestWhatIsToComeAgainOutlivesACrash copies a spool as a crash leaves it after its keeper was set back: the next start
// purges nothing that the keeper is to get again.
func TestWhatIsToComeAgainOutlivesACrash(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Consumer("billing", "store").Again(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := b.spool.look(t.Context(), "CPNI_BILLING"); err != nil {
		t.Fatal(err)
	}
	after, err := Embedded(t.Context(), copied(t, c))
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if n := messages(t, after); n != spooled {
		t.Errorf("%d messages after the crash, want %d", n, spooled)
	}
}

// TestOnlyWhatMayBeLostComesAgain sets a keeper back to the lowest publication that its store lacks, and to the first
// message if one of those publications is of an earlier stream.
func TestOnlyWhatMayBeLostComesAgain(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	c := b.Consumer("billing", "store")
	publish(t, b, 0, spooled)
	into := newMemory()
	stop := running(t, c, into)
	await(t, into, "the keeper", func() bool { return confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, err := b.stream.Stream(t.Context(), store.StreamName("billing"))
	if err != nil {
		t.Fatal(err)
	}
	here := func(number uint64) policy.Sequence {
		return policy.Sequence{Stream: s.CachedInfo().Created.UnixNano(), Number: number}
	}
	for _, one := range []struct {
		lost store.Cursor
		want int
	}{
		{store.Cursor{"s1": here(120), "s2": here(130)}, spooled - 119},
		{store.Cursor{"s1": here(120), "s2": {Stream: 1, Number: 130}}, spooled},
		{nil, spooled},
	} {
		if err := c.Again(t.Context(), one.lost); err != nil {
			t.Fatal(err)
		}
		lag, err := b.Lag(t.Context(), "billing")
		if err != nil || len(lag.Consumers) != 1 || lag.Consumers[0].Behind() != uint64(one.want) {
			t.Errorf("%v: lag = %+v, error %v, want %d behind", one.lost, lag.Consumers, err, one.want)
		}
	}
}
