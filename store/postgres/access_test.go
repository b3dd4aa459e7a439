package postgres

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
)

// secretFile returns a file with a password.
func secretFile(t *testing.T, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func draft(purpose, id string) storetest.Draft {
	d := storetest.Call(id)
	d.Purpose = purpose
	return d
}

func put(t testing.TB, s *Store, drafts ...storetest.Draft) {
	t.Helper()
	if err := s.Put(t.Context(), excerpts(t, drafts...)); err != nil {
		t.Fatal(err)
	}
}

func excerpts(t testing.TB, drafts ...storetest.Draft) (xs []policy.Excerpt) {
	t.Helper()
	for _, d := range drafts {
		xs = append(xs, d.Excerpt(t))
	}
	return xs
}

// answer returns what a query has, and its error.
func answer(t testing.TB, s *Store, q store.Query) (bodies []string, err error) {
	t.Helper()
	for item, err := range s.Query(t.Context(), q) {
		if err != nil {
			return bodies, err
		}
		bodies = append(bodies, string(item.Body))
	}
	return bodies, nil
}

// TestAReaderOfOnePurposeReadsNoOther logs in as a member of each purpose's role, and as nobody's, and tries every purpose.
func TestAReaderOfOnePurposeReadsNoOther(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	database := server.Database(t)
	purposes, logins := []string{"read_a", "read_b", "read-c"}, map[string]string{}
	s := opened(t, Config{Login: Login{URL: server.URL(database)}})
	for _, purpose := range purposes {
		put(t, s, draft(purpose, "of "+purpose))
		logins[purpose] = server.Role(t, "secret "+purpose, "sipsieve_"+purpose)
	}
	logins["none"] = server.Role(t, "secret none")
	for _, who := range append(purposes, "none") {
		reader := opened(t, Config{Login: Login{URL: server.TCP(database), User: logins[who], CA: server.CA,
			PasswordFile: secretFile(t, "secret "+who)}})
		for _, purpose := range purposes {
			bodies, err := answer(t, reader, store.Query{Purpose: purpose})
			switch {
			case purpose == who && (err != nil || len(bodies) != 1 || !strings.Contains(bodies[0], "of "+purpose)):
				t.Errorf("%s reads its own: %d rows, %v", who, len(bodies), err)
			case purpose != who && (err == nil || len(bodies) > 0 || !strings.Contains(err.Error(), "42501")):
				t.Errorf("%s reads %s: %d rows, error = %v, want 42501", who, purpose, len(bodies), err)
			}
			for _, statement := range []string{"SELECT FROM %s.excerpt_20261124", "DELETE FROM %s.excerpt",
				"DROP TABLE %s.excerpt", "CREATE TABLE %s.mine ()"} {
				_, err := reader.pool.Exec(t.Context(), fmt.Sprintf(statement, schemaOf(purpose)))
				var theirs *pgconn.PgError
				if !errors.As(err, &theirs) || theirs.Code != "42501" {
					t.Errorf("%s: %s of %s: error = %v, want 42501", who, statement, purpose, err)
				}
			}
		}
		if err := reader.Put(t.Context(), excerpts(t, draft("read_a", "forged"))); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s puts: error = %v, want ErrUnavailable", who, err)
		}
	}
}

// TestARoleThatIsMadeLaterGetsItsRights: the writer may make no roles, an administrator does.
func TestARoleThatIsMadeLaterGetsItsRights(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	database := server.Database(t)
	writer := server.Role(t, "w")
	server.Exec(t, "postgres", "GRANT CREATE ON DATABASE "+database+" TO "+writer)
	purpose := "later_" + database
	login := Login{URL: server.TCP(database), User: writer, PasswordFile: secretFile(t, "w")}
	put(t, opened(t, Config{Login: login}), draft(purpose, "a"))
	server.Exec(t, "postgres", "CREATE ROLE sipsieve_"+purpose+" NOLOGIN")
	user := server.Role(t, "r", "sipsieve_"+purpose)
	put(t, opened(t, Config{Login: login}), draft(purpose, "b"))
	reader := opened(t, Config{Login: Login{URL: server.TCP(database), User: user, PasswordFile: secretFile(t, "r")}})
	if bodies, err := answer(t, reader, store.Query{Purpose: purpose}); err != nil || len(bodies) != 2 {
		t.Errorf("rows = %d, %v, want 2", len(bodies), err)
	}
}

// TestTheServerIsWhoItSaysItIs connects with the right authority and with another one, and logs in wrongly.
func TestTheServerIsWhoItSaysItIs(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	database := server.Database(t)
	other := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(other, pgtest.OtherAuthority(t), 0o600); err != nil {
		t.Fatal(err)
	}
	right := Login{URL: server.TCP(database), User: server.Role(t, "right"), PasswordFile: secretFile(t, "right"), CA: server.CA}
	s := opened(t, Config{Login: right})
	var secure bool
	err := s.pool.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&secure)
	if err != nil || !secure {
		t.Errorf("tls = %t, %v, want true", secure, err)
	}
	for name, c := range map[string]struct {
		change func(*Login)
		want   string
	}{
		"authority": {func(l *Login) { l.CA = other }, "not of the authority in ca"},
		"password":  {func(l *Login) { l.PasswordFile = secretFile(t, "wrong") }, "wrong user or password"},
		"database":  {func(l *Login) { l.URL += "x" }, "no such database"},
	} {
		l := right
		c.change(&l)
		s, err := Open(Config{Login: l})
		if err == nil {
			err = s.Put(t.Context(), excerpts(t, draft("billing", "a")))
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error = %v, want %q", name, err, c.want)
		}
		if strings.Contains(fmt.Sprint(err), "right") || strings.Contains(fmt.Sprint(err), server.TCP("")) {
			t.Errorf("%s: the error quotes: %v", name, err)
		}
	}
}

// TestWrongSettingsAreNamedAndNotQuoted: a URL may have a password in it.
func TestWrongSettingsAreNamedAndNotQuoted(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://db.example.net/sieve?sslmode=require":   "sslmode: want verify-full",
		"postgres://db.example.net/sieve?sslmode=disable":   "sslmode: want verify-full",
		"postgres://127.0.0.1,192.0.2.1/x?sslmode=prefer":   "sslmode: want verify-full",
		"postgres://u:geheim@db.example.net/sieve":          "password_file",
		"postgres://db.example.net/sieve?password=geheim":   "password_file",
		"postgres://u:geheim@db.example.net:port/sieve":     "want postgres://host/database",
		"mysql://db.example.net/geheim":                     "want postgres://host/database",
		"postgres://db.example.net":                         "want postgres://host/database",
		"host=db.example.net password=geheim dbname=sieve":  "want postgres://host/database",
		"postgres://db.example.net/x?pool_max_conns=geheim": "not known, or a wrong value",
	} {
		_, err := Open(Config{Login: Login{URL: url}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: error = %v, want %q and no quote", url, err, want)
		}
	}
	for name, l := range map[string]Login{"password": {PasswordFile: "/nowhere"}, "authority": {CA: "/nowhere"}} {
		l.URL = "postgres://db.example.net/sieve"
		if _, err := Open(Config{Login: l}); err == nil || !strings.Contains(err.Error(), "/nowhere") {
			t.Errorf("%s: error = %v, want the file's name", name, err)
		}
	}
}

// TestErrorsNameNoContent gives what a server says of a row, and of what may pass and what not.
func TestErrorsNameNoContent(t *testing.T) {
	t.Parallel()
	for code, final := range map[string]bool{"23505": true, "22P05": true, "54000": true, "53100": false, "40P01": false,
		"40001": false, "57P01": false, "57P03": false, "08006": false, "25006": false, "XX001": false, "99999": false} {
		err := error(&pgconn.PgError{Code: code, Message: "value +15551234567", Detail: "Key (id)=(+15551234567) exists",
			Hint: "+15551234567", Where: "COPY incoming, line 1: +15551234567"})
		if ofData(err) != final {
			t.Errorf("%s: of the data = %t, want %t", code, !final, final)
		}
		err = wrap("put", fmt.Errorf("sent +15551234567: %w", err))
		if !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), "555") || !strings.Contains(err.Error(), code) {
			t.Errorf("error = %v, want ErrUnavailable and the code alone", err)
		}
	}
	if err := wrap("put", io.ErrUnexpectedEOF); !strings.Contains(err.Error(), "connection was cut") {
		t.Errorf("error = %v, want that the connection was cut", err)
	}
}

// TestValuesThatTheServerDoesNotTakeAreRefusedAlone: a text of PostgreSQL has no NUL, and a key has a longest size.
func TestValuesThatTheServerDoesNotTakeAreRefusedAlone(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	long := storetest.Call(strings.Repeat("+15551234567/\x01é", 1000))
	for n := range 300 { // more than the server can press into a page of its index
		long.ID += fmt.Sprintf("%x", uint64(n)*0x9E3779B97F4A7C15)
	}
	drafts := []storetest.Draft{storetest.Call("a"), storetest.Call("b\x00"), storetest.Call("c"), long, storetest.Call("d")}
	err := s.Put(t.Context(), excerpts(t, drafts...))
	var refused store.Refused
	if !errors.As(err, &refused) || len(refused) != 2 || errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("error = %v, want 2 refused", err)
	}
	if strings.Contains(err.Error(), "555") {
		t.Errorf("the error quotes: %v", err)
	}
	if bodies, err := answer(t, s, store.Query{Purpose: "billing"}); err != nil || len(bodies) != 3 {
		t.Errorf("rows = %d, %v, want 3", len(bodies), err)
	}
}
