package main

import "sipsieve/cmd/sipsieve/ledger"

// addStore adds what bus and store have counted, once there are any.
func (d *daemon) addStore(l *ledger.Ledger) {
	if d.bus == nil {
		return
	}
	n := d.bus.Traffic()
	l.Bus = ledger.Bus{Published: n.Published, OneByOne: n.OneByOne, Complaints: n.Complaints}
	var expired map[string]uint64
	if s, ok := d.store.(interface{ Suppressed() map[string]uint64 }); ok {
		expired = s.Suppressed() // before the consumers' counts, which are of all of them
	}
	for _, c := range d.consumers {
		n := c.Counts()
		l.Store[c.Purpose()] = ledger.Store{Received: n.Received, Kept: n.Put, Expired: expired[c.Purpose()],
			Refused: n.Refused, Redelivered: n.Redelivered, Retried: n.Retried}
	}
}

// storeTroubles adds to troubles why bus and consumers wait, and what the bus complained of last.
func (d *daemon) storeTroubles(troubles map[string]string) {
	if err := d.bus.Trouble(); err != nil {
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
