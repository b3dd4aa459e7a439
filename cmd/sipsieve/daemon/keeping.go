package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"
	"sipsieve/store/bus"
	"sipsieve/store/cpni"
	"sipsieve/store/postgres"
	"sipsieve/store/sqlite"
)

const (
	sweepEvery   = time.Hour              // the store forgets what has expired
	troubleEvery = 500 * time.Millisecond // whether excerpts come through
	lagEvery     = 10 * time.Second       // how many excerpts wait, and for how long
	lagLimit     = 10 * time.Minute       // an excerpt that waits longer is logged, and the host is not ready
	lagRoom      = 0.8                    // likewise a stream that is fuller, with excerpts that wait
)

// A keeping is where the excerpts of a host go from the streams: its store, the hub, or both.
type keeping struct {
	log     *slog.Logger
	from    *bus.Bus    // the spool; the hub of a host without sources
	hub     *bus.Bus    // nil without [hub]
	store   store.Store // nil without [store]
	keepers []*keeper
	away    bool // that was logged

	mending   *mending     // of a store in files; else nil
	restoring *restoring   // of a database; else nil
	records   *lossRecords // of what a place lost or refused

	swept    atomic.Uint64 // rows that were forgotten
	sweepErr atomic.Bool   // the last sweep did not forget everything
}

// newKeeping opens the store of s, if it has one. The excerpts of each purpose come from the streams of from.
func newKeeping(s *config.Setup, from, hub *bus.Bus, log *slog.Logger) (*keeping, error) {
	k := &keeping{log: log, from: from, hub: hub}
	var err error
	if k.records, err = newLossRecords(s); err != nil {
		return nil, err
	}
	if s.Store != nil {
		if k.store, err = openStore(s); err != nil {
			return nil, err
		}
	}
	into := store.Sink(k.store)
	if db, ok := k.store.(*postgres.Store); ok {
		k.restoring = &restoring{log: log, db: db, source: refill{k}, records: k.records, purposes: streamsOf(s),
			path: filepath.Join(s.State, "database.json")}
		k.restoring.load()
		into = k.restoring
	}
	for _, purpose := range streamsOf(s) {
		if k.store != nil {
			k.keepers = append(k.keepers, k.keeper(purpose, PlaceStore, storeConsumer(s.Sensor), into))
		}
		if hub != nil && hub != from {
			k.keepers = append(k.keepers, k.keeper(purpose, PlaceHub, hubConsumer, hub.Publisher()))
		}
	}
	if files, ok := k.store.(*sqlite.Store); ok {
		k.mending = &mending{log: log, files: files, source: refill{k}, records: k.records, every: mendEvery,
			limit: mendLimit, blocked: map[string]*block{}}
	}
	return k, nil
}

// announce has losses at the hub put on the stream OPS by lose. It is called before run.
func (k *keeping) announce(lose func(purpose string, lost cpni.Loss)) {
	for _, one := range k.keepers {
		one.recorder.lose = lose
	}
}

// streamsOf returns the purposes of all streams of a host: those of the policy, and that of the stream OPS.
func streamsOf(s *config.Setup) []string { return append(s.PurposeNames(), store.Ops) }

// keeper returns the keeper of a purpose, which puts a record of what its place refuses for good there.
func (k *keeping) keeper(purpose, place, name string, into store.Sink) *keeper {
	r := &recorder{Sink: into, place: place, records: k.records, log: k.log, refusing: map[string]bool{}}
	one := newKeeper(k.from, purpose, place, name, r)
	one.recorder = r
	return one
}

// refill is the bus as it fills the store of a keeping. A purpose that the policy has no more has no keeper: nothing is
// delivered.
type refill struct{ *keeping }

// storeKeeper returns what brings a purpose to the store, nil if nothing does.
func (k refill) storeKeeper(purpose string) *keeper {
	for _, one := range k.keepers {
		if one.Purpose() == purpose && one.place == PlaceStore {
			return one
		}
	}
	return nil
}

// Behind returns how many excerpts of a purpose the bus has that are not in the store.
func (k refill) Behind(ctx context.Context, purpose string) (uint64, error) {
	if one := k.storeKeeper(purpose); one != nil {
		return one.Behind(ctx)
	}
	return 0, nil
}

// Again has the bus deliver to the store what it lost of a purpose, and what follows.
func (k refill) Again(ctx context.Context, purpose string, lost store.Cursor) error {
	if one := k.storeKeeper(purpose); one != nil {
		return one.Again(ctx, lost)
	}
	return nil
}

// Away reports whether the bus cannot be reached.
func (k refill) Away() bool {
	since, _ := k.from.Away()
	return !since.IsZero()
}

// run keeps what comes, forgets what has expired, and watches both until ctx ends. It returns what no waiting mends.
func (k *keeping) run(ctx context.Context) error {
	var all errgroup.Group
	for _, one := range k.keepers {
		all.Go(func() error { return one.run(ctx, k.log) })
	}
	if k.store != nil {
		all.Go(func() error { return k.sweep(ctx) })
	}
	if k.mending != nil {
		all.Go(func() error { k.mending.run(ctx); return nil })
	}
	if k.restoring != nil {
		all.Go(func() error { k.restoring.run(ctx); return nil })
	}
	all.Go(func() error { k.watch(ctx); return nil })
	return all.Wait()
}

// sweep forgets what has expired, at the start and every sweepEvery.
func (k *keeping) sweep(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		began := time.Now()
		gone, err := k.store.Sweep(ctx, today())
		k.sweepErr.Store(err != nil && ctx.Err() == nil)
		k.swept.Add(uint64(gone))
		if err != nil && ctx.Err() == nil {
			k.log.Error("sweep", "err", err)
		} else if gone > 0 {
			k.log.Info("swept", "gone", gone, "took", time.Since(began))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// watch logs when excerpts begin to wait, and when they are taken again, until ctx ends.
func (k *keeping) watch(ctx context.Context) {
	ticker := time.NewTicker(troubleEvery)
	defer ticker.Stop()
	for next := time.Now(); ctx.Err() == nil; {
		k.look()
		if now := time.Now(); !now.Before(next) {
			next = now.Add(lagEvery)
			k.lookAtLag(ctx)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// look logs a change of the hub, or of a keeper. While the hub is away one line is for all that wait for it.
func (k *keeping) look() {
	if k.hub != nil {
		since, why := k.hub.Away()
		switch away := !since.IsZero(); {
		case away && !k.away:
			k.log.Warn("hub away, excerpts wait for it", "err", why)
		case !away && k.away:
			k.log.Info("hub reached")
		}
		k.away = !since.IsZero()
	}
	for _, one := range k.keepers {
		one.look(k.log, k.waitsForHub(one))
	}
}

// waitsForHub reports whether the hub is away, and one needs it.
func (k *keeping) waitsForHub(one *keeper) bool {
	if k.hub == nil || one.place != PlaceHub && k.from != k.hub {
		return false
	}
	since, _ := k.hub.Away()
	return !since.IsZero()
}

// lookAtLag logs, once each, which excerpts have waited too long, or fill their stream.
func (k *keeping) lookAtLag(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, askLimit)
	defer stop()
	for _, one := range k.keepers {
		s, err := k.stream(ctx, one.Purpose())
		if err != nil {
			continue
		}
		lag := s.Keepers[one.place]
		full := s.Limit > 0 && float64(s.Bytes) > lagRoom*float64(s.Limit)
		stuck := lag.Behind > 0 && (lag.Oldest > lagLimit.Seconds() || full)
		if stuck != one.stuck.Swap(stuck) {
			line := []any{"to", one.place, "stream", store.StreamName(one.Purpose()), "held", lag.Behind, "oldest", time.Duration(lag.Oldest) * time.Second,
				"bytes", s.Bytes, "limit", s.Limit}
			if stuck {
				k.log.Warn("excerpts have waited long, or fill their stream", line...)
			} else {
				k.log.Info("few excerpts wait", line...)
			}
		}
	}
}

// drain waits until everything on the streams is kept, or ctx ends. What cannot be kept now is not waited for: it is on
// the streams, and is kept after the next start.
func (k *keeping) drain(ctx context.Context) {
	for ctx.Err() == nil {
		due, err := k.held(ctx, func(one *keeper) bool { return !one.ended.Load() && one.Waiting() == nil })
		if err != nil || due == 0 {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), statusLimit)
	defer stop()
	for _, place := range []string{PlaceStore, PlaceHub} {
		n, err := k.held(ctx, func(one *keeper) bool { return one.place == place })
		switch {
		case err != nil:
			k.log.Warn("stop: excerpts wait until the next start, how many is not known", "to", place, "err", err)
		case n > 0:
			k.log.Warn("stop: excerpts wait until the next start", "to", place, "held", n)
		}
	}
}

// held returns how many excerpts are on the streams and not kept, for those keepers.
func (k *keeping) held(ctx context.Context, those func(*keeper) bool) (n uint64, err error) {
	for _, one := range k.keepers {
		if !those(one) {
			continue
		}
		s, err := k.stream(ctx, one.Purpose())
		if err != nil {
			return 0, err
		}
		n += s.Keepers[one.place].Behind
	}
	return n, nil
}

// stream returns how full the stream of a purpose is, and how far its keepers are behind.
func (k *keeping) stream(ctx context.Context, purpose string) (s StreamStatus, err error) {
	lag, err := k.from.Lag(ctx, purpose)
	if err != nil {
		return s, err
	}
	s = StreamStatus{Purpose: purpose, Messages: lag.Messages, Bytes: lag.Bytes, Limit: lag.Limit,
		Keepers: map[string]KeeperStatus{}}
	for _, one := range k.keepers {
		if one.Purpose() == purpose {
			s.Keepers[one.place] = one.status(&lag)
		}
	}
	return s, nil
}

// unready returns what keeps excerpts from being kept.
func (k *keeping) unready() (why []string) {
	if k.hub != nil {
		if since, _ := k.hub.Away(); !since.IsZero() {
			why = append(why, "the hub is away since "+since.UTC().Format(time.RFC3339))
		}
	}
	for _, one := range k.keepers {
		stream := store.StreamName(one.Purpose())
		switch err := one.Waiting(); {
		case one.ended.Load():
			why = append(why, fmt.Sprintf("%s: the %s takes no more", stream, one.place))
		case err != nil && !k.waitsForHub(one):
			why = append(why, fmt.Sprintf("%s: the %s takes nothing: %s", stream, one.place, store.CauseOf(err)))
		case one.stuck.Load():
			why = append(why, fmt.Sprintf("%s: excerpts have waited long for the %s, or fill the stream", stream, one.place))
		}
	}
	why = append(append(why, k.mending.unready()...), k.restoring.unready()...)
	if k.sweepErr.Load() {
		why = append(why, "the last sweep did not forget everything")
	}
	return why
}

// troubles adds why excerpts wait, by place and purpose.
func (k *keeping) troubles(to map[string]string) {
	k.mending.troubles(to)
	k.restoring.troubles(to)
	for _, one := range k.keepers {
		if err := one.Waiting(); err != nil {
			to[one.place+"."+one.Purpose()] = err.Error()
		}
		if one.recorder != nil && one.recorder.why() != "" {
			to[one.place+".refused."+one.Purpose()] = fmt.Sprintf("%d records were refused for good; the last: %s",
				one.Counts().Refused, one.recorder.why())
		}
	}
}

// addTo adds what the keepers have counted to l.
func (k *keeping) addTo(l *ledger.Ledger) {
	var expired map[string]uint64
	if s, ok := k.store.(interface{ Suppressed() map[string]uint64 }); ok {
		expired = s.Suppressed() // before the keepers' counts, which include these
	}
	for _, one := range k.keepers {
		n := one.Counts()
		if one.place == PlaceHub {
			l.Hub[one.Purpose()] = ledger.Hub{Received: n.Received, Put: n.Put, Refused: n.Refused,
				Redelivered: n.Redelivered, Retried: n.Retried}
			continue
		}
		l.Store[one.Purpose()] = ledger.Store{Received: n.Received, Kept: n.Put, Expired: expired[one.Purpose()],
			Refused: n.Refused, Redelivered: n.Redelivered, Retried: n.Retried}
	}
}

// close closes the store.
func (k *keeping) close() error {
	if k.store == nil {
		return nil
	}
	return k.store.Close()
}
