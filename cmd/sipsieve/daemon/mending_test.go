package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
	"sipsieve/store/sqlite"
	"sipsieve/store/storetest"
)

// TestWhatTheBusHasNoMoreIsALoss damages a partition of which the bus has but a part: the bus is asked once, waited for,
// and the rest is announced once.
func TestWhatTheBusHasNoMoreIsALoss(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	xs := make([]policy.Excerpt, 3)
	for i, id := range []string{"a", "b", "c"} {
		xs[i] = storetest.Call(id).Numbered(uint64(i + 1)).Excerpt(t)
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
	defer files.Close()
	var log strings.Builder
	behind, asked, refuse := uint64(1), 0, true
	m := &mending{log: slog.New(slog.NewTextHandler(&log, nil)), files: files, lost: map[string]cpni.Loss{},
		failed: map[string]bool{},
		behind: func(context.Context, string) (uint64, error) { return behind, nil },
		again: func(context.Context, string) error {
			if refuse {
				return errors.New("no")
			}
			asked++
			return nil
		}}
	m.mend(t.Context())
	m.mend(t.Context())
	refuse = false
	m.mend(t.Context())
	m.mend(t.Context())
	if lost := m.takeLosses(); asked != 1 || len(lost) > 0 {
		t.Errorf("asked %d times, lost %v, want once, and nothing yet", asked, lost)
	}
	if err := files.Put(t.Context(), xs[1:2]); err != nil {
		t.Fatal(err)
	}
	behind = 0
	m.mend(t.Context())
	m.mend(t.Context())
	if one := m.takeLosses()["billing"]; one.Count != 2 || one.Reason != "damaged" || len(m.takeLosses()) > 0 {
		t.Errorf("lost = %+v, want 2, once", one)
	}
	to := map[string]string{}
	m.troubles(to)
	if !strings.HasPrefix(to["store.damaged.billing"], "2 rows") {
		t.Errorf("troubles = %v, want 2 rows", to)
	}
	for text, n := range map[string]int{"does not deliver again": 1, "was damaged": 1, "are lost": 1} {
		if got := strings.Count(log.String(), text); got != n {
			t.Errorf("%q stands %d times in the log, want %d:\n%s", text, got, n, log.String())
		}
	}
}
