package coverage

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"sipsieve/store/cpni"
)

// TestALossOfBeforeIsEnteredWhenItOutlivesAKill adds a loss before the run, and kills that as soon as it is called saved,
// which it is not while the file of signs of life cannot be written.
func TestALossOfBeforeIsEnteredWhenItOutlivesAKill(t *testing.T) {
	s, began := newSite(t), time.Now()
	s.set(context.Canceled) // nothing is put
	open := func() *Log {
		l, err := Open(s.config(t))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	lost := cpni.Loss{From: began, To: began, Count: 3, Reason: "damaged", Event: "spool"}
	l.Lose("ops", lost)
	if err := os.Mkdir(s.config(t).Path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	l.begin(began)
	if l.isSaved() {
		t.Error("saved on a disk that takes no file")
	}
	if err := os.Remove(s.config(t).Path + ".new"); err != nil {
		t.Fatal(err)
	}
	l = open()
	l.Lose("ops", lost)
	ctx, kill := context.WithCancel(t.Context())
	calls := 0
	l.Run(ctx, func() { calls++; kill() })
	s.set(nil)
	after, end := s.run(t)
	end()
	if err := after.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(s.lines(t), "\n")
	if calls != 1 || strings.Count(got, "loss_window") != 1 || !strings.Contains(got, " ops 3 damaged") {
		t.Errorf("saved called %d times, want once, and one loss window:\n%s", calls, got)
	}
}
