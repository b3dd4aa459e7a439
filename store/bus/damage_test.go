package bus

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/bus/blocks"
	"sipsieve/store/policy"
)

const (
	spooled = 150 // calls in the spool that is damaged
	settled = 50  // of these, those that its keeper has confirmed
)

// spoolOf makes the folder of a spool of billing, closed, whose keeper has confirmed a part.
func spoolOf(t testing.TB) Config {
	t.Helper()
	c := config(t.TempDir(), 1<<20, "billing")
	c.Plan.Streams[0].Priority = 40 // small files of messages
	c.Keepers = []string{"store"}
	b, err := Embedded(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < spooled; n += 50 {
		publish(t, b, n, n+50)
		if n+50 == settled {
			into := newMemory()
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- b.Consumer("billing", "store").Run(ctx, into) }()
			await(t, into, "the keeper", func() bool { return confirmed(t, b, "store") })
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}

// copied returns c in a folder of its own.
func copied(t testing.TB, c Config) Config {
	t.Helper()
	for {
		dir := t.TempDir()
		err := os.CopyFS(dir, os.DirFS(c.Dir))
		if errors.Is(err, fs.ErrNotExist) { // a server that runs has just removed a file
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Dir = dir
		return c
	}
}

// files returns the files of a spool that have bytes, by their paths below its folder.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err != nil || info.Size() == 0 {
			return err
		}
		names = append(names, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// ids returns the ids of the calls that a reader of billing gets.
func ids(t testing.TB, b *Bus) map[string]bool {
	t.Helper()
	have := map[string]bool{}
	for _, m := range stored(t, b, "billing") {
		x, err := policy.Received(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		have[x.ID] = true
	}
	return have
}

// reopened opens a damaged spool and checks that what it has and what it calls lost are together all that its keeper had
// not confirmed, and, unless it is to be short, that it goes on.
func reopened(t testing.TB, c Config, what string, short bool) (d []Damage, lost int) {
	t.Helper()
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer b.Close()
	have := ids(t, b)
	for n := settled; n < spooled; n++ {
		if !have[call(t, "billing", "s1", n).ID] {
			lost++
		}
	}
	counted := 0
	for _, one := range b.Damages() {
		counted += int(one.Lost)
		if one.Lost > 0 && (one.Purpose != "billing" || one.From.After(one.To) || time.Since(one.To) > time.Hour) {
			t.Errorf("%s: damage %+v, want it to be of billing, and its times", what, one)
		}
	}
	if counted != lost {
		t.Errorf("%s: %d lost, counted %d", what, lost, counted)
	}
	if short {
		return b.Damages(), lost
	}
	publish(t, b, spooled, spooled+1)
	into := newMemory()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Consumer("billing", "store").Run(ctx, into) }()
	await(t, into, "the keeper", func() bool { return confirmed(t, b, "store") })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for n := settled; n <= spooled; n++ {
		if id := call(t, "billing", "s1", n).ID; (n == spooled || have[id]) && into.times[id] == 0 {
			t.Fatalf("%s: call %d is there, and its keeper did not get it", what, n)
		}
	}
	return b.Damages(), lost
}

func TestDamagedSpoolIsFoundCountedAndMended(t *testing.T) {
	t.Parallel()
	rounds := 12
	if os.Getenv("SIPSIEVE_FULL") != "" {
		rounds = 100
	}
	whole := spoolOf(t)
	names := files(t, whole.Dir)
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 8))
		c := copied(t, whole)
		name := names[r.IntN(len(names))]
		if seed%3 != 0 { // most often the messages themselves
			for !strings.HasSuffix(name, ".blk") || strings.Contains(name, "OPS") {
				name = names[r.IntN(len(names))]
			}
		}
		path := filepath.Join(c.Dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		truncated := seed%2 == 0
		if truncated {
			data = data[:r.IntN(len(data))]
		} else {
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		d, lost := reopened(t, c, name, rounds < 100 && seed%4 != 0)
		blocks := strings.HasSuffix(name, ".blk") && strings.Contains(name, "BILLING")
		switch {
		case !truncated && lost > 1:
			t.Errorf("%d: %s: one flipped bit costs %d messages", seed, name, lost)
		case blocks && !truncated && len(d) == 0:
			t.Errorf("%d: %s: not found", seed, name)
		case !blocks && lost > 0:
			t.Errorf("%d: %s: %d messages lost for a file that has none", seed, name, lost)
		}
	}
}

func TestAStreamThatIsGoneIsCounted(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	if err := os.RemoveAll(filepath.Join(c.Dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	d, lost := reopened(t, c, "gone", false)
	if lost != spooled-settled || len(d) != 1 {
		t.Errorf("lost %d, damages %+v, want %d and one", lost, d, spooled-settled)
	}
	for _, want := range []int{1, 0} {
		b, err := Embedded(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if d := b.Damages(); len(d) != want {
			t.Errorf("damages at a later start = %+v, want %d: until they are announced", d, want)
		}
		for _, d := range b.Damages() {
			if err := b.Announced(d); err != nil {
				t.Fatal(err)
			}
		}
		killed := copied(t, c) // that it was announced outlives a kill
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		c = killed
	}
}

func TestASoundSpoolIsNotTouched(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	made := func() time.Time {
		b, err := Embedded(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		s, err := b.stream.Stream(t.Context(), store.StreamName("billing"))
		if err != nil {
			t.Fatal(err)
		}
		if d := b.Damages(); len(d) > 0 || s.CachedInfo().State.Msgs != spooled {
			t.Errorf("%d messages, damages %+v, want %d and none", s.CachedInfo().State.Msgs, d, spooled)
		}
		return s.CachedInfo().Created
	}
	first := made()
	if again := made(); !again.Equal(first) {
		t.Error("the stream was made anew")
	}
}

// A copy of the folder of a spool that runs is what a crash leaves of it.
func TestACrashIsNoDamage(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	publish(t, b, spooled, spooled+5)
	if d, lost := reopened(t, copied(t, c), "crash", false); lost > 0 || len(d) > 0 {
		t.Errorf("lost %d, damages %+v, want none", lost, d)
	}
	c = copied(t, c)
	all, _, err := blocks.Files(filepath.Join(c.Dir, "jetstream", "$G", "streams", "CPNI_BILLING", "msgs"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(all[len(all)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if d, lost := reopened(t, c, "a write that was not acknowledged", false); lost > 0 || len(d) > 0 {
		t.Errorf("lost %d, damages %+v, want none for what was never acknowledged", lost, d)
	}
}

// What has expired, and what its keepers had confirmed, is no loss when it is missing.
func TestWhatHasGoneByAgeOrByPurgeIsNoDamage(t *testing.T) {
	t.Parallel()
	c := spoolOf(t)
	c.Plan.Streams[0].Retain = 100 * time.Millisecond
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	await(t, newMemory(), "that all have expired", func() bool { return messages(t, b) == 0 })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	c.Plan.Streams[0].Retain = 0
	if b, err = Embedded(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	publish(t, b, 0, 60)
	s, err := b.stream.Stream(t.Context(), "CPNI_BILLING")
	if err != nil {
		t.Fatal(err)
	}
	into := newMemory()
	stop := running(t, b.Consumer("billing", "store"), into)
	await(t, into, "the keeper", func() bool { return confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.spool.purge(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if d := b.Damages(); len(d) > 0 || messages(t, b) > 0 {
		t.Errorf("damages %+v, %d messages, want none", d, messages(t, b))
	}
	crashed := copied(t, c)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{c, crashed} {
		again, err := Embedded(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if d := again.Damages(); len(d) > 0 {
			t.Errorf("damages %+v, want none", d)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
