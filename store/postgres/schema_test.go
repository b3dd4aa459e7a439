package postgres

import (
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sipsieve/store"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
)

// with returns a store of the database with more steps than this sipsieve has.
func with(t *testing.T, login Login, steps ...string) *Store {
	s := opened(t, Config{Login: login})
	s.layout.steps = append(append([]string{}, current.steps...), steps...)
	return s
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	login := Login{URL: server.URL(server.Database(t))}
	running := opened(t, Config{Login: login})
	put(t, running, storetest.Call("old"))
	put(t, with(t, login, "ALTER TABLE %s.excerpt ADD COLUMN later text"), storetest.Call("new"))
	// One that runs on, and one that starts.
	for name, s := range map[string]*Store{"running": running, "starting": opened(t, Config{Login: login})} {
		err := s.Put(t.Context(), excerpts(t, storetest.Call(name)))
		if !errors.Is(err, ErrNewer) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: put: error = %v, want ErrNewer, which may pass", name, err)
		}
		if _, err := answer(t, s, store.Query{Purpose: "billing"}); !errors.Is(err, ErrNewer) {
			t.Errorf("%s: query: error = %v, want ErrNewer", name, err)
		}
		if _, err := s.Sweep(t.Context(), storetest.Expires); !errors.Is(err, ErrNewer) {
			t.Errorf("%s: sweep: error = %v, want ErrNewer", name, err)
		}
	}
}

// TestADatabaseOfAnOlderVersionIsMigrated has ten processes start at once: one migrates, none fails.
func TestADatabaseOfAnOlderVersionIsMigrated(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	login := Login{URL: server.URL(server.Database(t))}
	put(t, opened(t, Config{Login: login}), storetest.Call("old"), draft("fraud", "old"))
	var wait sync.WaitGroup
	for range 10 {
		s := with(t, login, "ALTER TABLE %s.excerpt ADD COLUMN later text",
			"UPDATE %[1]s.excerpt SET later = coalesce(later, '') || 'once'")
		wait.Go(func() {
			if err := keep(t.Context(), s, excerpts(t, storetest.Call("a"), draft("fresh", "b")), new(atomic.Int64)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	s := with(t, login, "", "")
	for _, purpose := range []string{"billing", "fraud"} {
		var later string
		err := s.pool.QueryRow(t.Context(), "SELECT later FROM "+schemaOf(purpose)+".excerpt WHERE id = 'old'").Scan(&later)
		if err != nil || later != "once" {
			t.Errorf("%s: later = %q, %v, want once", purpose, later, err)
		}
	}
	counts, err := s.Count(t.Context())
	if err != nil || counts["billing"] != 2 || counts["fraud"] != 1 || counts["fresh"] != 1 {
		t.Errorf("rows = %v, %v", counts, err)
	}
}

// TestADatabaseOfTheFirstVersionIsMigrated has what the first version wrote: it is not read before it is migrated, and
// then as if this one had written it.
func TestADatabaseOfTheFirstVersionIsMigrated(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	database := server.Database(t)
	text, err := os.ReadFile("testdata/version1.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"sipsieve_billing", "sipsieve_fraud"} { // a dump has none: another test may have made it
		server.Exec(t, database, "DO $$ BEGIN CREATE ROLE "+role+" NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation "+
			"THEN NULL; END $$")
	}
	server.Exec(t, database, string(text))
	s := opened(t, Config{Login: Login{URL: server.URL(database)}})
	if bodies, err := answer(t, s, store.Query{Purpose: "billing"}); !errors.Is(err, ErrOlder) || len(bodies) != 0 {
		t.Errorf("before: %d rows, error = %v, want ErrOlder", len(bodies), err)
	}
	if _, err := s.Count(t.Context()); !errors.Is(err, ErrOlder) {
		t.Errorf("before: count: error = %v, want ErrOlder", err)
	}
	put(t, s, draft("fraud", "new"))
	counts, err := s.Count(t.Context())
	if err != nil || counts["billing"] != 3 || counts["fraud"] != 2 {
		t.Errorf("rows = %v, %v, want 3 of billing and 2 of fraud", counts, err)
	}
	for n, q := range []store.Query{{Account: "acme"}, {Trunk: "in1"}, {Disposition: "busy"}, {Pseudonyms: []string{"2026-2:bbbb"}}} {
		q.Purpose = "billing"
		if bodies, err := answer(t, s, q); err != nil || len(bodies) != 1 || !strings.Contains(bodies[0], `"id":"alone"`) {
			t.Errorf("query %d: %d rows, %v, want the call alone", n, len(bodies), err)
		}
	}
	manifestIsTrue(t, s)
	if gone, err := s.Sweep(t.Context(), storetest.Expires); err != nil || gone != 4 {
		t.Errorf("swept = %d, %v, want 4", gone, err)
	}
	manifestIsTrue(t, s)
}

// TestNewDatabasesAreMadeByManyAtOnce: the first Puts of several hosts.
func TestNewDatabasesAreMadeByManyAtOnce(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	login := Login{URL: server.URL(server.Database(t))}
	var wait sync.WaitGroup
	for range 8 {
		s := opened(t, Config{Login: login})
		wait.Go(func() {
			xs := excerpts(t, storetest.Call("a"), storetest.Call("b").On(1), draft("fraud", "a"))
			if err := keep(t.Context(), s, xs, new(atomic.Int64)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	counts, err := opened(t, Config{Login: login}).Count(t.Context())
	if err != nil || counts["billing"] != 2 || counts["fraud"] != 1 {
		t.Errorf("rows = %v, %v", counts, err)
	}
}

// TestWritesWaitForTheDisk: an administrator may have switched that off for all.
func TestWritesWaitForTheDisk(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	for setting, want := range map[string]string{"off": "on", "remote_apply": "remote_apply"} {
		database := server.Database(t)
		server.Exec(t, "postgres", "ALTER DATABASE "+database+" SET synchronous_commit = "+setting)
		s := opened(t, Config{Login: Login{URL: server.URL(database)}})
		var got string
		if err := s.pool.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&got); err != nil || got != want {
			t.Errorf("synchronous_commit %s: is %s, %v, want %s", setting, got, err, want)
		}
	}
}

// TestSweepGoesAroundWhatIsRead: a reader that keeps a transaction open holds a day for as long as that, and no other.
func TestSweepGoesAroundWhatIsRead(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	put(t, s, storetest.Call("a"), storetest.Call("b").On(1), draft("fraud", "a"), draft("fraud", "b").On(2))
	reader, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "SELECT FROM sipsieve_billing.excerpt_20261124"); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.pool.AcquireAllIdle(t.Context()) {
		if _, err := c.Exec(t.Context(), "SET lock_timeout = '100ms'"); err != nil {
			t.Error(err)
		}
		c.Release()
	}
	gone, err := s.Sweep(t.Context(), storetest.Expires)
	if gone != 1 || !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "55P03") {
		t.Errorf("swept = %d, %v, want that of fraud, and 55P03 for the other", gone, err)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.Sweep(t.Context(), storetest.Expires); gone != 1 || err != nil {
		t.Errorf("swept = %d, %v, want 1", gone, err)
	}
	var tables int
	err = s.pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE relname = 'excerpt_20261124'").Scan(&tables)
	if err != nil || tables != 0 {
		t.Errorf("tables of that day = %d, %v, want 0", tables, err)
	}
}
