package postgres

import (
	"context"
	"errors"
	"os"
	"strings"
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
	storetest.Run(t, histories, func(t *testing.T) store.Store { return counted(t) })
}

func TestStoreKeepsTheContractOfQueries(t *testing.T) {
	t.Parallel()
	storetest.RunQueries(t, func(t *testing.T) store.Store { return counted(t) })
}

// counted returns a store in a database of its own, whose manifest has to be true in the end.
func counted(t *testing.T) *Store {
	server := pgtest.Shared(t)
	login := Login{URL: server.URL(server.Database(t))}
	t.Cleanup(func() { manifestIsTrue(t, opened(t, Config{Login: login})) })
	return opened(t, Config{Login: login})
}

// manifestIsTrue complains unless the manifest of each purpose has the number of rows of each day, and moments and kinds
// that include theirs.
func manifestIsTrue(t *testing.T, s *Store) {
	t.Helper()
	names, err := purposes(context.Background(), s.pool)
	for _, purpose := range names {
		var wrong int
		err = errors.Join(err, s.pool.QueryRow(context.Background(), strings.ReplaceAll(`SELECT count(*) FROM SCHEMA.days d
			FULL JOIN (SELECT expires, count(*) AS rows, min(moment) AS first, max(moment) AS last, array_agg(DISTINCT kind) AS kinds
				FROM SCHEMA.excerpt GROUP BY expires) e ON d.expires = e.expires
			WHERE coalesce(d.rows, -1) <> coalesce(e.rows, 0) OR d.first > e.first OR d.last < e.last OR NOT d.kinds @> e.kinds`,
			"SCHEMA", schemaOf(purpose))).Scan(&wrong))
		if wrong != 0 {
			t.Errorf("%s: the manifest is wrong of %d days", purpose, wrong)
		}
	}
	if err != nil {
		t.Error(err)
	}
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
