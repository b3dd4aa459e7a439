package bus

import (
	"errors"
	"testing"
	"time"

	"sipsieve/store/postgres"
	"sipsieve/store/postgres/pgtest"
)

// database returns a PostgreSQL store of its own URL.
func database(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(postgres.Config{Login: postgres.Login{URL: url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// databaseHub returns a hub whose consumer of a storage host is there, the load on it, and its URL.
func databaseHub(t *testing.T) (admin *Bus, l *load, url string) {
	t.Helper()
	srv := natsServer(t, nil)
	admin = connect(t, Remote{URL: srv.ClientURL()})
	reach(t, admin)
	err := errors.Join(admin.Arrange(t.Context(), config("", 0, "billing").Plan), soonAgain(t.Context(), admin))
	if err != nil {
		t.Fatal(err)
	}
	return admin, newLoad(admin), srv.ClientURL()
}

// allStored waits until the storage host has confirmed all, and compares what the database has with what was put.
func allStored(t *testing.T, admin *Bus, l *load, s *postgres.Store) {
	t.Helper()
	await(t, newMemory(), "all confirmed", func() bool { return confirmed(t, admin, "store-archive1") })
	l.wantAll(t, rowsOf(t, s))
}

// TestDatabaseServerKilledUnderLoad kills PostgreSQL 20 times under 2,000 calls a second and a correction of every tenth.
func TestDatabaseServerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	if !full() {
		t.Skip("SIPSIEVE_FULL=1 kills 20 times")
	}
	server := pgtest.Own(t)
	admin, l, _ := databaseHub(t)
	s := database(t, server.URL("postgres"))
	c := admin.Consumer("billing", "store-archive1")
	stop := running(t, c, s)
	end := l.during(t)
	for range rounds(1) {
		before := c.Counts().Put
		await(t, newMemory(), "calls that are stored", func() bool { return c.Counts().Put > before+500 })
		retried := c.Counts().Retried
		server.Kill(t)
		await(t, newMemory(), "a Put in vain", func() bool { return c.Counts().Retried > retried })
		server.Start(t)
	}
	end()
	allStored(t, admin, l, s)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestDatabaseStorageHostKilledUnderLoad has the storage process kill itself 20 times under the same load, before its third
// commit, or between that and the acknowledgement, in turn.
func TestDatabaseStorageHostKilledUnderLoad(t *testing.T) {
	t.Parallel()
	if !full() {
		t.Skip("SIPSIEVE_FULL=1 kills 20 times")
	}
	server := pgtest.Own(t)
	admin, l, url := databaseHub(t)
	for round := range rounds(2) {
		p := task{Hub: url, Database: server.URL("postgres"), Early: round%2 == 1}.run(t)
		p.line(t)
		end := l.during(t)
		select {
		case <-p.ended:
		case <-time.After(2 * time.Minute):
			t.Fatal("the storage process does not kill itself")
		}
		end()
	}
	s := database(t, server.URL("postgres"))
	stop := running(t, admin.Consumer("billing", "store-archive1"), s)
	allStored(t, admin, l, s)
	if err := stop(); err != nil {
		t.Error(err)
	}
}
