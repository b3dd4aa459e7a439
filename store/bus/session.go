// This file has methods of Consumer because what it does with one connection to the server stands apart from its loop.

package bus

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// errGap is returned when the server delivered something that did not arrive.
var errGap = errors.New("a delivery did not arrive")

// A session is a consumer on the server as it is used until something goes wrong.
//
// With jetstream.AckAllPolicy the acknowledgement of a message is one of all that were delivered before, arrived or not.
// So a session begins with everything delivered anew that is not acknowledged, and ends with a gap in the
// deliveries' numbers.
type session struct {
	errs    *serverErrors
	needs   func(subject string) bool
	durable jetstream.Consumer
	made    int64  // when the stream was made, Unix nanoseconds; 0 if that may not be asked
	all     bool   // one acknowledgement for all
	next    uint64 // with all: number of the next delivery
}

// open uses the consumer on the server, and makes it if there is none. Of the embedded server, whose version is ours, it
// is one with a single acknowledgement; one that an older version made is replaced, and goes on where that was.
func (c *Consumer) open(ctx context.Context) (*session, error) {
	made, err := c.streamMade(ctx)
	if err != nil {
		return nil, err
	}
	own := c.bus.server != nil
	config := consumerConfig(c.name, own)
	stream := store.StreamName(c.purpose)
	durable, err := c.bus.stream.Consumer(ctx, stream, c.name)
	if err == nil && own && durable.CachedInfo().Config.AckPolicy != jetstream.AckAllPolicy {
		durable, err = c.bus.replaceConsumer(ctx, stream, durable, config)
	}
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		durable, err = c.bus.stream.CreateConsumer(ctx, stream, config)
	}
	if err != nil {
		return nil, err
	}
	s := &session{errs: &c.bus.errs, needs: c.needs, durable: durable, made: made, all: durable.CachedInfo().Config.AckPolicy == jetstream.AckAllPolicy}
	if s.all {
		c.redelivered.Add(uint64(durable.CachedInfo().NumAckPending))
		_, err = c.bus.stream.ResetConsumer(ctx, stream, c.name)
		s.next = 1
	}
	return s, err
}

// consumerConfig returns a consumer as a Consumer makes it: of its own server with one acknowledgement for all.
func consumerConfig(name string, own bool) jetstream.ConsumerConfig {
	config := jetstream.ConsumerConfig{
		Durable: name, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait: ackWait, MaxAckPending: ackLimit, MaxDeliver: -1,
	}
	if own {
		config.AckPolicy = jetstream.AckAllPolicy
	}
	return config
}

// streamMade returns when the stream was made, in Unix nanoseconds; 0 without the permission to read that, which a
// reader of a hub needs not: what was forwarded bears the place in its sensor's stream.
func (c *Consumer) streamMade(ctx context.Context) (int64, error) {
	name := store.StreamName(c.purpose)
	ctx, end := c.bus.errs.watch(ctx, func(s string) bool { return s == "$JS.API.STREAM.INFO."+name })
	defer end()
	s, err := c.bus.stream.Stream(ctx, name)
	switch {
	case err == nil:
		return s.CachedInfo().Created.UnixNano(), nil
	case errors.Is(context.Cause(ctx), nats.ErrPermissionViolation):
		return 0, nil
	}
	return 0, err
}

// A delivery is what one fetch brought: messages, and the excerpts of those that are ours.
type delivery struct {
	messages []jetstream.Msg
	excerpts []policy.Excerpt
}

// take takes m into d. What is no excerpt of c's purpose is counted and never comes again.
func (c *Consumer) take(s *session, d *delivery, m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	if s.all && meta.Sequence.Consumer != s.next {
		return errGap
	}
	s.next++
	if meta.NumDelivered > 1 {
		c.redelivered.Add(1)
	}
	x, ours := c.admit(m)
	if !ours {
		c.refused.Add(1)
		if !s.all {
			_ = m.Term() // if it is lost the message comes again, and is refused again
			return nil
		}
		d.messages = append(d.messages, m) // acknowledged with the others
		return nil
	}
	if x.Published = published(m.Headers()); x.Published == (policy.Sequence{}) {
		x.Published = policy.Sequence{Stream: s.made, Number: meta.Sequence.Stream}
	}
	d.messages, d.excerpts = append(d.messages, m), append(d.excerpts, x)
	return nil
}

// admit returns the excerpt in m, if it is one of c's purpose that stands where it belongs.
func (c *Consumer) admit(m jetstream.Msg) (x policy.Excerpt, ours bool) {
	x, err := policy.Received(m.Data())
	if err != nil {
		return x, false
	}
	subject, err := store.Subject(x)
	return x, err == nil && subject == m.Subject() && x.Purpose == c.purpose && checkID(x) == nil
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

// acknowledge confirms all of d and waits for the server's answer to the last: it takes acknowledgements in their order.
// One that is lost only repeats what it was for.
func (s *session) acknowledge(ctx context.Context, d *delivery) error {
	if len(d.messages) == 0 {
		return nil
	}
	last := len(d.messages) - 1
	for _, m := range d.messages[:last] {
		if s.all {
			break
		}
		if err := m.Ack(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout) // what was kept is acknowledged after a stop
	defer cancel()
	ctx, end := s.errs.watch(ctx, s.needs)
	defer end()
	return d.messages[last].DoubleAck(ctx)
}

// release has the server deliver d again at once; if that is lost, when ackWait is over. With one acknowledgement for
// all, the next session begins with d.
func (s *session) release(d *delivery) {
	for _, m := range d.messages {
		if !s.all {
			_ = m.Nak()
		}
	}
}

// extend starts the server's wait for the acknowledgement of d anew. If that is lost d is delivered again, and the Sink
// finds it by its key.
func (d *delivery) extend() {
	for _, m := range d.messages {
		_ = m.InProgress()
	}
}
