// This file has methods of spool because room is one of several things that the streams need.

package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/bus/marks"
)

const (
	lowRoom   = 10                    // percent of a stream's bytes: with fewer free it is purged ahead of need
	keeperLag = time.Second           // a Put without room waits for keepers that confirm something in this time
	roomPoll  = 20 * time.Millisecond // between two looks at what they have confirmed
)

// isLow reports whether less than lowRoom percent of the stream's bytes are free.
func isLow(i *jetstream.StreamInfo) bool { return free(i) < i.Config.MaxBytes/100*lowRoom }

// free returns how many bytes the stream still takes.
func free(i *jetstream.StreamInfo) int64 {
	if i.Config.MaxBytes < 0 {
		return 1 << 62
	}
	return max(0, i.Config.MaxBytes-int64(i.State.Bytes))
}

// purge removes from a stream what all keepers have confirmed. It returns the bytes that are free afterwards, and the
// sequence up to which everything is confirmed. That is in the stream's mark before: what is purged is not missed.
func (s *spool) purge(ctx context.Context, stream jetstream.Stream) (room int64, confirmed uint64, err error) {
	s.positions.Lock()
	defer s.positions.Unlock()
	by, err := s.confirmed(ctx, stream)
	if err != nil {
		return 0, 0, err
	}
	confirmed = marks.Least(by, s.keepers)
	state := stream.CachedInfo().State
	if state.Msgs == 0 || confirmed < state.FirstSeq {
		return free(stream.CachedInfo()), confirmed, nil
	}
	if err := errors.Join(s.mark(stream.CachedInfo(), by), s.marks.Sync()); err != nil {
		return 0, 0, fmt.Errorf("bus: purge: %w", err)
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(confirmed+1)); err != nil {
		return 0, 0, fmt.Errorf("bus: purge: %w", err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("bus: purge: %w", err)
	}
	return free(info), confirmed, nil
}

// confirmed returns the sequence up to which each keeper has confirmed all messages of a stream. A keeper that is not
// there yet is not in it.
func (s *spool) confirmed(ctx context.Context, stream jetstream.Stream) (map[string]uint64, error) {
	confirmed := map[string]uint64{}
	for _, name := range s.keepers {
		c, err := stream.Consumer(ctx, name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("bus: purge: %w", err)
		}
		confirmed[name] = c.CachedInfo().AckFloor.Stream
	}
	return confirmed, nil
}

// makeRoom purges the stream for a message of need bytes and returns how many bytes are free then. While there is not
// enough room it waits for the keepers as long as they go on confirming, keeperLag for each step.
func (s *spool) makeRoom(ctx context.Context, name string, need int64) (int64, error) {
	last, since := uint64(0), time.Now()
	for first := true; ; first = false {
		stream, err := s.js.Stream(ctx, name)
		if err != nil {
			return 0, fmt.Errorf("bus: purge: %w", err)
		}
		room, confirmed, err := s.purge(ctx, stream)
		if err != nil || room >= need || len(s.keepers) == 0 {
			return room, err
		}
		if first || confirmed > last {
			last, since = confirmed, time.Now()
		}
		if !s.worthWaiting(name, confirmed, time.Since(since)) {
			return room, nil
		}
		select {
		case <-ctx.Done():
			return room, fmt.Errorf("bus: purge: %w", ctx.Err())
		case <-time.After(roomPoll):
		}
	}
}

// worthWaiting reports whether keepers that have confirmed everything up to a sequence may confirm more soon: not if
// they did not for keeperLag, now or at an earlier Put.
func (s *spool) worthWaiting(stream string, confirmed uint64, waited time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if idle, known := s.idle[stream]; known && idle == confirmed {
		return false
	}
	if waited < keeperLag {
		return true
	}
	s.idle[stream] = confirmed
	return false
}

// batchInRoom puts a batch, or as much of its beginning as there is room for, and returns how many messages it put. A
// batch that finds no room in the embedded server has the stream purged and is put again.
func (p *Publisher) batchInRoom(ctx context.Context, purpose string, messages []*nats.Msg) (int, error) {
	stream := store.StreamName(purpose)
	put := func(messages []*nats.Msg) error {
		leave, err := p.bus.enter(stream)
		if err != nil {
			return p.bus.fault(ctx, purpose, "publish", err)
		}
		defer leave()
		return p.batch(ctx, purpose, messages)
	}
	err := put(messages)
	for n := len(messages) + 1; errors.Is(err, store.ErrFull) && p.bus.spool != nil; {
		room, purgeErr := p.bus.spool.makeRoom(ctx, stream, sizeInStream(messages[0]))
		if purgeErr != nil {
			return 0, p.bus.fault(ctx, purpose, "make room", purgeErr) // that may pass: nothing is refused for it
		}
		if n = min(fitting(messages, room), n-1); n == 0 {
			return 0, err
		}
		if err = put(messages[:n]); err == nil {
			return n, nil
		}
	}
	if err != nil {
		return 0, err
	}
	return len(messages), nil
}

// fitting returns how many messages, from the first on, fit into room bytes of a stream.
func fitting(messages []*nats.Msg, room int64) int {
	for i, m := range messages {
		if room -= sizeInStream(m); room < 0 {
			return i
		}
	}
	return len(messages)
}

// recordBytes is what the server's file store adds to the bytes of a message: length, sequence, time, two lengths and
// a hash.
const recordBytes = 34

// sizeInStream returns how many bytes m takes in a stream, at most.
func sizeInStream(m *nats.Msg) int64 { return int64(m.Size()) + batchHeaders + recordBytes }
