package sqlite

import (
	"testing"

	"sipsieve/store"
	"sipsieve/store/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, 60, func(t *testing.T) store.Store { return opened(t, Config{}) })
}

func TestStoreKeepsTheContractOfQueries(t *testing.T) {
	t.Parallel()
	storetest.RunQueries(t, func(t *testing.T) store.Store { return opened(t, Config{}) })
}

// TestStoreKeepsTheContractWithOneFileOpen makes every partition be closed and opened again all the time.
func TestStoreKeepsTheContractWithOneFileOpen(t *testing.T) {
	t.Parallel()
	storetest.Run(t, 60, func(t *testing.T) store.Store { return opening(t, Config{}, 1) })
}

// opening returns a store that keeps at most n partitions open.
func opening(t testing.TB, c Config, n int) *Store {
	s := opened(t, c)
	s.open.limit = n
	return s
}

// opened returns a store in a directory of its own, unless c names one.
func opened(t testing.TB, c Config) *Store {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
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
