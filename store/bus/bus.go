// Package bus carries excerpts from where they are made to where they are kept, over NATS JetStream.
//
// A Publisher's Put returns when the stream has the excerpts on disk; a Consumer acknowledges what a Sink has kept.
// So an excerpt is always in one place at least, whatever stops in between.
//
// # Streams
//
// One stream a purpose, on the edge as on the hub, with DiscardNew: what does not fit is refused (store.ErrFull). The
// embedded server purges what all of its keepers (Config.Keepers) have confirmed when a Put finds no room, and ahead of
// need when less than a tenth of a stream is free.
//
// # Connections
//
// Connect does not wait for a server that is away. It tries for ever, at growing intervals with a random part, and reads
// credentials and certificates again each time; Away returns since when there is no connection, and why.
//
// # Consumers
//
// A Consumer is durable: it goes on where the one of that name ended, in any process. It puts in the order of the stream,
// and what a Sink refuses for now before anything later. Of the embedded server one acknowledgement confirms a
// fetch, which must have come without a gap; of a hub each message is confirmed by itself, and what was delivered to a
// process that died comes again after 30 s. The answer to the last acknowledgement is awaited.
//
// # Hubs
//
// A hub's streams and consumers are made by Apply, as a HubPlan has them. Who pushes and who reads needs no right to make
// any: store/README.md lists the permissions.
//
// # Damage
//
// The embedded server serves nothing of a file behind a damaged byte, and may use numbers again. So its spool has marks
// of its own: for each stream the highest sequence that was acknowledged and what the keepers had confirmed. Before the
// server starts every message is checked. A stream with damage is made anew: what is intact is put again with its time
// (Sieve-Put), what is not is in Damages. A record that is put again is one row in a store.
//
// # Errors of the disk
//
// The server takes nothing more for a stream after its first write that failed, whatever the disk does later. So the
// embedded bus puts nothing then (BrokenError), and once its folder can be written it opens the server anew, as after a crash:
// what was acknowledged is there, what was not is put again.
//
// # Expiry
//
// The server removes what has expired from a stream, not from its files. The embedded bus does, within an hour: it
// empties a stream that is confirmed as a whole, and makes any other anew of what is not confirmed.
//
// # Errors
//
// What may pass is a store.Fault, by purpose and cause, and wraps store.ErrUnavailable; store.Refused counts what is refused
// for good.
package bus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/bus/host"
)

const (
	defaultRetain   = 72 * time.Hour   // of a stream without Retain
	defaultPriority = 5                // of a stream without Priority; 1 gets the most room
	duplicateWindow = 2 * time.Minute  // within which a repeated publication is recognised by its message id
	replyTimeout    = 15 * time.Second // for an answer of the server to a call without a deadline
	asyncWindow     = 256              // publications in flight, one by one
)

// A Bus is a connection to a NATS server with JetStream: the embedded one, or one elsewhere.
type Bus struct {
	conn     *nats.Conn
	link     link
	stream   jetstream.JetStream
	server   *host.Host // nil if it is elsewhere
	config   Config     // of server
	release  func() error
	stopDial func()
	access   map[string]Access
	spool    *spool // nil if the server is elsewhere

	errs                serverErrors
	published, oneByOne atomic.Uint64 // of all its Publishers
	reopened            atomic.Uint64
}

// Traffic is what a Bus did since it was opened.
type Traffic struct {
	Published    uint64 // excerpts that its Publishers put
	OneByOne     uint64 // of these, those whose batch was refused
	ServerErrors uint64 // asynchronous errors of the server: see LastServerError
	Reopened     uint64 // times that the embedded server was opened anew: see BrokenError
}

// Traffic returns what b did up to now.
func (b *Bus) Traffic() Traffic {
	b.errs.mu.Lock()
	defer b.errs.mu.Unlock()
	return Traffic{b.published.Load(), b.oneByOne.Load(), b.errs.count, b.reopened.Load()}
}

// Consumer returns the durable consumer of that name; to the server it is one wherever it runs. The name is a name
// as store.CheckName has it.
func (b *Bus) Consumer(purpose, name string) *Consumer {
	return &Consumer{bus: b, purpose: purpose, name: name}
}

// Publisher returns a Publisher to b's streams.
func (b *Bus) Publisher() *Publisher { return &Publisher{b} }

// Arrange makes the streams of p, or changes those that are there; to repeat it changes nothing. A stream that p
// does not name is left to run dry.
func (b *Bus) Arrange(ctx context.Context, p Plan) error {
	if err := p.Validate(); err != nil {
		return err
	}
	for _, c := range p.configs() {
		if _, err := b.stream.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("bus: arrange %s: %w", c.Name, err)
		}
	}
	return nil
}

// Lag returns the figures of a purpose's stream and of its durable consumers. An error is a store.Fault.
func (b *Bus) Lag(ctx context.Context, purpose string) (Lag, error) {
	name := store.StreamName(purpose)
	ctx, end := b.errs.watch(ctx, func(subject string) bool {
		return subject == "$JS.API.STREAM.INFO."+name || subject == "$JS.API.CONSUMER.LIST."+name
	})
	defer end()
	s, err := b.stream.Stream(ctx, name)
	if err != nil {
		return Lag{}, b.fault(ctx, purpose, "lag", err)
	}
	state := s.CachedInfo()
	lag := Lag{Purpose: purpose, Messages: state.State.Msgs, Bytes: int64(state.State.Bytes),
		Limit: state.Config.MaxBytes, First: state.State.FirstSeq, Last: state.State.LastSeq}
	if lag.Messages > 0 {
		lag.Oldest = state.State.FirstTime
	}
	consumers := s.ListConsumers(ctx)
	for c := range consumers.Info() {
		if c.Config.Durable == "" {
			continue
		}
		one := ConsumerLag{Name: c.Name, Confirmed: c.AckFloor.Stream,
			Pending: c.NumPending, Unconfirmed: c.NumAckPending, Redelivering: c.NumRedelivered}
		if one.Behind() > 0 {
			one.Oldest = b.cameAt(ctx, s, one.Confirmed+1)
		}
		lag.Consumers = append(lag.Consumers, one)
	}
	return lag, b.fault(ctx, purpose, "lag", consumers.Err())
}

// cameAt returns when the message of that sequence, or the oldest after it, came to s. It is the zero time if there is
// none, and of a server elsewhere, where a reader may have no right to a message out of turn.
func (b *Bus) cameAt(ctx context.Context, s jetstream.Stream, sequence uint64) time.Time {
	if b.server == nil {
		return time.Time{}
	}
	if info := s.CachedInfo().State; sequence <= info.FirstSeq {
		return info.FirstTime
	}
	m, err := s.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(">"))
	if err != nil {
		return time.Time{}
	}
	return m.Time
}

// Access returns how to read purpose; false if the server is elsewhere, listens nowhere, or had no stream
// of the purpose when it started.
func (b *Bus) Access(purpose string) (Access, bool) {
	a, ok := b.access[purpose]
	return a, ok
}

// Close ends the connection and the embedded server, if it is one. What Put has acknowledged stays.
func (b *Bus) Close() error {
	var err error
	if b.spool != nil {
		err = b.spool.close()
	}
	b.stopDial()
	b.conn.Close()
	if b.server == nil {
		return nil
	}
	b.server.Stop()
	if b.spool != nil {
		err = errors.Join(err, b.spool.seal())
	}
	return errors.Join(err, b.release())
}
