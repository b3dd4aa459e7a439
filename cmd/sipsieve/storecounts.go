package main

import (
	"errors"
	"fmt"
)

// A busLedger says what the daemon's bus did since the start.
type busLedger struct {
	Published  uint64 `json:"published"`
	OneByOne   uint64 `json:"one_by_one"` // of these: their batch was refused, because a part was there already
	Complaints uint64 `json:"complaints"` // what the server said of itself, such as that a permission is wanting
}

// A storeLedger says what became of the excerpts of one purpose between the bus and this host's store.
type storeLedger struct {
	Received    uint64 `json:"received"` // messages, redelivered ones included
	Kept        uint64 `json:"kept"`     // joined with what was there, or expired
	Expired     uint64 `json:"expired"`  // of these: not stored, for their day is over
	Refused     uint64 `json:"refused"`  // not ours, or refused by the store for good
	Redelivered uint64 `json:"redelivered"`
	Retried     uint64 `json:"retried"` // times that the store was unavailable or full
}

// addStore adds what bus and store have counted, once there are any.
func (d *daemon) addStore(l *ledger) {
	if d.bus == nil {
		return
	}
	n := d.bus.Traffic()
	l.Bus = busLedger{Published: n.Published, OneByOne: n.OneByOne, Complaints: n.Complaints}
	var expired map[string]uint64
	if s, ok := d.store.(interface{ Suppressed() map[string]uint64 }); ok {
		expired = s.Suppressed() // before the consumers' counts, which are of all of them
	}
	for _, c := range d.consumers {
		n := c.Counts()
		l.Store[c.Purpose()] = storeLedger{Received: n.Received, Kept: n.Put, Expired: expired[c.Purpose()],
			Refused: n.Refused, Redelivered: n.Redelivered, Retried: n.Retried}
	}
}

// balanceStore returns which sums of the store do not come out: what was received and is neither kept nor refused is
// under way, or was given back.
func (l *ledger) balanceStore() error {
	var errs []error
	for name, s := range l.Store {
		if fates := s.Kept + s.Refused; fates > s.Received {
			errs = append(errs, fmt.Errorf("ledger: store.%s: %d of %d received", name, fates, s.Received))
		}
	}
	return errors.Join(errs...)
}

// storeTroubles adds to troubles why bus and consumers wait, and what the bus complained of last.
func (d *daemon) storeTroubles(troubles map[string]string) {
	if err := d.bus.Trouble(); err != nil {
		troubles["bus.complaint"] = err.Error()
	}
	if s := d.collector.stuck.Load(); s != nil {
		troubles["bus"] = s.err.Error()
	}
	for _, c := range d.consumers {
		if err := c.Trouble(); err != nil {
			troubles["store."+c.Purpose()] = err.Error()
		}
	}
}
