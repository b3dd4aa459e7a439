package bus

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// inactive is how long the server keeps what a Tail that ended left there: a reader may not delete consumers.
const inactive = 5 * time.Second

// Tail yields the excerpts of a purpose as they come, and first, if all is set, those that the stream has. It ends
// when ctx does; a moment later nothing of it is left on the server. A payload that is not ours is yielded as an
// error that wraps policy.ErrForeign, and the next one follows; any other error is the last.
func (b *Bus) Tail(ctx context.Context, purpose string, all bool) iter.Seq2[policy.Excerpt, error] {
	return func(yield func(policy.Excerpt, error) bool) {
		if err := store.CheckName(purpose); err != nil {
			yield(policy.Excerpt{}, err)
			return
		}
		ordered, err := ordered(ctx, b.stream, purpose, all)
		if err != nil {
			yield(policy.Excerpt{}, wrap("tail", err))
			return
		}
		messages, err := ordered.Messages()
		if err != nil {
			yield(policy.Excerpt{}, wrap("tail", err))
			return
		}
		defer context.AfterFunc(ctx, messages.Stop)()
		defer messages.Stop()
		follow(ctx, messages, yield)
	}
}

func ordered(
	ctx context.Context, js jetstream.JetStream, purpose string, all bool,
) (jetstream.Consumer, error) {
	c := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy, InactiveThreshold: inactive}
	if all {
		c.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	return js.OrderedConsumer(ctx, store.StreamName(purpose), c)
}

func follow(ctx context.Context, messages jetstream.MessagesContext, yield func(policy.Excerpt, error) bool) {
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
