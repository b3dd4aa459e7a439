package bus

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/bus/blocks"
)

// onDisk reports whether any file of a spool has a text.
func onDisk(t *testing.T, dir, text string) bool {
	t.Helper()
	for _, name := range files(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) { // the server has just removed it
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(text)) {
			return true
		}
	}
	return false
}

// planOf returns the configuration of billing's stream.
func planOf(b *Bus) jetstream.StreamConfig { return b.spool.streams[0] }

// putEarlier puts call n of billing as if it had been put that long ago and now again.
func putEarlier(t *testing.T, b *Bus, n int, ago time.Duration) {
	t.Helper()
	m, err := message(call(t, "billing", "s1", n))
	if err != nil {
		t.Fatal(err)
	}
	m.Header.Set(blocks.PutAgain, time.Now().Add(-ago).UTC().Format(time.RFC3339Nano))
	if _, err := b.stream.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// The server removes two messages that have expired, and leaves their bytes in a file that is in use.
func TestExpiredBytesLeaveTheDisk(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 1<<20, "billing")
	c.Plan.Streams[0].Retain = 100 * time.Millisecond
	c.expireEvery = 20 * time.Millisecond
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	publish(t, b, 0, 2)
	await(t, newMemory(), "that they are in no file", func() bool {
		return messages(t, b) == 0 && !onDisk(t, c.Dir, call(t, "billing", "s1", 0).ID)
	})
}

// What a keeper has not confirmed stays when the bytes of what has expired go. It is read in its order, its own time of
// expiry stays, and the next start finds no damage.
func TestUnconfirmedMessagesOutliveExpiredBytes(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 1<<20, "billing")
	c.Plan.Streams[0].Retain = 10 * time.Hour
	c.Keepers = []string{"hub"}
	c.expireEvery = time.Hour // called by the test
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	putEarlier(t, b, 0, 20*time.Hour)
	putEarlier(t, b, 1, 5*time.Hour)
	publish(t, b, 2, 10)
	expired := call(t, "billing", "s1", 0).ID
	if !onDisk(t, c.Dir, expired) {
		t.Fatal("the call is in no file before it has expired")
	}
	if err := b.spool.expire(t.Context(), planOf(b), time.Now()); err != nil {
		t.Fatal(err)
	}
	if onDisk(t, c.Dir, expired) {
		t.Error("an expired call is still in a file")
	}
	got := stored(t, b, "billing")
	for i, m := range got {
		if string(m.Data) != string(call(t, "billing", "s1", i+1).Body()) {
			t.Fatalf("message %d is another call's", i+1)
		}
	}
	if len(got) != 9 {
		t.Fatalf("messages = %d, want 9", len(got))
	}
	if put, again := putAgainAt(got[0].Header); !again || time.Since(time.Unix(0, put)) < 5*time.Hour {
		t.Error("the message that was put again has lost its time")
	}
	if err := b.spool.expire(t.Context(), planOf(b), time.Now().Add(6*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n := messages(t, b); n != 8 || onDisk(t, c.Dir, call(t, "billing", "s1", 1).ID) {
		t.Errorf("messages = %d, want 8, and the one that expired next in no file", n)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err = Embedded(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if d, n := b.Damages(), messages(t, b); len(d) > 0 || n != 8 {
		t.Errorf("after a start: %d messages, damages %+v, want 8 and none", n, d)
	}
}

// The stream is made anew again and again while excerpts are put and read. None is lost.
func TestNothingIsLostWhileAStreamIsMadeAnew(t *testing.T) {
	t.Parallel()
	const all = 400
	b := kept(t, 1<<22, "store")
	into := newMemory()
	running(t, b.Consumer("billing", "store"), into)
	var put sync.WaitGroup
	put.Go(func() {
		p := b.Publisher()
		for n := 0; n < all; n += 20 {
			for {
				err := p.Put(context.Background(), calls(t, "billing", n, n+20))
				if err == nil {
					break
				}
				if !errors.Is(err, store.ErrUnavailable) {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 3 {
		if err := b.spool.renew(t.Context(), planOf(b), time.Now()); err != nil {
			t.Error(err)
		}
	}
	put.Wait()
	await(t, into, "all puts", func() bool { return into.len() == all })
	if d := b.Damages(); len(d) > 0 {
		t.Errorf("damages = %+v, want none", d)
	}
}

// A crash while a stream is made anew leaves its files aside. The next start goes on from there.
func TestACrashWhileAStreamIsMadeAnewLosesNothing(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(b.spool.folder, "aside", "CPNI_BILLING.new", "msgs"), 0o700); err != nil { // an earlier crash
		t.Fatal(err)
	}
	if err := b.spool.aside("CPNI_BILLING").Link(asideNote{Confirmed: settled}); err != nil {
		t.Fatal(err)
	}
	linked := copied(t, c)
	if err := b.stream.DeleteStream(t.Context(), "CPNI_BILLING"); err != nil {
		t.Fatal(err)
	}
	deleted := copied(t, c)
	if err := b.spool.renew(t.Context(), planOf(b), time.Now()); err != nil {
		t.Fatal(err)
	}
	done := copied(t, c)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]Config{"linked": linked, "deleted": deleted, "done": done} {
		if d, lost := reopened(t, c, what, false); lost > 0 || len(d) > 0 {
			t.Errorf("%s: lost %d, damages %+v, want none", what, lost, d)
		}
	}
}

// TestExpiredBytesAreGoneWithinAnHour has a message that expires now before others that no keeper has confirmed, and
// looks into every file of the spool after each minute of the hour.
func TestExpiredBytesAreGoneWithinAnHour(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 1<<20, "billing")
	c.Plan.Streams[0].Retain = 10 * time.Hour
	c.Keepers = []string{"hub"}
	c.expireEvery = time.Hour // called by the test
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	putEarlier(t, b, 0, 10*time.Hour)
	publish(t, b, 1, 10)
	expired, now := call(t, "billing", "s1", 0).ID, time.Now()
	minutes := 0
	for ; onDisk(t, c.Dir, expired) && minutes < 60; minutes++ {
		if err := b.spool.expire(t.Context(), planOf(b), now.Add(time.Duration(minutes)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if onDisk(t, c.Dir, expired) {
		t.Error("an hour after it has expired a call is still in a file")
	}
	if n := messages(t, b); n != 9 {
		t.Errorf("after %d minutes: %d messages, want the 9 that have not expired", minutes, n)
	}
}
