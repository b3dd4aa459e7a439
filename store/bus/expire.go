// This file has methods of spool because how expired bytes leave the disk is one subject.

package bus

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store/bus/blocks"
	"sipsieve/store/bus/marks"
)

// erasedWithin is how long the bytes of a message stay on the disk at most after it has expired. The server removes a
// file only when all of its messages have expired, or when a purge takes all.
const erasedWithin = time.Hour

const (
	expireEvery = time.Minute
	expireSlack = erasedWithin / 2 // after which a stream is made anew that is never confirmed as a whole
)

// expireAll frees the disk of what has expired, in every stream. What cannot be done now is tried again.
func (s *spool) expireAll(ctx context.Context) {
	for _, c := range s.streams {
		if c.MaxAge > 0 {
			_ = s.expire(ctx, c, time.Now())
		}
	}
}

// expire removes messages of a stream that have expired though they were put again later, and frees the disk of those
// that the server has removed: at once if everything is confirmed, else when they have expired for a while.
func (s *spool) expire(ctx context.Context, c jetstream.StreamConfig, now time.Time) error {
	if s.aside(c.Name).Exists() { // an earlier attempt ended early
		return s.renew(ctx, c, now)
	}
	if err := s.dropExpired(ctx, c, now); err != nil {
		return err
	}
	oldest, err := blocks.Oldest(s.stream(c.Name), c.Name)
	if err != nil || oldest == 0 || oldest > now.Add(-c.MaxAge).UnixNano() {
		return err
	}
	if done, err := s.purgeWhole(ctx, c.Name); done || err != nil {
		return err
	}
	if oldest > now.Add(-c.MaxAge-s.slack).UnixNano() {
		return nil
	}
	return s.renew(ctx, c, now)
}

// dropExpired removes messages that were put again and have expired: for the server they are younger.
func (s *spool) dropExpired(ctx context.Context, c jetstream.StreamConfig, now time.Time) error {
	stream, err := s.js.Stream(ctx, c.Name)
	if err != nil {
		return fmt.Errorf("bus: expire: %w", err)
	}
	state, old := stream.CachedInfo().State, now.Add(-c.MaxAge).UnixNano()
	if state.Msgs == 0 {
		return nil
	}
	live := sort.Search(int(state.LastSeq-state.FirstSeq+1), func(i int) bool {
		m, err := stream.GetMsg(ctx, state.FirstSeq+uint64(i))
		if err != nil { // it has just expired
			return !errors.Is(err, jetstream.ErrMsgNotFound)
		}
		put, again := putAgainAt(m.Header)
		return !again || put > old
	})
	if live == 0 {
		return nil
	}
	first := state.FirstSeq + uint64(live)
	err = s.marks.Change(c.Name, func(m *marks.Mark) { m.First = max(m.First, first) })
	if err = errors.Join(err, s.marks.Sync()); err != nil {
		return err
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(first)); err != nil {
		return fmt.Errorf("bus: expire: %w", err)
	}
	return nil
}

// purgeWhole empties a stream of which every keeper has confirmed everything, or of which everything has expired. The
// server then removes its files. It reports whether it did.
func (s *spool) purgeWhole(ctx context.Context, name string) (bool, error) {
	gate := s.gates[name]
	gate.Lock()
	defer gate.Unlock()
	s.positions.Lock()
	defer s.positions.Unlock()
	stream, err := s.js.Stream(ctx, name)
	if err != nil {
		return false, fmt.Errorf("bus: expire: %w", err)
	}
	confirmed, err := s.confirmed(ctx, stream)
	state := stream.CachedInfo().State
	if err != nil || state.Msgs > 0 && marks.Least(confirmed, s.keepers) < state.LastSeq {
		return false, err
	}
	if err := errors.Join(s.mark(stream.CachedInfo(), confirmed), s.marks.Sync()); err != nil {
		return false, err
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(state.LastSeq+1)); err != nil {
		return false, fmt.Errorf("bus: expire: %w", err)
	}
	return true, nil
}

// renew makes a stream anew of what its keepers have not confirmed. Meanwhile nothing can be put there, and after an
// error not until a later renew has succeeded.
func (s *spool) renew(ctx context.Context, c jetstream.StreamConfig, now time.Time) error {
	gate := s.gates[c.Name]
	gate.Lock()
	defer gate.Unlock()
	s.positions.Lock()
	defer s.positions.Unlock()
	if !s.aside(c.Name).Exists() {
		stream, err := s.js.Stream(ctx, c.Name)
		if err != nil {
			return fmt.Errorf("bus: expire: %w", err)
		}
		confirmed, err := s.confirmed(ctx, stream)
		if err == nil {
			err = s.mark(stream.CachedInfo(), confirmed)
		}
		if err != nil {
			return err
		}
		mark, _ := s.marks.Of(c.Name)
		mark.High = max(mark.High, stream.CachedInfo().State.LastSeq)
		note := asideNote{Confirmed: marks.Least(confirmed, s.keepers), Found: now, Mark: &mark}
		if err := s.aside(c.Name).Link(note); err != nil {
			return err
		}
	}
	gate.broken = true
	if err := s.js.DeleteStream(ctx, c.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("bus: expire: %w", err)
	}
	larger, err := s.withRoom(c)
	if err != nil {
		return fmt.Errorf("bus: expire: %w", err)
	}
	if _, err := s.js.CreateStream(ctx, larger); err != nil {
		return fmt.Errorf("bus: expire: %w", err)
	}
	if err := s.putBack(ctx, c, now); err != nil {
		return err
	}
	gate.broken = false
	return nil
}

// A streamGate is held for reading by those who put into a stream, for writing while the stream is made anew.
type streamGate struct {
	sync.RWMutex
	broken bool // the stream is not complete: nothing may be put there
}

// enter waits while the stream is made anew, and keeps it as it is until leave is called.
func (b *Bus) enter(stream string) (leave func(), err error) {
	if err := b.broken(); err != nil {
		return nil, err
	}
	if b.spool == nil || b.spool.gates[stream] == nil {
		return func() {}, nil
	}
	g := b.spool.gates[stream]
	g.RLock()
	if g.broken {
		g.RUnlock()
		return nil, errors.New("the stream is being made anew")
	}
	return g.RUnlock, nil
}

// closeGates keeps everybody from putting into a stream, or no more. It waits for those who put now.
func (s *spool) closeGates(closed bool) {
	for _, g := range s.gates {
		g.Lock()
		g.broken = closed
		g.Unlock()
	}
}

// putAgainAt returns when a message with these headers was put first, if it was put again.
func putAgainAt(h nats.Header) (put int64, again bool) {
	t, err := time.Parse(time.RFC3339Nano, h.Get(blocks.PutAgain))
	return t.UnixNano(), err == nil
}
