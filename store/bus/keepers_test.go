package bus

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sipsieve/store/bus/blocks"
)

// TestANewKeeperGetsWhatOthersHaveConfirmed adds a keeper to a spool of which another has confirmed a part, and kills it
// before the new one has confirmed anything.
func TestANewKeeperGetsWhatOthersHaveConfirmed(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	c.Keepers = []string{"store", "hub"}
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.spool.look(t.Context(), "CPNI_BILLING"); err != nil {
		t.Fatal(err)
	}
	killed := copied(t, c)
	after, err := Embedded(t.Context(), killed)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	into := newMemory()
	running(t, after.Consumer("billing", "hub"), into)
	await(t, into, "the new keeper", func() bool { return confirmed(t, after, "hub") })
	if d := after.Damages(); len(into.times) != spooled || len(d) > 0 {
		t.Errorf("the new keeper got %d, damages %+v, want %d and none", len(into.times), d, spooled)
	}
}

// TestDamageIsALossOfTheKeeperThatLacksIt damages a message that one keeper has confirmed and a new one has not, and one
// that the only keeper that is left has confirmed.
func TestDamageIsALossOfTheKeeperThatLacksIt(t *testing.T) {
	t.Parallel()
	whole := spoolOf(t)
	for _, one := range []struct {
		keepers []string
		lost    uint64
	}{{[]string{"store", "hub"}, 1}, {[]string{"store"}, 0}} {
		c := copied(t, whole)
		c.Keepers = one.keepers
		damageFirst(t, c)
		b, err := Embedded(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if d := b.Damages(); len(d) != 1 || d[0].Lost != one.lost {
			t.Errorf("keepers %v: damages %+v, want %d lost", one.keepers, d, one.lost)
		}
	}
}

// damageFirst flips a bit of the first message of billing.
func damageFirst(t *testing.T, c Config) {
	t.Helper()
	all, _, err := blocks.Files(filepath.Join(c.Dir, "jetstream", "$G", "streams", "CPNI_BILLING", "msgs"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(all[0])
	if err != nil {
		t.Fatal(err)
	}
	data[100] ^= 1
	if err := os.WriteFile(all[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestADamageIsReportedOnce kills a start between the report of a damage and the removal of the files that are set aside.
func TestADamageIsReportedOnce(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	if err := os.RemoveAll(filepath.Join(c.Dir, "jetstream", "$G", "streams", "CPNI_BILLING", "msgs")); err != nil {
		t.Fatal(err)
	}
	s, err := newSpool(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.prepare(time.Now()), s.marks.Close()); err != nil {
		t.Fatal(err)
	}
	aside := copied(t, c)
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(c.Dir, "aside"), os.DirFS(filepath.Join(aside.Dir, "aside"))); err != nil {
		t.Fatal(err)
	}
	if b, err = Embedded(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if d := b.Damages(); len(d) != 1 || d[0].Lost != spooled-settled {
		t.Errorf("damages %+v, want one, of %d", d, spooled-settled)
	}
}
