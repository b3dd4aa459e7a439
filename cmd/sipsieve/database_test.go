package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sipsieve/store/postgres/pgtest"
)

// withDatabase runs tests and stops the PostgreSQL server that they used.
type withDatabase struct{ m *testing.M }

// Run implements testscript.TestingM.
func (w withDatabase) Run() int { return pgtest.Run(w.m) }

// TestDatabases runs the stories of a PostgreSQL store. In their configurations DATABASE is the URL of a database of
// the script's own.
func TestDatabases(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	p := scripts("testdata/database")
	p.Setup = func(env *testscript.Env) error {
		database := server.Database(t)
		env.Setenv("DATABASE", database)
		files, err := filepath.Glob(filepath.Join(env.WorkDir, "*.toml"))
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			text = bytes.ReplaceAll(text, []byte("DATABASE"), []byte(server.URL(database)))
			if err := os.WriteFile(file, text, 0o600); err != nil {
				return err
			}
		}
		return nil
	}
	testscript.Run(t, p)
}
