package postgres

import (
	"fmt"
	"strings"
	"testing"

	"sipsieve/store"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/storetest"
)

// TestAReaderOfBillingFindsNoWayToFraud logs in as a member of billing's role and tries what a login can try to get at
// another purpose. No answer has anything of a record of it. What a login does see in the catalogue are names of tables, of
// which one has a day of expiry, and how large they are.
func TestAReaderOfBillingFindsNoWayToFraud(t *testing.T) {
	t.Parallel()
	const secret = "fraudsecret"
	server := pgtest.Shared(t)
	database := server.Database(t)
	// roles are of the server, not of the database: these are of no other test
	mine, theirs := "brk_a_"+database, "brk_b_"+database
	s := opened(t, Config{Login: Login{URL: server.URL(database)}})
	d := draft(theirs, secret)
	d.Account, d.TrunkIn, d.CallID, d.Disposition = secret, secret, secret, secret
	put(t, s, draft(mine, "own"), d)
	login := server.Role(t, "secret", "sipsieve_"+mine)
	reader := opened(t, Config{Login: Login{URL: server.TCP(database), User: login, PasswordFile: secretFile(t, "secret")}})
	// what is made after the login: a partition, another purpose, the purpose ops
	put(t, s, draft(mine, "later").On(5), draft("brk_c_"+database, secret))
	d.ID += "2"
	put(t, s, d.On(5))
	server.Exec(t, database, "ANALYZE")
	if bodies, err := answer(t, reader, store.Query{Purpose: mine}); err != nil || len(bodies) != 2 {
		t.Fatalf("its own: %d rows, %v, want 2, the later one too", len(bodies), err)
	}
	schema, partition := schemaOf(theirs), tableOf(store.Place{Purpose: theirs, Expires: storetest.Expires})
	own := schemaOf(mine)
	for _, one := range []struct {
		statement string
		denied    bool
	}{
		{"SELECT * FROM " + schema + ".excerpt", true},
		{"SELECT * FROM " + schema + ".reached", true},
		{"SELECT * FROM " + schema + ".days", true},
		{"SELECT * FROM " + partition, true},
		{"SELECT * FROM " + schemaOf("brk_c_"+database) + ".excerpt", true},
		{"EXPLAIN ANALYZE SELECT * FROM " + schema + ".excerpt", true},
		{"TABLE " + schema + ".excerpt LIMIT 1", true},
		{"COPY " + schema + ".excerpt TO STDOUT", true},
		{"COPY " + own + ".excerpt TO PROGRAM 'cat'", true},
		{"SELECT pg_read_file('PG_VERSION')", true},
		{"SELECT pg_ls_dir('base')", true},
		{"SELECT lo_import('PG_VERSION')", true},
		{"SELECT * FROM pg_statistic", true},
		{"SELECT * FROM pg_largeobject", true},
		{"SELECT * FROM pg_authid", true},
		{"SET ROLE sipsieve_" + theirs, true},
		{"SET SESSION AUTHORIZATION postgres", true},
		{"GRANT sipsieve_" + theirs + " TO " + login, true},
		{"CREATE VIEW " + own + ".way AS SELECT * FROM " + own + ".excerpt", true},
		{"CREATE TABLE " + own + ".way (LIKE " + own + ".excerpt)", true},
		{"CREATE FUNCTION " + own + ".way() RETURNS int LANGUAGE sql AS 'SELECT 1'", true},
		{"CREATE RULE way AS ON SELECT TO " + own + ".reached DO INSTEAD SELECT 1", true},
		{"CREATE TRIGGER way BEFORE INSERT ON " + own + ".excerpt FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", true},
		{"CREATE TEMPORARY VIEW way AS SELECT * FROM " + schema + ".excerpt; SELECT * FROM way", true},
		{"CREATE TEMPORARY TABLE way AS SELECT * FROM " + schema + ".excerpt; SELECT * FROM way", true},
		{"CREATE FUNCTION pg_temp.way() RETURNS SETOF text SECURITY DEFINER LANGUAGE sql AS 'SELECT id FROM " +
			strings.ReplaceAll(schema, "'", "''") + ".excerpt'; SELECT pg_temp.way()", true},
		{"CREATE TABLE public.way ()", true},
		{"CREATE SCHEMA way", true},
		{"CREATE EXTENSION pgcrypto", true},
		{"ALTER TABLE " + schema + ".excerpt INHERIT " + own + ".excerpt", true},
		{"ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO " + login, true},
		{"INSERT INTO " + own + ".excerpt SELECT * FROM " + own + ".excerpt", true},
		{"UPDATE " + own + ".days SET rows = 0", true},
		{"UPDATE sipsieve.version SET version = 99", true},
		{"TRUNCATE " + own + ".excerpt", true},
		{"LOCK TABLE " + schema + ".excerpt IN ACCESS SHARE MODE", true},
		{"SELECT * FROM pg_stats WHERE schemaname <> 'pg_catalog'", false},
		{"SELECT * FROM pg_stats_ext", false},
		{"SELECT * FROM pg_stat_activity", false},
		{"SELECT * FROM pg_prepared_statements", false},
		{"SELECT relname, reltuples, pg_get_expr(relpartbound, oid) FROM pg_class", false},
		{"SELECT * FROM information_schema.columns", false},
		{"SELECT * FROM pg_indexes", false},
		{"SELECT query_to_xml('SELECT * FROM " + own + ".excerpt', true, true, '')::text", false},
		{"SELECT lo_from_bytea(0, 'x')", false},
		{"SELECT * FROM pg_locks", false},
	} {
		text, err := tried(t, reader, one.statement)
		if strings.Contains(text, secret) || strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("%s: shows what is of another purpose", one.statement)
		}
		if denied := err != nil && strings.Contains(err.Error(), "42501"); denied != one.denied && (one.denied || err != nil) {
			t.Errorf("%s: error = %v, want denied %t", one.statement, err, one.denied)
		}
	}
	for _, function := range []string{"schema_to_xml", "database_to_xml", "schema_to_xml_and_xmlschema"} {
		statement := fmt.Sprintf("SELECT %s(%s true, true, '')::text", function,
			map[bool]string{true: "'sipsieve_" + theirs + "',", false: ""}[function != "database_to_xml"])
		if text, _ := tried(t, reader, statement); strings.Contains(text, secret) {
			t.Errorf("%s: shows what is of another purpose", statement)
		}
	}
}

// tried returns all that statements, in a transaction that is rolled back, answer as text.
func tried(t *testing.T, s *Store, statements string) (text string, err error) {
	t.Helper()
	conn, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if strings.HasPrefix(statements, "COPY") {
		_, err = conn.Conn().PgConn().CopyTo(t.Context(), new(strings.Builder), statements)
		return "", err
	}
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	results, err := tx.Conn().PgConn().Exec(t.Context(), statements).ReadAll()
	for _, one := range results {
		for _, row := range one.Rows {
			for _, value := range row {
				text += string(value) + "\n"
			}
		}
	}
	return text, err
}
