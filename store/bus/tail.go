package bus

import (
	"context"
	"errors"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// Tail yields the excerpts of a purpose as they come, and first, if all is set, those that the stream has. It leaves
// nothing behind on the server, and ends when ctx does. A payload that is not ours is yielded as an error that
// wraps policy.ErrForeign, and the next one follows; any other error is the last.
func (b *Bus) Tail(ctx context.Context, purpose string, all bool) iter.Seq2[policy.Excerpt, error] {
	return func(yield func(policy.Excerpt, error) bool) {
		messages, err := b.follow(ctx, purpose, all)
		if err != nil {
			yield(policy.Excerpt{}, err)
			return
		}
		defer context.AfterFunc(ctx, messages.Stop)()
		defer messages.Stop()
		for {
			m, err := messages.Next()
			switch {
			case errors.Is(err, jetstream.ErrMsgIteratorClosed) || ctx.Err() != nil:
				return
			case err != nil:
				yield(policy.Excerpt{}, wrap("tail", err))
				return
			}
			if !yield(policy.Received(m.Data())) {
				return
			}
		}
	}
}

func (b *Bus) follow(ctx context.Context, purpose string, all bool) (jetstream.MessagesContext, error) {
	if err := store.CheckName(purpose); err != nil {
		return nil, err
	}
	c := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy}
	if all {
		c.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	ordered, err := b.stream.OrderedConsumer(ctx, store.StreamName(purpose), c)
	if err != nil {
		return nil, wrap("tail", err)
	}
	messages, err := ordered.Messages()
	return messages, wrap("tail", err)
}
