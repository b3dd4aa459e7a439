// This file has methods of Log because what others put in and read of a Log stands apart from what its goroutine
// does.

package checkpoint

import (
	"sipsieve/sip/event"
)

// A Report is what a Log holds, and what has become of the one before it.
type Report struct {
	Calls    uint64 `json:"calls"`
	Bytes    uint64 `json:"bytes"`
	Restored uint64 `json:"restored"` // calls, at the start
	Refused  uint64 `json:"refused"`  // logs and calls that could not be taken up
	Broken   uint64 `json:"broken"`   // logs that were not whole
	Failed   uint64 `json:"failed"`   // writes; what changed then is not in it
}

// Reported returns what logs are doing now, together; nil of none. It may be called from any goroutine.
func Reported(logs ...*Log) *Report {
	if len(logs) == 0 {
		return nil
	}
	var r Report
	for _, l := range logs {
		r.Calls += l.calls.Load()
		r.Bytes += l.bytes.Load()
		r.Restored += l.restored.Load()
		r.Refused += l.refused.Load()
		r.Broken += l.broken.Load()
		r.Failed += l.failed.Load()
	}
	return &r
}

// Clock returns the clock of the Domain as it was saved last; nil if none was. It is called before Run.
func (l *Log) Clock() []byte { return l.clock }

// Refuse counts that a call could not be taken up, or the clock for a zero name, and removes the call. It is called
// before Run.
func (l *Log) Refuse(name event.Key) {
	l.refused.Add(1)
	l.forget(name)
}

// Reject counts that a call could not be taken up. It may be called from any goroutine.
func (l *Log) Reject() { l.refused.Add(1) }

// Accept counts that a call was taken up.
func (l *Log) Accept() { l.restored.Add(1) }

// Put hands over entries to be written; it waits while the disk is behind.
func (l *Log) Put(entries []Entry) { l.in <- batch{entries: entries} }

// Offer is Put for who may not wait. It reports false, and hands over nothing, while the disk is behind.
func (l *Log) Offer(entries []Entry) bool {
	select {
	case l.in <- batch{entries: entries}:
		return true
	default:
		return false
	}
}

// PutWhole is Put for all open calls there are: those of the log that have no entry, and are not in but, are over.
func (l *Log) PutWhole(entries []Entry, but map[event.Key]bool) { l.in <- batch{entries, true, but} }

// Drop counts that entries went unwritten because too many waited.
func (l *Log) Drop() { l.failed.Add(1) }
