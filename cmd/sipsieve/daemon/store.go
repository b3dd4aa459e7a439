// This file has methods of Daemon because what the store of this host adds to the ledger, the status and the
// readers is one subject.

package daemon

import (
	"context"
	"iter"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"
	"sipsieve/store/policy"
)

// addStore adds what bus and store have counted, once there are any.
func (d *Daemon) addStore(l *ledger.Ledger) {
	if d.broker == nil {
		return
	}
	n := d.broker.Traffic()
	l.Bus = ledger.Bus{Published: n.Published, OneByOne: n.OneByOne, Complaints: n.Complaints}
	var expired map[string]uint64
	if s, ok := d.kept.(interface{ Suppressed() map[string]uint64 }); ok {
		expired = s.Suppressed() // before the consumers' counts, which are of all of them
	}
	for _, c := range d.consumers {
		n := c.Counts()
		l.Store[c.Purpose()] = ledger.Store{Received: n.Received, Kept: n.Put, Expired: expired[c.Purpose()],
			Refused: n.Refused, Redelivered: n.Redelivered, Retried: n.Retried}
	}
}

// storeTroubles adds to troubles why bus and consumers wait, and what the bus complained of last.
func (d *Daemon) storeTroubles(troubles map[string]string) {
	if err := d.broker.Trouble(); err != nil {
		troubles["bus.complaint"] = err.Error()
	}
	if s := d.collector.Standstill(); s != nil {
		troubles["bus"] = s.Err.Error()
	}
	for _, c := range d.consumers {
		if err := c.Trouble(); err != nil {
			troubles["store."+c.Purpose()] = err.Error()
		}
	}
}

// Keeps reports whether this host keeps a store.
func (d *Daemon) Keeps() bool { return d.kept != nil }

// Stored returns how many records of each purpose the store has; nil without one.
func (d *Daemon) Stored(ctx context.Context) (map[string]int, error) {
	if d.kept == nil {
		return nil, nil
	}
	return d.kept.Count(ctx)
}

// Query reads records from the store. Keeps must be true.
func (d *Daemon) Query(ctx context.Context, q store.Query) iter.Seq2[[]byte, error] {
	return d.kept.Query(ctx, q)
}

// Tail follows the excerpts of a purpose on the bus as they come, after those that its stream has if all is true.
func (d *Daemon) Tail(ctx context.Context, purpose string, all bool) iter.Seq2[policy.Excerpt, error] {
	return d.broker.Tail(ctx, purpose, all)
}
