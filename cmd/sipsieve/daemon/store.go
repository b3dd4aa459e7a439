package daemon

import (
	"context"
	"iter"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/postgres"
	"sipsieve/store/sqlite"
)

// openStore opens the store that s names. It does not wait for a database.
func openStore(s *config.Setup) (store.Store, error) {
	if s.Store.Type == "postgres" {
		return OpenDatabase(s, today)
	}
	return sqlite.Open(sqlite.Config{Dir: s.StorePath(), Policy: s.Policy, Today: today})
}

// OpenDatabase opens the database that s names; what has expired by today is not put, nil for all. It does not wait for
// the server.
func OpenDatabase(s *config.Setup, today func() policy.Date) (*postgres.Store, error) {
	c := s.Store.Files()
	db, err := postgres.Open(postgres.Config{Policy: s.Policy, Today: today,
		Login: postgres.Login{URL: c.URL, User: c.User, PasswordFile: c.PasswordFile, CA: c.CA}})
	if err != nil {
		return nil, s.Wrong("store", "%w", err)
	}
	return db, nil
}

func today() policy.Date { return policy.DateOf(time.Now()) }

// A Query answers a store.Query.
type Query func(context.Context, store.Query) iter.Seq2[store.Item, error]

// Reader returns what reads the store that s names, whether a daemon keeps it or none. The caller calls closing.
func Reader(s *config.Setup) (answer Query, closing func() error, err error) {
	if s.Store.Type == "postgres" {
		db, err := OpenDatabase(s, nil)
		if err != nil {
			return nil, nil, err
		}
		return db.Query, db.Close, nil
	}
	files, err := sqlite.Read(s.StorePath())
	if err != nil {
		return nil, nil, err
	}
	return files.Query, func() error { return nil }, nil
}

// ReachStore connects to the database of s, if it has one, and returns what it is, and as findings why it cannot keep
// anything now. An error is one of the configuration.
func ReachStore(ctx context.Context, s *config.Setup) (server string, findings []error, err error) {
	if s.Store == nil || s.Store.Type != "postgres" {
		return "", nil, nil
	}
	db, err := OpenDatabase(s, nil)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = db.Close() }()
	ctx, stop := context.WithTimeout(ctx, reachLimit)
	defer stop()
	state, err := db.Reach(ctx)
	if err != nil {
		return "", []error{s.Wrong("store.url", "%w", err)}, nil
	}
	for _, text := range state.Findings {
		findings = append(findings, s.Wrong("store.url", "%s", text))
	}
	return state.String(), findings, nil
}
