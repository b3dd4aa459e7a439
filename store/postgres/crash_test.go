package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
)

// keep puts xs until the store has them, for a minute at most, and counts the Puts that were in vain.
func keep(ctx context.Context, s *Store, xs []policy.Excerpt, retried *atomic.Int64) error {
	backoff, limit := store.NewBackoff(), time.Now().Add(time.Minute)
	for {
		err := s.Put(ctx, xs)
		if !errors.Is(err, store.ErrUnavailable) || time.Now().After(limit) {
			return err
		}
		retried.Add(1)
		time.Sleep(backoff.Next())
	}
}

// halves returns n calls, each seen by two hosts: its beginning, and its end on the next day.
func halves(t testing.TB, n int) (xs []policy.Excerpt) {
	for i := range n {
		dialog := fmt.Sprint("dialog", i)
		whole, bye := storetest.Call(fmt.Sprint("whole", i)), storetest.Call(fmt.Sprint("bye", i)).On(1)
		whole.Dialog, whole.Missing, whole.Status = &dialog, []string{"bye"}, "partial"
		bye.Dialog, bye.Missing, bye.Sensor = &dialog, []string{"invite", "final_response", "ack"}, "s2"
		xs = append(xs, whole.Excerpt(t), bye.Excerpt(t))
	}
	return xs
}

// TestTwoHostsThatPutTheSameAtOnceMakeOneRow: four stores put parts of the same calls, in parcels of their own.
func TestTwoHostsThatPutTheSameAtOnceMakeOneRow(t *testing.T) {
	t.Parallel()
	calls := 60
	if os.Getenv("SIPSIEVE_FULL") != "" {
		calls = 150
	}
	server := pgtest.Shared(t)
	login := Login{URL: server.URL(server.Database(t))}
	xs := halves(t, calls)
	var wait sync.WaitGroup
	for host := range 4 {
		s := opened(t, Config{Login: login})
		random := rand.New(rand.NewPCG(uint64(host), 3))
		var own []policy.Excerpt // two hosts have the beginnings, two the ends, in one order: they meet at each call
		for i, x := range xs {
			if i%2 == host%2 {
				own = append(own, x)
			}
		}
		wait.Go(func() {
			for len(own) > 0 {
				n := min(len(own), 1+random.IntN(20))
				if err := keep(t.Context(), s, own[:n], new(atomic.Int64)); err != nil {
					t.Error(err)
					return
				}
				own = own[n:]
			}
		})
	}
	wait.Wait()
	bodies, err := answer(t, opened(t, Config{Login: login}), store.Query{Purpose: "billing"})
	if err != nil || len(bodies) != calls {
		t.Fatalf("rows = %d, %v, want %d", len(bodies), err, calls)
	}
	for _, body := range bodies {
		if !strings.Contains(body, `"id":"whole`) || !strings.Contains(body, `"missing":[]`) {
			t.Fatalf("body = %s, want one that has its end", body)
		}
	}
}

// TestAServerThatIsKilledCostsNothing kills the server, or one of its processes, under load, 3 times, or 20 with
// SIPSIEVE_FULL=1. Afterwards each record is there once, with the body of its highest revision.
func TestAServerThatIsKilledCostsNothing(t *testing.T) {
	t.Parallel()
	rounds := 3
	if os.Getenv("SIPSIEVE_FULL") != "" {
		rounds = 20
	}
	server := pgtest.Own(t)
	s := opened(t, Config{Login: Login{URL: server.URL("postgres")}})
	acknowledged, done := make(chan int), make(chan error, 1)
	revisions := map[string]int{} // of what was acknowledged
	ctx, stop := context.WithCancel(t.Context())
	var retried atomic.Int64
	go func() {
		random := rand.New(rand.NewPCG(5, 8))
		for n := 0; ctx.Err() == nil; n++ {
			var xs []policy.Excerpt
			for range 500 {
				d := storetest.Call(fmt.Sprint("call", random.IntN(5000))).On(random.IntN(2))
				d.Revision = revisions[d.ID] + 1
				revisions[d.ID] = d.Revision
				xs = append(xs, d.Excerpt(t))
			}
			if err := keep(context.WithoutCancel(ctx), s, xs, &retried); err != nil {
				done <- err
				return
			}
			select {
			case acknowledged <- n:
			case <-ctx.Done():
			}
		}
		done <- nil
	}()
	await := func() {
		select {
		case <-acknowledged:
		case err := <-done:
			t.Fatal(err)
		}
	}
	for range rounds {
		await()
		await()
		before := retried.Load()
		server.Kill(t)
		for limit := time.Now().Add(time.Minute); retried.Load() == before; time.Sleep(time.Millisecond) {
			select {
			case <-acknowledged: // of a Put that ended before the kill: the next one is in vain
			default:
			}
			if time.Now().After(limit) {
				t.Fatal("no Put was cut: the server was not killed under load")
			}
		}
		server.Start(t)
	}
	await()
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	bodies, err := answer(t, s, store.Query{Purpose: "billing"})
	if err != nil || len(bodies) != len(revisions) {
		t.Fatalf("rows = %d, %v, want %d", len(bodies), err, len(revisions))
	}
	for _, body := range bodies {
		x, err := store.Kept([]byte(body), policy.Sequence{})
		if err != nil || x.Revision != revisions[x.ID] {
			t.Fatalf("%s: revision = %d, %v, want %d", x.ID, x.Revision, err, revisions[x.ID])
		}
	}
}

// TestAServerThatComesUpLaterIsWaitedFor opens a store before there is a server.
func TestAServerThatComesUpLaterIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, "fsync=off")
	server.Stop(t)
	s := opened(t, Config{Login: Login{URL: server.URL("postgres")}})
	for range 2 {
		if err := s.Put(t.Context(), excerpts(t, storetest.Call("a"))); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("error = %v, want ErrUnavailable", err)
		}
		if _, err := s.Count(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("count: error = %v, want ErrUnavailable", err)
		}
		server.Start(t)
		put(t, s, storetest.Call("a"), storetest.Call("b"))
		server.Stop(t) // connections that were good are cut
	}
	server.Start(t)
	if bodies, err := answer(t, s, store.Query{Purpose: "billing"}); err != nil || len(bodies) != 2 {
		t.Errorf("rows = %d, %v, want 2", len(bodies), err)
	}
}

// TestAFullDiskOfTheServerIsWaitedFor has the tables on a small disk that a file fills, until that is removed.
func TestAFullDiskOfTheServerIsWaitedFor(t *testing.T) {
	t.Parallel()
	if os.Getenv("SIPSIEVE_FULL") == "" {
		t.Skip("SIPSIEVE_FULL=1 fills a disk")
	}
	server := pgtest.Own(t)
	disk := server.Folder(t)
	var owner syscall.Stat_t
	if err := syscall.Stat(disk, &owner); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", disk, "tmpfs", 0, fmt.Sprintf("size=16m,uid=%d,gid=%d", owner.Uid, owner.Gid)); err != nil {
		t.Skip(err) // a container may not mount
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	database := server.Database(t)
	server.Exec(t, "postgres", "CREATE TABLESPACE small LOCATION '"+disk+"'",
		"ALTER DATABASE "+database+" SET default_tablespace = small")
	s := opened(t, Config{Login: Login{URL: server.URL(database)}})
	kept := 0
	for n := 0; ; n++ {
		var xs []policy.Excerpt
		for i := range 500 {
			xs = append(xs, storetest.Call(fmt.Sprintf("call%d.%d", n, i)).Excerpt(t))
		}
		err := s.Put(t.Context(), xs)
		if err == nil && n < 200 {
			kept += len(xs)
			continue
		}
		if !errors.Is(err, store.ErrUnavailable) || store.CauseOf(err) != store.CauseFull || !strings.Contains(err.Error(), "53100") {
			t.Fatalf("error = %v, want ErrUnavailable, %s and 53100", err, store.CauseFull)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), xs); err != nil {
			t.Fatalf("with room again: %v", err)
		}
		kept += len(xs)
		break
	}
	if bodies, err := answer(t, s, store.Query{Purpose: "billing"}); err != nil || len(bodies) != kept {
		t.Errorf("rows = %d, %v, want %d", len(bodies), err, kept)
	}
}
