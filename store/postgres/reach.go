package postgres

import (
	"context"
	"fmt"
)

// A State is the version and the settings of a database.
type State struct {
	Server   string   // version of PostgreSQL
	Version  int      // of the tables; 0 if they are not made yet
	Findings []string // why it keeps nothing, or not safely
}

// String returns s as a line.
func (s State) String() string {
	if s.Version == 0 {
		return fmt.Sprintf("PostgreSQL %s, tables not made yet", s.Server)
	}
	return fmt.Sprintf("PostgreSQL %s, tables of version %d", s.Server, s.Version)
}

// Reach reads the state of the database. It changes nothing. An error wraps store.ErrUnavailable: the database cannot
// be reached, refuses the user, or is of a newer version.
func (s *Store) Reach(ctx context.Context) (state State, err error) {
	var encoding, fsync string
	var standby, mayCreate, mayCopy bool
	err = s.pool.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_encoding'),
		current_setting('fsync'), pg_is_in_recovery(), has_database_privilege(current_database(), 'CREATE'),
		has_database_privilege(current_database(), 'TEMPORARY')`).
		Scan(&state.Server, &encoding, &fsync, &standby, &mayCreate, &mayCopy)
	if err == nil {
		state.Version, err = s.layout.version(ctx, s.pool)
	}
	if err != nil {
		return state, wrap("reach", err)
	}
	for _, f := range []struct {
		wrong bool
		text  string
	}{
		{encoding != "UTF8", "the database is not encoded in UTF8"},
		{fsync == "off", "fsync is off: a crash of the server's host loses what was stored"},
		{standby, "the server is a standby, which takes nothing: name the primary"},
		{!mayCreate, "the user may not make schemas: GRANT CREATE ON DATABASE"},
		{!mayCopy, "the user may not make temporary tables: GRANT TEMPORARY ON DATABASE"},
	} {
		if f.wrong {
			state.Findings = append(state.Findings, f.text)
		}
	}
	return state, nil
}
