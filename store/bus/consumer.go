package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/policy"
)

const (
	fetchLimit = 500                    // messages of one fetch, and so of one Put
	fetchWait  = 200 * time.Millisecond // for the first of them
	ackWait    = 30 * time.Second       // until what is not acknowledged is delivered again
	ackLimit   = 2000                   // messages delivered and not acknowledged
	putTimeout = 20 * time.Second       // less than ackWait, so that what hangs is not delivered twice
)

// A Consumer brings the excerpts of one purpose from its stream into a Sink, once each as far as the Sink's key goes.
type Consumer struct {
	bus           *Bus
	purpose, name string

	received, put, refused, redelivered, retried atomic.Uint64

	trouble atomic.Pointer[error]
}

// Counts are what a Consumer did since it was made.
type Counts struct {
	Received    uint64 // messages, redelivered ones included
	Put         uint64 // excerpts the Sink kept
	Refused     uint64 // payloads that are not ours, and excerpts that the Sink refused for good
	Redelivered uint64 // messages that had been delivered before
	Retried     uint64 // Puts that were repeated because the Sink was unavailable or full
}

// Counts returns what c did up to now.
func (c *Consumer) Counts() (n Counts) {
	n.Put, n.Refused, n.Redelivered, n.Retried = c.put.Load(), c.refused.Load(), c.redelivered.Load(), c.retried.Load()
	n.Received = c.received.Load() // last: never behind what became of them
	return n
}

// Purpose returns the purpose whose excerpts c brings.
func (c *Consumer) Purpose() string { return c.purpose }

// Trouble returns why c waits at the moment, nil if it does not.
func (c *Consumer) Trouble() error {
	if err := c.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Run puts what comes into the Sink until ctx ends, and acknowledges it then: a crash in between repeats the Put.
// An absent Sink or server makes it wait, a Sink without room too; a payload that is not ours is counted and
// never comes again. Run returns nil when ctx ends, or an error of the Sink that no waiting mends.
func (c *Consumer) Run(ctx context.Context, into store.Sink) error {
	for _, name := range []string{c.purpose, c.name} {
		if err := store.CheckName(name); err != nil {
			return fmt.Errorf("bus: consumer: %w", err)
		}
	}
	backoff := store.NewBackoff()
	for ctx.Err() == nil {
		err := c.follow(ctx, into, backoff)
		if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		c.trouble.Store(&err)
		wait(ctx, backoff)
	}
	return nil
}

// follow makes the consumer on the server, if it is not there, and drains it until something goes wrong.
func (c *Consumer) follow(ctx context.Context, into store.Sink, backoff *store.Backoff) error {
	s, err := c.bus.stream.Stream(ctx, store.StreamName(c.purpose))
	if err != nil {
		return retryable("consume", err)
	}
	durable, err := s.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: c.name, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait: ackWait, MaxAckPending: ackLimit, MaxDeliver: -1,
	})
	if err != nil {
		return retryable("consume", err)
	}
	spool := s.CachedInfo().Created.UnixNano()
	for ctx.Err() == nil {
		if err := c.step(ctx, durable, spool, into); err != nil {
			return err
		}
		c.trouble.Store(nil)
		backoff.Reset()
	}
	return nil
}

// step fetches up to fetchLimit messages, waiting fetchWait for the first, and keeps them.
func (c *Consumer) step(ctx context.Context, durable jetstream.Consumer, spool int64, into store.Sink) error {
	fetched, err := durable.Fetch(fetchLimit, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return retryable("fetch", err)
	}
	var d delivery
	for m := range fetched.Messages() {
		c.received.Add(1)
		if !c.admit(&d, m, spool) {
			c.refused.Add(1)
			_ = m.Term() // if it is lost the message comes again, and is refused again
		}
	}
	if len(d.messages) > 0 {
		if err := c.keep(ctx, &d, into); err != nil {
			return err
		}
	}
	return retryable("fetch", fetched.Error())
}

// A delivery is what one fetch brought.
type delivery struct {
	messages []jetstream.Msg
	excerpts []policy.Excerpt
}

// admit takes m into d, if it is an excerpt of c's purpose that stands where it belongs.
func (c *Consumer) admit(d *delivery, m jetstream.Msg, spool int64) bool {
	meta, err := m.Metadata()
	if err != nil {
		return false
	}
	if meta.NumDelivered > 1 {
		c.redelivered.Add(1)
	}
	x, err := policy.Received(m.Data())
	if err != nil {
		return false
	}
	subject, err := store.Subject(x)
	if err != nil || subject != m.Subject() || x.Purpose != c.purpose {
		return false
	}
	if _, err := messageID(x); err != nil {
		return false
	}
	if x.Published = published(m.Headers()); x.Published == (policy.Sequence{}) {
		x.Published = policy.Sequence{Stream: spool, Number: meta.Sequence.Stream}
	}
	d.messages, d.excerpts = append(d.messages, m), append(d.excerpts, x)
	return true
}

// published reads the place in the sensor's own stream that a message bears which was forwarded, zero without one.
func published(h nats.Header) policy.Sequence {
	number, err := strconv.ParseUint(h.Get(headerSeq), 10, 63)
	made, err2 := time.Parse(time.RFC3339Nano, h.Get(headerSpool))
	if err != nil || err2 != nil || number == 0 {
		return policy.Sequence{}
	}
	return policy.Sequence{Stream: made.UnixNano(), Number: number}
}

// keep puts d until the Sink has it or refuses it for good, and acknowledges it. When ctx ends first it releases d.
func (c *Consumer) keep(ctx context.Context, d *delivery, into store.Sink) error {
	backoff := store.NewBackoff()
	for {
		err := c.putOnce(ctx, d, into)
		var refused store.Refused
		switch {
		case err == nil:
			c.put.Add(uint64(len(d.excerpts)))
			return d.acknowledge(ctx)
		case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull), ctx.Err() != nil:
			c.retried.Add(1)
			c.trouble.Store(&err)
		case errors.As(err, &refused):
			c.countRefused(refused, len(d.excerpts))
			return d.acknowledge(ctx)
		default:
			d.release()
			return fmt.Errorf("bus: consume: %w", err)
		}
		if !wait(ctx, backoff) {
			d.release()
			return nil
		}
		d.extend()
	}
}

// putOnce puts d once. What hangs counts as unavailable.
func (c *Consumer) putOnce(ctx context.Context, d *delivery, into store.Sink) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	err := into.Put(ctx, d.excerpts)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("bus: consume: %w: %w", store.ErrUnavailable, err)
	}
	return err
}

// countRefused counts a Put of which some were refused for good.
func (c *Consumer) countRefused(refused store.Refused, all int) {
	lost := 0
	for _, r := range refused {
		lost += r.Count
	}
	c.refused.Add(uint64(lost))
	c.put.Add(uint64(all - lost))
}

// acknowledge confirms all of d. The server takes acknowledgements in their order, so that its answer to the last
// is an answer to all; one that is lost only repeats its message.
func (d *delivery) acknowledge(ctx context.Context) error {
	last := len(d.messages) - 1
	for _, m := range d.messages[:last] {
		if err := m.Ack(); err != nil {
			return retryable("acknowledge", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout)
	defer cancel()
	return retryable("acknowledge", d.messages[last].DoubleAck(ctx))
}

// extend starts the server's wait for the acknowledgement of d anew. If that is lost d is delivered again, and the Sink
// finds it by its key.
func (d *delivery) extend() {
	for _, m := range d.messages {
		_ = m.InProgress()
	}
}

// release has the server deliver d again at once; if that is lost, when ackWait is over.
func (d *delivery) release() {
	for _, m := range d.messages {
		_ = m.Nak()
	}
}

// wait waits before the next attempt and reports true, or false when ctx ended.
func wait(ctx context.Context, b *store.Backoff) bool {
	t := time.NewTimer(b.Next())
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
