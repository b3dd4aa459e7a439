package postgres

import (
	"os"
	"testing"

	"sipsieve/store"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// TestStoreKeepsTheContract has 15 random histories, or 60 with SIPSIEVE_FULL=1.
func TestStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	histories := 15
	if os.Getenv("SIPSIEVE_FULL") != "" {
		histories = 60
	}
	storetest.Run(t, histories, func(t *testing.T) store.Store { return opened(t, Config{}) })
}

func TestStoreKeepsTheContractOfQueries(t *testing.T) {
	t.Parallel()
	storetest.RunQueries(t, func(t *testing.T) store.Store { return opened(t, Config{}) })
}

// opened returns a store in a database of its own, unless c names one.
func opened(t testing.TB, c Config) *Store {
	t.Helper()
	if c.Login.URL == "" {
		server := pgtest.Shared(t)
		c.Login.URL = server.URL(server.Database(t))
	}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
