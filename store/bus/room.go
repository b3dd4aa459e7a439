package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
)

const (
	lowRoom   = 10                    // percent of a stream's bytes: with fewer free it is purged ahead of need
	roomEvery = time.Second           // between two looks at the room of the streams
	keeperLag = time.Second           // a Put without room waits for keepers that confirm something in this time
	roomPoll  = 20 * time.Millisecond // between two looks at what they have confirmed
)

// A purger gives the room of messages that every keeper has confirmed back to the embedded streams. Consumers that are
// not keepers hold nothing back.
type purger struct {
	js      jetstream.JetStream
	keepers []string

	mu     sync.Mutex
	idleAt map[string]uint64 // by stream: the confirmed sequence at which keepers confirmed nothing for keeperLag

	stop context.CancelFunc
	done chan struct{}
}

// newPurger starts a purger of the named streams.
func newPurger(js jetstream.JetStream, keepers, streams []string) *purger {
	ctx, stop := context.WithCancel(context.Background())
	p := &purger{js: js, keepers: keepers, idleAt: map[string]uint64{}, stop: stop, done: make(chan struct{})}
	go p.run(ctx, streams)
	return p
}

// run purges streams that are nearly full until ctx ends. A stream that cannot be purged now is tried again.
func (p *purger) run(ctx context.Context, streams []string) {
	defer close(p.done)
	ticker := time.NewTicker(roomEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, name := range streams {
			if s, err := p.js.Stream(ctx, name); err == nil && isLow(s.CachedInfo()) {
				_, _, _ = p.purge(ctx, s)
			}
		}
	}
}

// close stops p.
func (p *purger) close() {
	p.stop()
	<-p.done
}

// isLow reports whether less than lowRoom percent of the stream's bytes are free.
func isLow(s *jetstream.StreamInfo) bool { return free(s) < s.Config.MaxBytes/100*lowRoom }

// free returns how many bytes the stream still takes.
func free(s *jetstream.StreamInfo) int64 {
	if s.Config.MaxBytes < 0 {
		return 1 << 62
	}
	return max(0, s.Config.MaxBytes-int64(s.State.Bytes))
}

// purge removes from s what all keepers have confirmed. It returns the bytes that are free afterwards, and the sequence
// up to which everything is confirmed.
func (p *purger) purge(ctx context.Context, s jetstream.Stream) (room int64, confirmed uint64, err error) {
	if confirmed, err = p.confirmed(ctx, s); err != nil {
		return 0, 0, err
	}
	if confirmed >= s.CachedInfo().State.FirstSeq && s.CachedInfo().State.Msgs > 0 {
		if err := s.Purge(ctx, jetstream.WithPurgeSequence(confirmed+1)); err != nil {
			return 0, 0, fmt.Errorf("bus: purge: %w", err)
		}
	}
	info, err := s.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("bus: purge: %w", err)
	}
	return free(info), confirmed, nil
}

// confirmed returns the sequence up to which every keeper has confirmed all messages of s: 0 if a keeper is not there
// yet, or if there are no keepers.
func (p *purger) confirmed(ctx context.Context, s jetstream.Stream) (least uint64, err error) {
	for i, name := range p.keepers {
		c, err := s.Consumer(ctx, name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("bus: purge: %w", err)
		}
		if floor := c.CachedInfo().AckFloor.Stream; i == 0 || floor < least {
			least = floor
		}
	}
	return least, nil
}

// makeRoom purges the stream for a message of need bytes and returns how many bytes are free then. While there is not
// enough room it waits for the keepers as long as they go on confirming, keeperLag for each step.
func (p *purger) makeRoom(ctx context.Context, stream string, need int64) (int64, error) {
	s, err := p.js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("bus: purge: %w", err)
	}
	last, since := uint64(0), time.Now()
	for first := true; ; first = false {
		room, confirmed, err := p.purge(ctx, s)
		if err != nil || room >= need || len(p.keepers) == 0 {
			return room, err
		}
		if first || confirmed > last {
			last, since = confirmed, time.Now()
		}
		if !p.worthWaiting(stream, confirmed, time.Since(since)) {
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
func (p *purger) worthWaiting(stream string, confirmed uint64, waited time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if idle, known := p.idleAt[stream]; known && idle == confirmed {
		return false
	}
	if waited < keeperLag {
		return true
	}
	p.idleAt[stream] = confirmed
	return false
}

// batchInRoom puts a batch, or as much of its beginning as there is room for, and returns how many messages it put. A
// batch that finds no room in the embedded server has the stream purged and is put again.
func (p *Publisher) batchInRoom(ctx context.Context, purpose string, messages []*nats.Msg) (int, error) {
	err := p.batch(ctx, purpose, messages)
	for n := len(messages) + 1; errors.Is(err, store.ErrFull) && p.bus.purger != nil; {
		room, purgeErr := p.bus.purger.makeRoom(ctx, store.StreamName(purpose), sizeInStream(messages[0]))
		if purgeErr != nil {
			return 0, fmt.Errorf("%w: %w", err, purgeErr)
		}
		if n = min(fitting(messages, room), n-1); n == 0 {
			return 0, err
		}
		if err = p.batch(ctx, purpose, messages[:n]); err == nil {
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
