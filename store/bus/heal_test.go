package bus

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// breakServer has the server behave as after an error of its disk: it logs it, and would take nothing more.
func breakServer(b *Bus, errno syscall.Errno) {
	b.server.Server().Errorf("Filestore [CPNI_BILLING] Critical write error: %v", errno)
}

// TestASpoolThatIsOpenedAnewGoesOn has the server opened anew under a publisher, a keeper and readers, of this process and
// of another.
func TestASpoolThatIsOpenedAnewGoesOn(t *testing.T) {
	t.Parallel()
	type reopened struct {
		why   error
		found int
	}
	reports := make(chan reopened, 10)
	c := config(t.TempDir(), 0, "billing")
	c.Listen, c.Keepers = "127.0.0.1:0", []string{"store"}
	c.Reopened = func(why error, found []Damage) { reports <- reopened{why, len(found)} }
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	access, _ := b.Access("billing")
	elsewhere := connect(t, access.Remote())
	into, tails := newMemory(), map[*Bus]*memory{b: newMemory(), elsewhere: newMemory()}
	stop := running(t, b.Consumer("billing", "store"), into)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, len(tails))
	for reader, seen := range tails {
		go func() {
			for x, err := range reader.Tail(ctx, "billing", true) {
				if err == nil {
					err = seen.Put(ctx, []policy.Excerpt{x})
				}
				if err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	const part = 20
	for i := range uint64(3) {
		if i > 0 {
			b.spool.positions.Lock() // the server is not opened anew meanwhile
			breakServer(b, syscall.EIO)
			if err := b.Publisher().Put(t.Context(), calls(t, "billing", 0, 1)); !errors.As(err, new(BrokenError)) || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Put while it is broken: %v, want a BrokenError", err)
			}
			b.spool.positions.Unlock()
			await(t, into, "the server anew", func() bool { return b.Traffic().Reopened == i && b.broken() == nil })
		}
		publish(t, b, int(i)*part, int(i+1)*part)
		for _, m := range []*memory{into, tails[b], tails[elsewhere]} {
			await(t, m, "all of them", func() bool { return m.len() == int(i+1)*part })
		}
	}
	for id, n := range into.times {
		if n > 3 { // each opening may deliver it once more
			t.Errorf("%s came %d times", id, n)
		}
	}
	if now, _ := b.Access("billing"); now != access || b.server.Server().ClientURL() != access.URL {
		t.Error("the server listens elsewhere")
	}
	end()
	for range tails {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(stop(), elsewhere.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	if n := len(reports); n < 1 || n > 2 { // one for both, unless 5 s lie between them
		t.Errorf("%d reports, want 1 or 2", n)
	}
	for range len(reports) {
		if r := <-reports; !errors.Is(r.why, syscall.EIO) || r.found != 0 {
			t.Errorf("report = %+v, want EIO without damage", r)
		}
	}
	if b, err = Embedded(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if found := b.Damages(); len(found) != 0 {
		t.Errorf("damages at the next start = %+v, want none", found)
	}
}

// TestAClosedSpoolThatIsBrokenSaysSo closes a Bus whose disk cannot be written.
func TestAClosedSpoolThatIsBrokenSaysSo(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 0, "billing")
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, 0, 10)
	b.spool.stop()
	<-b.spool.done
	breakServer(b, syscall.EROFS)
	if err := b.Close(); !errors.Is(err, syscall.EROFS) {
		t.Errorf("error = %v, want EROFS", err)
	}
	if b, err = Embedded(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if found, n := b.Damages(), messages(t, b); len(found) != 0 || n != 10 {
		t.Errorf("damages = %+v, messages = %d, want none and 10", found, n)
	}
}
