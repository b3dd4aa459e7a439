package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"sipsieve/store"
	"sipsieve/store/bus"
)

// Places to which a keeper brings excerpts, as the log, the status and metrics name them.
const (
	PlaceStore = "store" // of this host
	PlaceHub   = "hub"
)

// hubConsumer is the name of the durable consumer with which a host reads its spool for the hub.
const hubConsumer = "hub"

// storeConsumer returns the name of the durable consumer with which the host of that sensor reads for its store.
func storeConsumer(sensor string) string { return "store-" + sensor }

// A keeper brings the excerpts of one purpose from its stream into a Sink: the store of this host, or the hub.
type keeper struct {
	*bus.Consumer
	place string // PlaceStore or PlaceHub
	name  string // of the durable consumer
	into  store.Sink

	recorder *recorder // into, if it is one

	ended   atomic.Bool             // with an error: the Sink takes no more
	trouble atomic.Pointer[trouble] // nil while excerpts come through
	stuck   atomic.Bool             // excerpts have waited too long, or fill their stream
}

// A trouble is since when a keeper brings nothing, and why.
type trouble struct {
	since time.Time
	err   error
}

// newKeeper returns the keeper of a purpose. Its durable consumer is made when it runs.
func newKeeper(from *bus.Bus, purpose, place, name string, into store.Sink) *keeper {
	return &keeper{Consumer: from.Consumer(purpose, name), place: place, name: name, into: into}
}

// run brings what comes until ctx ends. It returns an error that no waiting mends.
func (k *keeper) run(ctx context.Context, log *slog.Logger) error {
	err := k.Run(ctx, k.into)
	if err != nil {
		k.ended.Store(true)
		log.Error("no more excerpts are taken", "to", k.place, "stream", store.StreamName(k.Purpose()), "err", err)
	}
	return err
}

// look notes whether k brings excerpts now, and logs when that or its cause changes; quiet is not to log it.
func (k *keeper) look(log *slog.Logger, quiet bool) {
	err, before := k.Waiting(), k.trouble.Load()
	switch {
	case err == nil && before != nil:
		k.trouble.Store(nil)
		if !quiet {
			log.Info("excerpts are taken again", "to", k.place, "stream", store.StreamName(k.Purpose()))
		}
	case err != nil && before == nil:
		k.trouble.Store(&trouble{time.Now(), err})
		k.warn(log, quiet, err)
	case err != nil:
		k.trouble.Store(&trouble{before.since, err})
		if store.CauseOf(err) != store.CauseOf(before.err) {
			k.warn(log, quiet, err)
		}
	}
}

// warn logs that excerpts wait, and why.
func (k *keeper) warn(log *slog.Logger, quiet bool, err error) {
	if !quiet {
		log.Warn("excerpts wait", "to", k.place, "stream", store.StreamName(k.Purpose()), "cause", store.CauseOf(err), "err", err)
	}
}

// A KeeperStatus is how far the excerpts of one purpose are on the way to one place.
type KeeperStatus struct {
	Behind uint64  `json:"behind"`          // not confirmed there
	Oldest float64 `json:"oldest_s"`        // seconds for which the oldest of them has waited; 0 without any
	Since  string  `json:"since,omitempty"` // when excerpts began to wait, RFC 3339; "" while they come through
	Cause  string  `json:"cause,omitempty"` // why they wait
	Why    string  `json:"why,omitempty"`   // likewise, in words
}

// status returns how far k is, by the lag of its stream.
func (k *keeper) status(lag *bus.Lag) KeeperStatus {
	s := KeeperStatus{Behind: lag.Messages}
	if oldest := lag.Oldest; !oldest.IsZero() {
		s.Oldest = time.Since(oldest).Seconds()
	}
	for _, c := range lag.Consumers {
		if c.Name == k.name {
			s.Behind, s.Oldest = c.Behind(), 0
			if !c.Oldest.IsZero() {
				s.Oldest = time.Since(c.Oldest).Seconds()
			}
		}
	}
	if t := k.trouble.Load(); t != nil {
		s.Since, s.Cause, s.Why = t.since.UTC().Format(time.RFC3339), string(store.CauseOf(t.err)), t.err.Error()
	}
	return s
}
