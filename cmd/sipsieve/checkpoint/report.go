package checkpoint

import "sipsieve/sip/track"

// A Report is what a Log holds, and what has become of the one before it.
type Report struct {
	Calls    uint64 `json:"calls"`
	Bytes    uint64 `json:"bytes"`
	Restored uint64 `json:"restored"` // calls, at the start
	Refused  uint64 `json:"refused"`  // logs and calls that could not be taken up
	Broken   uint64 `json:"broken"`   // logs that were not whole
	Failed   uint64 `json:"failed"`   // writes; what changed then is not in it
}

// Report returns what j is doing now, nil of no Log. It may be called from any goroutine.
func (j *Log) Report() *Report {
	if j == nil {
		return nil
	}
	return &Report{Calls: j.calls.Load(), Bytes: j.bytes.Load(), Restored: j.restored.Load(),
		Refused: j.refused.Load(), Broken: j.broken.Load(), Failed: j.failed.Load()}
}

// Clock returns the clock of the Domain as it was saved last; nil if none was. It is called before Run.
func (j *Log) Clock() []byte { return j.clock }

// Refuse counts that a call could not be taken up, or the clock for a zero name, and removes the call. It is called
// before Run.
func (j *Log) Refuse(name track.Key) {
	j.refused.Add(1)
	j.forget(name)
}

// Accept counts that a call was taken up.
func (j *Log) Accept() { j.restored.Add(1) }

// Put hands over entries to be written; it waits while the disk is behind.
func (j *Log) Put(batch []Entry) { j.in <- batch }

// Drop counts that entries went unwritten because too many waited.
func (j *Log) Drop() { j.failed.Add(1) }
