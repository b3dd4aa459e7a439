package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
)

// failing puts until that fails with this text in the error, for a minute at most: what is cut takes a moment to be seen.
func failing(t *testing.T, s *Store, cause store.Cause, text string) {
	t.Helper()
	var err error
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		err = s.Put(t.Context(), excerpts(t, storetest.Call("a")))
		if err != nil && strings.Contains(err.Error(), text) {
			if !errors.Is(err, store.ErrUnavailable) || store.CauseOf(err) != cause {
				t.Errorf("error = %v, want ErrUnavailable, cause %s", err, cause)
			}
			return
		}
	}
	t.Fatalf("error = %v, want %q", err, text)
}

// healing puts until that succeeds, for a minute at most.
func healing(t *testing.T, s *Store, id string) {
	t.Helper()
	var err error
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		if err = s.Put(t.Context(), excerpts(t, storetest.Call(id))); err == nil {
			return
		}
	}
	t.Fatalf("does not heal: %v", err)
}

// TestADatabaseThatIsReadOnlyIsWaitedFor: for all new sessions, which the store's are that it opens meanwhile.
func TestADatabaseThatIsReadOnlyIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	database := server.Database(t)
	s := opened(t, Config{Login: Login{URL: server.URL(database)}})
	put(t, s, storetest.Call("before"))
	server.Exec(t, "postgres", "ALTER DATABASE "+database+" SET default_transaction_read_only = on")
	server.Cut(t, database)
	failing(t, s, store.CauseUnavailable, "25006: the server is read-only")
	if bodies, err := answer(t, s, store.Query{Purpose: "billing"}); err != nil || len(bodies) != 1 {
		t.Errorf("read-only: %d rows, %v, want 1: readers go on", len(bodies), err)
	}
	server.Exec(t, "postgres", "ALTER DATABASE "+database+" RESET default_transaction_read_only")
	healing(t, s, "after")
}

// TestAPasswordThatIsChangedIsReadAnew: the role has a new one before the file has.
func TestAPasswordThatIsChangedIsReadAnew(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	database := server.Database(t)
	user := server.Role(t, "old")
	server.Exec(t, "postgres", "GRANT CREATE ON DATABASE "+database+" TO "+user)
	file := secretFile(t, "old")
	s := opened(t, Config{Login: Login{URL: server.TCP(database), User: user, PasswordFile: file}})
	put(t, s, storetest.Call("before"))
	server.Exec(t, "postgres", "ALTER ROLE "+user+" PASSWORD 'new'")
	server.Cut(t, database)
	failing(t, s, store.CausePermission, "28P01: wrong user or password")
	if err := os.WriteFile(file, []byte("new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	healing(t, s, "after")
}

// TestACertificateThatIsRenewedIsTrusted: by an authority that the file of the store has later.
func TestACertificateThatIsRenewedIsTrusted(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, "fsync=off")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	give := func() {
		t.Helper()
		text, err := os.ReadFile(server.CA)
		if err == nil {
			err = os.WriteFile(ca, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	give()
	user := server.Role(t, "secret")
	server.Exec(t, "postgres", "GRANT CREATE ON DATABASE postgres TO "+user)
	s := opened(t, Config{Login: Login{URL: server.TCP("postgres"), User: user, PasswordFile: secretFile(t, "secret"), CA: ca}})
	put(t, s, storetest.Call("before"))
	server.Renew(t)
	for limit := time.Now().Add(time.Minute); ; server.Cut(t, "postgres") { // the reload takes a moment
		err := s.Put(t.Context(), excerpts(t, storetest.Call("a")))
		if err != nil && strings.Contains(err.Error(), "not of the authority in ca") {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("error = %v, want one of the authority", err)
		}
	}
	give()
	healing(t, s, "after")
}

// TestAnotherHostOfTheURLTakesOver: the first one stops, then it is a server that takes no writes.
func TestAnotherHostOfTheURLTakesOver(t *testing.T) {
	t.Parallel()
	if os.Getenv("SIPSIEVE_FULL") == "" {
		t.Skip("SIPSIEVE_FULL=1 starts two servers")
	}
	first, second := pgtest.Own(t, "fsync=off"), pgtest.Own(t, "fsync=off")
	hosts := []string{}
	for _, server := range []*pgtest.Server{first, second} {
		server.Exec(t, "postgres", "CREATE ROLE writer LOGIN PASSWORD 'secret'", "GRANT CREATE ON DATABASE postgres TO writer")
		hosts = append(hosts, strings.TrimSuffix(strings.TrimPrefix(server.TCP(""), "postgres://"), "/"))
	}
	url := "postgres://" + strings.Join(hosts, ",") + "/postgres?target_session_attrs=read-write"
	s := opened(t, Config{Login: Login{URL: url, User: "writer", PasswordFile: secretFile(t, "secret")}})
	on := func(server *pgtest.Server, id string) {
		t.Helper()
		one := opened(t, Config{Login: Login{URL: server.URL("postgres")}})
		bodies, err := answer(t, one, store.Query{Purpose: "billing"})
		if err != nil || !strings.Contains(strings.Join(bodies, ""), `"id":"`+id+`"`) {
			t.Errorf("%s is not there: %d rows, %v", id, len(bodies), err)
		}
	}
	put(t, s, storetest.Call("one"))
	on(first, "one")
	first.Stop(t)
	healing(t, s, "two")
	on(second, "two")
	first.Start(t)
	second.Exec(t, "postgres", "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	second.Cut(t, "postgres")
	healing(t, s, "three")
	on(first, "three")
}

// TestAServerThatIsRestartedInALongQueryEndsIt: with an error, or with all rows, and the next Query has all.
func TestAServerThatIsRestartedInALongQueryEndsIt(t *testing.T) {
	t.Parallel()
	const rows = 2*pageLimit + 10
	server := pgtest.Own(t, "fsync=off")
	s := opened(t, Config{Login: Login{URL: server.URL("postgres")}})
	fillScale(t, s, rows)
	n := 0
	var failed error
	for _, err := range s.Query(t.Context(), store.Query{Purpose: "billing"}) {
		if failed = err; err != nil {
			break
		}
		if n++; n == 10 {
			server.Stop(t)
		}
	}
	if !errors.Is(failed, store.ErrUnavailable) || n < 10 || n == rows {
		t.Errorf("%d rows, error = %v, want a page and ErrUnavailable", n, failed)
	}
	server.Start(t)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	n = 0
	for _, err := range s.Query(ctx, store.Query{Purpose: "billing"}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			server.Cut(t, "postgres")
		}
	}
	if n != rows {
		t.Errorf("%d rows with connections that are cut, want %d", n, rows)
	}
}
