package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// prefix is what the schema of a purpose, and the role that may read it, begin with.
const prefix = "sipsieve_"

// Keys of advisory locks. No other known program uses the number.
const lockClass = 0x51e7e

// A layout is what the tables of a purpose look like: steps[n] brings them from version n to version n+1. %s is the
// schema, quoted.
type layout struct{ steps []string }

// current is the layout of this sipsieve. A step, once released, is never changed; a new one is added behind it.
var current = layout{steps: []string{firstTable, manifestAndIndexes}}

// firstTable makes the tables of a purpose: excerpt has a row a record, reached how far each sensor's stream was put.
// moment is the time that a Query goes by, -infinity if a record shows none. put_by, put_spool and put_seq are the
// publication that changed the row last.
const firstTable = `CREATE SCHEMA IF NOT EXISTS %[1]s;
CREATE TABLE %[1]s.excerpt (
	expires date NOT NULL,
	id text COLLATE "C" NOT NULL,
	kind text NOT NULL,
	sensor text NOT NULL,
	stage text NOT NULL,
	revision bigint NOT NULL,
	status text NOT NULL,
	completeness bigint NOT NULL,
	dialog text COLLATE "C",
	unseen bigint NOT NULL,
	spool bigint NOT NULL,
	seq bigint NOT NULL,
	moment timestamptz NOT NULL,
	account text COLLATE "C",
	trunk_in text,
	trunk_out text,
	disposition text,
	put_by text COLLATE "C" NOT NULL,
	put_spool bigint NOT NULL,
	put_seq bigint NOT NULL,
	body json NOT NULL,
	parts text,
	PRIMARY KEY (expires, id)
) PARTITION BY LIST (expires);
CREATE INDEX excerpt_dialog ON %[1]s.excerpt (dialog) WHERE dialog IS NOT NULL;
CREATE INDEX excerpt_moment ON %[1]s.excerpt (moment, id);
CREATE INDEX excerpt_account ON %[1]s.excerpt (account, moment, id) WHERE account IS NOT NULL;
CREATE INDEX excerpt_put ON %[1]s.excerpt (put_by, put_spool, put_seq, id);
CREATE TABLE %[1]s.reached (sensor text COLLATE "C" PRIMARY KEY, spool bigint NOT NULL, seq bigint NOT NULL)`

// manifestAndIndexes makes the table days, which has a row for each partition: how many rows that has, and the first and
// last moment and the kinds of all that it ever had. It makes an index for each filter of a Query, in the order of time. A
// Query without a filter has that of its kind: there is none of the moment alone, which the server would take for one with
// a filter, and read what others have. The column call_id is what the body has, as it stands there.
const manifestAndIndexes = `CREATE TABLE %[1]s.days (expires date PRIMARY KEY, rows bigint NOT NULL,
	first timestamptz NOT NULL, last timestamptz NOT NULL, kinds text[] NOT NULL);
INSERT INTO %[1]s.days SELECT expires, count(*), min(moment), max(moment), array_agg(DISTINCT kind)
	FROM %[1]s.excerpt GROUP BY expires;
DROP INDEX %[1]s.excerpt_moment;
CREATE INDEX excerpt_kind ON %[1]s.excerpt (kind, moment, id);
CREATE INDEX excerpt_trunk_in ON %[1]s.excerpt (trunk_in, moment, id) WHERE trunk_in IS NOT NULL;
CREATE INDEX excerpt_trunk_out ON %[1]s.excerpt (trunk_out, moment, id)
	WHERE trunk_out IS NOT NULL AND trunk_out IS DISTINCT FROM trunk_in;
CREATE INDEX excerpt_disposition ON %[1]s.excerpt (disposition, moment, id) WHERE disposition IS NOT NULL;
ALTER TABLE %[1]s.excerpt ADD COLUMN call_id text COLLATE "C";
UPDATE %[1]s.excerpt SET call_id = substring(body::text FROM '"call_id":"([^"\\]+)"') WHERE strpos(body::text, '"call_id":"') > 0;
CREATE INDEX excerpt_call_id ON %[1]s.excerpt (call_id) WHERE call_id IS NOT NULL`

// grants gives the purpose's role its rights, and makes it if this user may. An administrator who makes the role
// later gets the rights entered at the next start.
const grants = `DO $do$ BEGIN CREATE ROLE %[1]s NOLOGIN;
	EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL; END $do$;
DO $do$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE quote_ident(rolname) = '%[1]s' OR rolname = '%[2]s') THEN
	GRANT USAGE ON SCHEMA %[1]s TO %[1]s; GRANT SELECT ON %[1]s.excerpt, %[1]s.reached, %[1]s.days TO %[1]s; END IF; END $do$`

// makeVersion makes the table with the version of all purposes' tables. Every role may read it.
const makeVersion = `CREATE SCHEMA IF NOT EXISTS sipsieve;
CREATE TABLE sipsieve.version (version integer NOT NULL);
INSERT INTO sipsieve.version VALUES (%d);
GRANT USAGE ON SCHEMA sipsieve TO PUBLIC;
GRANT SELECT ON sipsieve.version TO PUBLIC`

// schemaOf returns the schema of a purpose, and its role, quoted. The purpose is a name: see store.CheckName.
func schemaOf(purpose string) string { return pgx.Identifier{prefix + purpose}.Sanitize() }

// tableOf returns the table of a partition, quoted. What is read or written there locks no other partition.
func tableOf(p store.Place) string { return schemaOf(p.Purpose) + "." + partitionOf(p.Expires) }

// partitionOf returns the name of a partition, without its schema.
func partitionOf(day policy.Date) string { return "excerpt_" + day.Time().Format("20060102") }

// dayOf returns the day of a partition by its name.
func dayOf(partition string) (day policy.Date, ok bool) {
	t, err := time.Parse("20060102", strings.TrimPrefix(partition, "excerpt_"))
	return policy.DateOf(t), err == nil
}

// version returns the version of the database, 0 if there is none yet. A newer one than l has is ErrNewer.
func (l layout) version(ctx context.Context, q querier) (version int, err error) {
	var exists bool
	err = q.QueryRow(ctx, "SELECT to_regclass('sipsieve.version') IS NOT NULL").Scan(&exists)
	if err != nil || !exists {
		return 0, err
	}
	if err := q.QueryRow(ctx, "SELECT version FROM sipsieve.version").Scan(&version); err != nil {
		return 0, err
	}
	return version, l.check(version)
}

// check returns ErrNewer for a version later than that of l.
func (l layout) check(version int) error {
	if version > len(l.steps) {
		return fmt.Errorf("%w (version %d, this one knows %d)", ErrNewer, version, len(l.steps))
	}
	return nil
}

// readable returns an error if the database is not of the version of l: ErrNewer, or ErrOlder. One without tables is
// readable, and empty.
func (l layout) readable(ctx context.Context, q querier) error {
	version, err := l.version(ctx, q)
	if err == nil && version > 0 && version < len(l.steps) {
		err = fmt.Errorf("%w (version %d, this one has %d)", ErrOlder, version, len(l.steps))
	}
	return err
}

// A querier is a connection, a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// migrate brings the database to the version of l. Of several processes that start at once one does it.
func (l layout) migrate(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, 0)", lockClass); err != nil {
		return err
	}
	version, err := l.version(ctx, tx)
	if err != nil {
		return err
	}
	if version == 0 {
		_, err = tx.Exec(ctx, fmt.Sprintf(makeVersion, len(l.steps)))
	}
	if err != nil {
		return err
	}
	purposes, err := purposes(ctx, tx)
	if err != nil {
		return err
	}
	for _, purpose := range purposes {
		if err := l.bring(ctx, tx, purpose, version); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "UPDATE sipsieve.version SET version = $1 WHERE version < $1", len(l.steps))
	return err
}

// bring brings the tables of a purpose from a version to that of l, and enters its role's rights.
func (l layout) bring(ctx context.Context, tx pgx.Tx, purpose string, version int) error {
	for _, step := range l.steps[version:] {
		if _, err := tx.Exec(ctx, fmt.Sprintf(step, schemaOf(purpose))); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(grants, schemaOf(purpose), prefix+purpose))
	return err
}

// purposes returns the purposes that have tables, in order.
func purposes(ctx context.Context, q querier) (names []string, err error) {
	rows, err := q.Query(ctx, `SELECT substr(nspname, $1) FROM pg_namespace n
		JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'excerpt' AND c.relkind = 'p'
		WHERE starts_with(nspname, $2) ORDER BY nspname`, len(prefix)+1, prefix)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range all {
		if store.CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return names, err
}

// days returns the days of which a purpose has a partition, the earliest first: of those in wanted, or all if that is nil.
func days(ctx context.Context, q querier, purpose string, wanted []policy.Date) (days []policy.Date, err error) {
	var names []string
	for _, day := range wanted {
		names = append(names, partitionOf(day))
	}
	rows, err := q.Query(ctx, `SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		JOIN pg_class parent ON parent.oid = i.inhparent AND parent.relname = 'excerpt'
		JOIN pg_namespace n ON n.oid = parent.relnamespace AND n.nspname = $1
		WHERE $2::text[] IS NULL OR c.relname = ANY($2) ORDER BY 1`, prefix+purpose, names)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range all {
		if day, ok := dayOf(name); ok {
			days = append(days, day)
		}
	}
	return days, err
}

// makePartition makes the partition of a day. It is attached, not made as a part of the table, so that nobody who reads
// the table, or writes to it, waits.
func makePartition(ctx context.Context, tx pgx.Tx, p store.Place) error {
	_, err := tx.Exec(ctx, fmt.Sprintf("CREATE TABLE %[2]s (LIKE %[1]s.excerpt INCLUDING ALL);"+
		"ALTER TABLE %[1]s.excerpt ATTACH PARTITION %[2]s FOR VALUES IN ('%[3]s');"+
		"DELETE FROM %[1]s.days WHERE expires = '%[3]s'", schemaOf(p.Purpose), tableOf(p), p.Expires))
	return err
}
