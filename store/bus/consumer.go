package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
)

const (
	fetchLimit = 2 * batchLimit         // messages of one fetch, and so of one Put
	fetchWait  = 200 * time.Millisecond // until a fetch of fewer ends
	ackWait    = 30 * time.Second       // until what is not acknowledged is delivered again
	ackLimit   = 2 * fetchLimit         // messages delivered and not acknowledged
	putTimeout = 20 * time.Second       // less than ackWait, so that what hangs is not delivered twice
)

// A Consumer brings the excerpts of one purpose from its stream into a Sink, in the order of the stream, once each as
// far as the Sink's key goes.
type Consumer struct {
	bus           *Bus
	purpose, name string

	received, put, refused, redelivered, retried atomic.Uint64

	waiting atomic.Pointer[error]
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

// Waiting returns why c waits at the moment, nil if it does not: an error of the Sink, or a store.Fault of the stream.
func (c *Consumer) Waiting() error {
	if err := c.waiting.Load(); err != nil {
		return *err
	}
	return nil
}

// Run puts what comes into the Sink until ctx ends, and acknowledges it then: a crash in between repeats the Put. What
// comes later is put after it. An absent Sink or server makes it wait, a Sink without room too; a payload that is not
// ours is counted and never comes again. Run returns nil when ctx ends, or an error of the Sink that no waiting mends.
//
// The consumer on the server is made if there is none: of the embedded server with one acknowledgement for all that a
// fetch brought, elsewhere with one for each. One that is there is used as it is.
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
		if isBroken(err) { // it goes on with the next server
			c.bus.server.AwaitAnew(ctx)
		} else {
			c.waiting.Store(&err)
		}
		wait(ctx, backoff)
	}
	return nil
}

// Again has the server deliver once more what the Sink has lost, as far as the stream still has it: everything from the
// lowest of these publications on, all of it if one of them is of another stream. What the Sink has not lost it finds by
// its key. The consumer must be there. An error is a store.Fault.
func (c *Consumer) Again(ctx context.Context, lost store.Cursor) error {
	ctx, end := c.bus.errs.watch(ctx, c.needs)
	defer end()
	name := store.StreamName(c.purpose)
	sequence, err := c.lowest(ctx, lost)
	reset := func() error {
		_, err := c.bus.stream.ResetConsumerToSequence(ctx, name, c.name, sequence)
		return err
	}
	switch {
	case err != nil:
	case c.bus.spool == nil:
		err = reset()
	default:
		err = c.bus.spool.setBack(name, c.name, sequence, reset)
	}
	return c.bus.fault(ctx, c.purpose, "reset", err)
}

// Behind returns how many messages the Sink has not confirmed. An error is a store.Fault.
func (c *Consumer) Behind(ctx context.Context) (uint64, error) {
	ctx, end := c.bus.errs.watch(ctx, c.needs)
	defer end()
	durable, err := c.bus.stream.Consumer(ctx, store.StreamName(c.purpose), c.name)
	if err != nil {
		return 0, c.bus.fault(ctx, c.purpose, "lag", err)
	}
	state := durable.CachedInfo()
	return state.NumPending + uint64(state.NumAckPending), nil
}

// lowest returns the lowest sequence that the stream has given these publications, 1 if one of them, or none, is of it.
func (c *Consumer) lowest(ctx context.Context, lost store.Cursor) (sequence uint64, err error) {
	made, err := c.streamMade(ctx)
	if err != nil {
		return 0, err
	}
	for _, one := range lost {
		if c.bus.spool == nil || one.Stream != made || one.Number == 0 {
			return 1, nil
		}
		if sequence == 0 || one.Number < sequence {
			sequence = one.Number
		}
	}
	return max(sequence, 1), nil
}

// follow drains the consumer on the server until something goes wrong.
func (c *Consumer) follow(ctx context.Context, into store.Sink, backoff *store.Backoff) error {
	ctx, end := c.bus.errs.watch(ctx, c.needs)
	defer end()
	s, err := c.open(ctx)
	for err == nil && ctx.Err() == nil {
		if err = c.step(ctx, s, into); err == nil && ctx.Err() == nil { // a refused subject ends ctx, and no step
			c.waiting.Store(nil)
			backoff.Reset()
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	if fatal := new(sinkError); errors.As(err, fatal) {
		return fatal.error
	}
	return c.bus.fault(ctx, c.purpose, "consume", err)
}

// A sinkError is an error of a Sink that no waiting mends.
type sinkError struct{ error }

// needs reports whether c cannot do without that subject.
func (c *Consumer) needs(subject string) bool {
	stream := store.StreamName(c.purpose)
	return strings.HasPrefix(subject, "$JS.API.CONSUMER.") && strings.HasSuffix(subject, "."+stream+"."+c.name) ||
		strings.HasPrefix(subject, "$JS.ACK.") && strings.Contains(subject, "."+stream+"."+c.name+".")
}

// step fetches up to fetchLimit messages and keeps them.
func (c *Consumer) step(ctx context.Context, s *session, into store.Sink) error {
	fetched, err := s.durable.Fetch(fetchLimit, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return err
	}
	var d delivery
	for m := range fetched.Messages() { // to its end: what comes after an error would be taken from the next session
		c.received.Add(1)
		if err == nil {
			err = c.take(s, &d, m)
		}
	}
	if err != nil {
		return err
	}
	if err := c.keep(ctx, s, &d, into); err != nil {
		return err
	}
	return fetched.Error()
}

// keep puts d until the Sink has it or refuses it for good, and acknowledges it. When ctx ends first it releases d.
func (c *Consumer) keep(ctx context.Context, s *session, d *delivery, into store.Sink) error {
	backoff := store.NewBackoff()
	for len(d.excerpts) > 0 {
		err := c.putOnce(ctx, d, into)
		var refused store.Refused
		switch {
		case err == nil:
			c.put.Add(uint64(len(d.excerpts)))
			return s.acknowledge(ctx, d)
		case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull), ctx.Err() != nil:
			c.retried.Add(1)
			if !isBroken(context.Cause(ctx)) {
				c.waiting.Store(&err)
			}
			c.dropPut(d, err)
		case errors.As(err, &refused):
			c.countRefused(refused, len(d.excerpts))
			return s.acknowledge(ctx, d)
		default:
			s.release(d)
			return sinkError{fmt.Errorf("bus: consume: %w", err)}
		}
		if !wait(ctx, backoff) {
			s.release(d)
			return nil
		}
		d.extend()
	}
	return s.acknowledge(ctx, d)
}

// dropPut leaves out of d what a Put that failed with err has put, as far as err says so: to put it again after the
// server's window for repetitions would be one more message.
func (c *Consumer) dropPut(d *delivery, err error) {
	left := 0
	var faults store.Faults
	var refused store.Refused
	switch {
	case errors.As(err, &faults) && len(faults) == 1:
		left = faults[0].Left
	case errors.As(err, &refused) && len(refused) == 1 && errors.Is(err, store.ErrFull):
		left = refused[0].Count
	}
	if done := len(d.excerpts) - left; left > 0 && done > 0 {
		c.put.Add(uint64(done))
		d.excerpts = d.excerpts[done:]
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
