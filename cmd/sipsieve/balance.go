package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sipsieve/capture"
)

// balance returns every sum of l that does not come out. inFlight messages may be between a reader and a shard.
func (l *ledger) balance(inFlight bool) error {
	m, c := &l.Messages, &l.Calls
	var errs []error
	sum := func(name string, got, want uint64) {
		if got != want {
			errs = append(errs, fmt.Errorf("ledger: %s: %d is not %d", name, got, want))
		}
	}
	fates := l.Packets.Passed
	for r := range capture.Reasons {
		if r.OfFrame() { // the others are of payloads
			fates += l.Packets.Refused[r.String()]
		}
	}
	if !inFlight || fates > l.Packets.Seen {
		sum("packets.seen, by fate", l.Packets.Seen, fates)
	}
	refused := m.Refused.total()
	sum("messages.total, by start line", m.Total, m.Requests.total()+m.Statuses.total())
	if used := m.Tracked + m.Duplicates + refused + m.Dropped; !inFlight || used > m.Total {
		sum("messages.total, by fate", m.Total, used)
	}
	if m.Retransmissions > m.Tracked {
		errs = append(errs, fmt.Errorf("ledger: messages.retransmissions: %d of %d", m.Retransmissions, m.Tracked))
	}
	for method, n := range l.otherRequests() {
		if n > m.Requests[method] {
			errs = append(errs, fmt.Errorf("ledger: others: %s: %d requests of %d", method, n, m.Requests[method]))
		}
	}
	sum("calls.opened", c.Opened, c.Ended.total()+c.Live+c.Evicted)
	for name, x := range l.Excerpts {
		sum("excerpts."+name+".made", x.Made, x.Put+x.Suppressed.total())
		sum("excerpts."+name+".put", x.Put, x.Acknowledged+x.Pending)
	}
	return errors.Join(append(errs, l.balanceStore())...)
}

// write writes l as JSON.
func (l *ledger) write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(l)
}
