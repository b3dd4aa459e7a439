package daemon

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/bus"
	"sipsieve/store/policy"
	"sipsieve/store/postgres"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
	"sipsieve/store/vault"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// A storageHost is a spool whose records of billing a keeper brings into a database.
type storageHost struct {
	*restoring
	spool *bus.Bus
	one   *keeper
	log   bytes.Buffer
	sent  int
	stop  func()
}

// newStorageHost returns one with a spool of that size. Records that are stored are purged there when room is needed.
func newStorageHost(t *testing.T, login postgres.Login, disk int64) *storageHost {
	t.Helper()
	h := &storageHost{}
	spool, err := bus.Embedded(t.Context(), bus.Config{Dir: t.TempDir(), Keepers: []string{storeConsumer("s1")},
		Plan: bus.Plan{DiskLimit: disk, Streams: []bus.StreamConfig{{Purpose: "billing"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spool.Close() })
	h.spool = spool
	h.start(t, login, filepath.Join(t.TempDir(), "database.json"))
	return h
}

// start opens the database and runs the keeper.
func (h *storageHost) start(t *testing.T, login postgres.Login, path string) {
	t.Helper()
	db, err := postgres.Open(postgres.Config{Login: login})
	if err != nil {
		t.Fatal(err)
	}
	records, err := newLossRecords(&config.Setup{Config: config.Config{Site: "dfw1", Sensor: "s1"}, Policy: shippedPolicy(t), Vault: vault.Demo()})
	if err != nil {
		t.Fatal(err)
	}
	k := &keeping{from: h.spool}
	h.restoring = &restoring{log: slog.New(slog.NewTextHandler(&h.log, nil)), db: db, source: refill{k}, records: records,
		purposes: []string{"billing"}, path: path}
	h.load()
	h.one = newKeeper(h.spool, "billing", PlaceStore, storeConsumer("s1"), h.restoring)
	k.keepers = []*keeper{h.one}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.one.run(ctx, h.restoring.log) }()
	h.stop = func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = db.Close()
	}
}

// send publishes n more calls and waits until they are stored.
func (h *storageHost) send(t *testing.T, n int) {
	t.Helper()
	for range n {
		h.publish(t)
	}
	h.settled(t)
}

// publish publishes one more call.
func (h *storageHost) publish(t *testing.T) {
	h.sent++
	x := storetest.Call(fmt.Sprintf("call%04d", h.sent)).Excerpt(t)
	if err := h.spool.Publisher().Put(t.Context(), []policy.Excerpt{x}); err != nil {
		t.Error(err)
	}
}

// publishing publishes calls, one every few milliseconds, until the function that it returns is called.
func (h *storageHost) publishing(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			h.publish(t)
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// settled waits until the last call is stored and confirmed.
func (h *storageHost) settled(t *testing.T) {
	t.Helper()
	until(t, "all stored", func() bool {
		behind, err := h.one.Behind(t.Context())
		return err == nil && behind == 0 && h.db.Committed("billing")["s1"].Number == uint64(h.sent)
	})
}

// mended looks until what was missing has been delivered again.
func (h *storageHost) mended(t *testing.T) {
	t.Helper()
	until(t, "the end of the restore", func() bool {
		h.look(t.Context())
		return len(h.lacking()) == 0 && strings.Contains(h.log.String(), "has again")
	})
}

// bodies returns what the database has, by id, and how many calls the records of losses in it count.
func (h *storageHost) bodies(t *testing.T) (calls map[string]string, lost int) {
	t.Helper()
	calls = map[string]string{}
	for item, err := range h.db.Query(t.Context(), store.Query{Purpose: "billing"}) {
		if err != nil {
			t.Fatal(err)
		}
		x, err := store.Kept(item.Body, policy.Sequence{})
		if err != nil || calls[x.ID] != "" {
			t.Fatalf("%s: %v, or it is there twice", x.ID, err)
		}
		if x.Kind != "loss" {
			calls[x.ID] = string(item.Body)
			continue
		}
		_, count, _ := strings.Cut(string(item.Body), `"count":`)
		count, _, _ = strings.Cut(count, ",")
		if lost, err = strconv.Atoi(count); err != nil {
			t.Fatal(err)
		}
	}
	return calls, lost
}

// TestARestoredDatabaseIsRefilled is the drill of a storage host with PostgreSQL: pg_dump while it stores, pg_restore, and
// the bus delivers again what came after the dump, with the same ids and once each.
func TestARestoredDatabaseIsRefilled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		disk  int64
		later int  // calls after the dump
		stops bool // the host is stopped while the database is restored
		puts  bool // calls come meanwhile, and are put before the restore is noticed
	}{
		"while the host runs":      {disk: 64 << 20, later: 60},
		"while the host puts":      {disk: 64 << 20, later: 60, puts: true},
		"while the host is down":   {disk: 64 << 20, later: 60, stops: true},
		"the bus has not all more": {disk: 256 << 10, later: 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pgtest.Shared(t)
			database := server.Database(t)
			login := postgres.Login{URL: server.URL(database)}
			h := newStorageHost(t, login, c.disk)
			defer func() { h.stop() }()
			h.send(t, 40)
			dump := server.Dump(t, database)
			h.send(t, c.later)
			h.look(t.Context())
			h.save()
			before, _ := h.bodies(t)
			if c.stops {
				h.stop()
			}
			stop := func() {}
			if c.puts {
				stop = h.publishing(t)
			}
			server.Restore(t, database, dump)
			stop()
			if c.stops {
				h.start(t, login, h.path)
			}
			h.settled(t)
			h.mended(t)
			h.send(t, 1)
			after, lost := h.bodies(t)
			if len(after)+lost != h.sent || lost > 0 != (c.disk < 1<<20) {
				t.Errorf("%d calls and %d lost of %d", len(after), lost, h.sent)
			}
			for id, body := range after {
				if was, ok := before[id]; ok && was != body {
					t.Errorf("%s: is %s, was %s", id, body, was)
				}
			}
			for _, id := range slices.Sorted(maps.Keys(before))[:40] {
				if after[id] == "" {
					t.Errorf("%s: was in the dump, and is not there", id)
				}
			}
			said := strings.Count(h.log.String(), "the database lacks records")
			h.look(t.Context()) // all is well: nothing is delivered again
			if len(h.lacking()) > 0 || said != 1 {
				t.Errorf("lacking = %v after it was mended; said %d times, want once", h.lacking(), said)
			}
		})
	}
}
