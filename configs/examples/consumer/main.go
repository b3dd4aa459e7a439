// Consumer is an example to copy: it writes the records of one purpose from a hub into a database, each once and in its
// best revision, and names every record that is missing. It needs nothing of sipsieve but what is on the wire.
//
//	consumer -url tls://hub.example.net:4222 -nkey rating.seed -ca hub-ca.pem -cert rating.pem \
//	  -inbox _INBOX_rating -stream CPNI_BILLING -consumer rating -db billing.db
//
// `sipsieve bus apply` has made the durable consumer, one for each word in the policy's audience. Its user needs what
// "Users of a hub" in store/README.md names. Run one process for each durable consumer. Invoice from table record when
// table gap has no row, or when records of kind loss account for what it has.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	_ "modernc.org/sqlite"
)

const batchLimit = 500 // records of one transaction

const sortable = "2006-01-02T15:04:05.000000000Z" // a spool is named by the time when it was made, here of fixed width

// What the database has.
const schema = `
CREATE TABLE IF NOT EXISTS record (            -- the best revision of each record
	id TEXT PRIMARY KEY, kind TEXT NOT NULL, sensor TEXT NOT NULL, revision INTEGER NOT NULL,
	stage INTEGER NOT NULL, status INTEGER NOT NULL, completeness INTEGER NOT NULL, -- ranks: the higher is better
	spool TEXT NOT NULL, seq INTEGER NOT NULL, expires TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS record_expires ON record (expires);
CREATE TABLE IF NOT EXISTS reached (           -- the highest number that came of each spool
	sensor TEXT, spool TEXT, seq INTEGER, PRIMARY KEY (sensor, spool)) STRICT;
CREATE TABLE IF NOT EXISTS gap (               -- numbers below it that did not come
	sensor TEXT, spool TEXT, first INTEGER, last INTEGER, PRIMARY KEY (sensor, spool, first)) STRICT;`

// A record comes more than once: at several stages, corrected, delivered again, from two sensors. Of one sensor the
// higher revision stays; of one revision the better status, then the higher completeness, then the later published.
// Of two sensors the later stage stays, then status and completeness, then the lower name. The order does not matter.
const putRecord = `
INSERT INTO record (id, kind, sensor, revision, stage, status, completeness, spool, seq, expires, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, sensor = excluded.sensor, revision = excluded.revision,
	stage = excluded.stage, status = excluded.status, completeness = excluded.completeness, spool = excluded.spool,
	seq = excluded.seq, expires = excluded.expires, body = excluded.body
WHERE CASE WHEN excluded.sensor = record.sensor
	THEN (excluded.revision, excluded.status, excluded.completeness, excluded.spool, excluded.seq)
		> (record.revision, record.status, record.completeness, record.spool, record.seq)
	ELSE (excluded.stage, excluded.status, excluded.completeness, record.sensor)
		> (record.stage, record.status, record.completeness, excluded.sensor) END`

// Words of the fields stage and status, each better than those before it.
var stages = []string{"start", "answer", "interim", "stop", "correction"}
var statuses = []string{"evicted", "partial", "complete"}

// A record is what has to be known of a message's body to keep the right one.
type record struct {
	ID, Kind, Sensor, Stage, Status, Expires string
	Revision, Completeness                   int
}

// A place is where a sensor published a record: numbers of one spool rise by one, and another spool begins at 1.
type place struct {
	sensor, spool string
	seq           int64
}

type consumer struct {
	stream, name, reported string
	js                     jetstream.JetStream
	db                     *sql.DB
}

func main() {
	var opts []nats.Option
	use := func(o nats.Option) error { opts = append(opts, o); return nil }
	url := flag.String("url", "", "`URLs` of the hub's servers, with commas between")
	flag.Func("creds", "credentials `file` of the user", func(f string) error { return use(nats.UserCredentials(f)) })
	flag.Func("nkey", "`file` with the seed of the user's nkey", func(f string) error {
		o, err := nats.NkeyOptionFromSeed(f)
		return errors.Join(err, use(o))
	})
	flag.Func("ca", "PEM `file` of the hub's authority", func(f string) error { return use(nats.RootCAs(f)) })
	flag.Func("cert", "PEM `file` of our certificate and key", func(f string) error { return use(nats.ClientCert(f, f)) })
	flag.Func("inbox", "`prefix` of the user's inbox", func(p string) error { return use(nats.CustomInboxPrefix(p)) })
	c := new(consumer)
	flag.StringVar(&c.stream, "stream", "CPNI_BILLING", "`name` of the stream")
	flag.StringVar(&c.name, "consumer", "rating", "`name` of the durable consumer")
	path := flag.String("db", "billing.db", "`file` of the SQLite database")
	flag.Parse()
	if err := c.run(*url, *path, opts); err != nil {
		log.Fatal(err)
	}
}

// run consumes until the process is interrupted. A hub or database that is away is waited for, also at the start.
func (c *consumer) run(url, path string, opts []nats.Option) error {
	conn, err := nats.Connect(url, append(opts, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Print(err) }))...) // such as a permission
	if err != nil {
		return err
	}
	defer conn.Close()
	if c.js, err = jetstream.New(conn); err != nil {
		return err
	}
	c.db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"+
		"&_pragma=synchronous(FULL)&_pragma=secure_delete(1)") // FULL: a commit is on disk when it returns
	if err != nil {
		return err
	}
	defer c.db.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		if err := c.follow(ctx); err != nil && ctx.Err() == nil {
			log.Printf("%v; once more in a second", err)
			time.Sleep(time.Second)
		}
	}
	return nil
}

// follow takes batches from the consumer on the server until ctx ends or something goes wrong.
func (c *consumer) follow(ctx context.Context) error {
	if _, err := c.db.Exec(schema); err != nil {
		return err
	}
	durable, err := c.js.Consumer(ctx, c.stream, c.name) // it is there and is not made here
	for err == nil && ctx.Err() == nil {
		err = errors.Join(c.step(durable), c.report())
	}
	return err
}

// step takes one batch: fetch, commit, acknowledge, in this order. What was not committed is delivered again after the
// consumer's ack_wait. So is what was committed and not acknowledged, and putRecord leaves it as it is.
func (c *consumer) step(durable jetstream.Consumer) error {
	fetched, err := durable.Fetch(batchLimit, jetstream.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		return err
	}
	var messages []jetstream.Msg
	for m := range fetched.Messages() {
		messages = append(messages, m)
	}
	if len(messages) == 0 {
		return fetched.Error()
	}
	if err := c.commit(messages, durable.CachedInfo().Created); err != nil {
		return err
	}
	last := len(messages) - 1 // the server takes acknowledgements in their order: when it confirms this one it has all
	for _, m := range messages[:last] {
		_ = m.Ack()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return messages[last].DoubleAck(ctx)
}

// commit writes records, the numbers that were reached and gaps in one transaction: all of it or nothing.
func (c *consumer) commit(messages []jetstream.Msg, made time.Time) error {
	tx, err := c.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	for _, m := range messages {
		p := placeOf(m, made)
		if err := p.count(tx); err != nil {
			return err
		}
		var r record
		if err := json.Unmarshal(m.Data(), &r); err != nil || r.ID == "" || r.Expires == "" {
			log.Printf("sensor %s: number %d is not a record and is left out", p.sensor, p.seq)
			continue
		}
		_, err = tx.Exec(putRecord, r.ID, r.Kind, r.Sensor, r.Revision, slices.Index(stages, r.Stage),
			slices.Index(statuses, r.Status), r.Completeness, p.spool, p.seq, r.Expires, string(m.Data()))
		if err != nil {
			return err
		}
	}
	// The policy's retention holds here too: a record is deleted on the day that it bears.
	if _, err := tx.Exec("DELETE FROM record WHERE expires <= date('now')"); err != nil {
		return err
	}
	return tx.Commit()
}

// placeOf returns where m was published: on a hub by its headers. On the spool of a sensor it has none, and the numbers
// are those of the stream, since the consumer was made: with another stream it is made anew.
func placeOf(m jetstream.Msg, made time.Time) place {
	h := m.Headers()
	seq, err := strconv.ParseInt(h.Get("Sieve-Seq"), 10, 64)
	spool, err2 := time.Parse(time.RFC3339Nano, h.Get("Sieve-Spool"))
	if meta, err3 := m.Metadata(); err3 == nil && errors.Join(err, err2) != nil {
		seq, spool = int64(meta.Sequence.Stream), made
	}
	return place{h.Get("Sieve-Sensor"), spool.UTC().Format(sortable), seq}
}

// count notes that number p.seq has come. Numbers that were passed over are a gap until they come after all: those of a
// process that was killed before its commit are delivered again after the consumer's ack_wait.
func (p place) count(tx *sql.Tx) error {
	var reached, first, last int64 // of a spool of which nothing came yet 0 is reached: its first number is 1
	err := tx.QueryRow("SELECT seq FROM reached WHERE sensor = ? AND spool = ?", p.sensor, p.spool).Scan(&reached)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
	case p.seq > reached:
		first, last = reached+1, p.seq
		_, err = tx.Exec("INSERT OR REPLACE INTO reached VALUES (?, ?, ?)", p.sensor, p.spool, p.seq)
	default:
		err = tx.QueryRow(`DELETE FROM gap WHERE sensor = ? AND spool = ? AND ? BETWEEN first AND last
			RETURNING first, last`, p.sensor, p.spool, p.seq).Scan(&first, &last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // it came before
		}
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO gap SELECT ?1, ?2, ?3, ?4 - 1 WHERE ?3 < ?4
		UNION ALL SELECT ?1, ?2, ?4 + 1, ?5 WHERE ?4 < ?5`, p.sensor, p.spool, first, p.seq, last)
	return err
}

// report logs all gaps, at the start and whenever they have changed.
func (c *consumer) report() (err error) {
	var text string
	err = c.db.QueryRow(`SELECT coalesce(group_concat(format('gap: sensor %s, spool %s: %d to %d are missing',
		sensor, spool, first, last), '; '), 'no gap') FROM gap`).Scan(&text)
	if err == nil && text != c.reported {
		c.reported = text
		log.Print(text)
	}
	return err
}
