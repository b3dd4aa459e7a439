package bus

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// inactive is how long the server keeps what a Tail that ended left there: a reader may not delete consumers.
const inactive = 5 * time.Second

// Tail yields the excerpts of a purpose as they come, and first, if all is set, those that the stream has. It ends
// when ctx does; a moment later nothing of it is left on the server. A payload that is not ours is yielded as an
// error that wraps policy.ErrForeign, and the next one follows; any other error is a store.Fault, and the last.
func (b *Bus) Tail(ctx context.Context, purpose string, all bool) iter.Seq2[policy.Excerpt, error] {
	return func(yield func(policy.Excerpt, error) bool) {
		if err := store.CheckName(purpose); err != nil {
			yield(policy.Excerpt{}, err)
			return
		}
		ctx, end := b.errs.watchAs(ofTail, ctx, func(subject string) bool {
			return strings.HasPrefix(subject, "$JS.API.") && !strings.HasPrefix(subject, "$JS.API.CONSUMER.DELETE.") &&
				strings.Contains(subject+".", "."+store.StreamName(purpose)+".")
		})
		defer end()
		if err := b.tail(ctx, purpose, all, yield); err != nil {
			yield(policy.Excerpt{}, b.fault(ctx, purpose, "tail", err))
		}
	}
}

// tail yields until ctx ends, yield returns false or there is an error.
func (b *Bus) tail(ctx context.Context, purpose string, all bool, yield func(policy.Excerpt, error) bool) error {
	c := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy, InactiveThreshold: inactive}
	if all {
		c.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	ordered, err := b.stream.OrderedConsumer(ctx, store.StreamName(purpose), c)
	if err != nil {
		return err
	}
	messages, err := ordered.Messages()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	defer messages.Stop()
	for {
		m, err := messages.Next()
		switch {
		case errors.Is(context.Cause(ctx), nats.ErrPermissionViolation):
			return context.Cause(ctx)
		case errors.Is(err, jetstream.ErrMsgIteratorClosed) || ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if !yield(policy.Received(m.Data())) {
			return nil
		}
	}
}
