package bus

import (
	"database/sql"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"golang.org/x/sync/errgroup"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// rawLoad is what NATS and SQLite need for the same bodies: an atomic batch into each stream, fetched as they are and
// inserted into one database a purpose, then acknowledged.
func rawLoad(b *testing.B) *traffic {
	edge := embedded(b, 0, loadPurposes...)
	through := make([]atomic.Int64, len(loadPurposes))
	for i, purpose := range loadPurposes {
		durable, err := edge.stream.CreateConsumer(b.Context(), store.StreamName(purpose), consumerConfig("store", true))
		if err != nil {
			b.Fatal(err)
		}
		insert := bareTable(b)
		go func() {
			for b.Context().Err() == nil {
				if n, err := insertFetched(b, durable, insert); err == nil {
					through[i].Add(int64(n))
				}
			}
		}()
	}
	return &traffic{size: ownBatchLimit, wait: func(purpose, n int) bool { return through[purpose].Load() >= int64(n) },
		batch: func(b *testing.B, lists [][]policy.Excerpt) {
			var all errgroup.Group
			for _, xs := range lists {
				all.Go(func() error {
					var messages []*nats.Msg
					for _, x := range xs {
						messages = append(messages, &nats.Msg{Subject: "cpni.v1." + x.Purpose + ".raw", Data: x.Body(),
							Header: nats.Header{"Id": {x.ID}}})
					}
					_, err := jetstreamext.PublishMsgBatch(b.Context(), edge.stream, messages, oneAnswer)
					return err
				})
			}
			if err := all.Wait(); err != nil {
				b.Fatal(err)
			}
		}}
}

// bareTable makes a table of id and body in a file of its own, and returns what inserts messages in one transaction, as
// synchronous as a store.
func bareTable(b *testing.B) func([]jetstream.Msg) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bare.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(1)")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec("CREATE TABLE bare (id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL) STRICT"); err != nil {
		b.Fatal(err)
	}
	insert, err := db.Prepare("INSERT INTO bare VALUES (?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	return func(messages []jetstream.Msg) error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		stmt := tx.Stmt(insert)
		for _, m := range messages {
			if _, err := stmt.Exec(m.Headers().Get("Id"), string(m.Data())); err != nil {
				return err
			}
		}
		return tx.Commit()
	}
}

// insertFetched inserts what one fetch brings, acknowledges it, and returns how many that were.
func insertFetched(b *testing.B, durable jetstream.Consumer, insert func([]jetstream.Msg) error) (int, error) {
	fetched, err := durable.Fetch(fetchLimit, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return 0, err
	}
	var messages []jetstream.Msg
	for m := range fetched.Messages() {
		messages = append(messages, m)
	}
	if len(messages) == 0 {
		return 0, fetched.Error()
	}
	if err := insert(messages); err != nil {
		return 0, err
	}
	return len(messages), messages[len(messages)-1].DoubleAck(b.Context())
}
