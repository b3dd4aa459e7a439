package checkpoint

import "sync/atomic"

// A Report is what logs hold, and what has become of those before them.
type Report struct {
	Calls       uint64 `json:"calls"`
	Bytes       uint64 `json:"bytes"`
	Restored    uint64 `json:"restored"`     // calls, at the start
	Refused     uint64 `json:"refused"`      // logs and calls that could not be taken up
	Broken      uint64 `json:"broken"`       // logs that were damaged: what was intact of them was taken up
	Lost        uint64 `json:"lost"`         // open calls that could be restored no more, at most: exact if no end of a call was damaged
	LostEntries uint64 `json:"lost_entries"` // that were damaged
	SetAside    uint64 `json:"set_aside"`    // logs that are kept under another name
	Failed      uint64 `json:"failed"`       // writes and attempts to open a log; what changed then is not in it

	Excerpts     uint64 `json:"excerpts"`      // that wait to be published
	LostExcerpts uint64 `json:"lost_excerpts"` // of these, that a damaged log had, at most
}

// counts are what a Log counts. They may be read and counted on from any goroutine.
type counts struct {
	calls, bytes, restored, refused, broken, lost, lostEntries, setAside, failed atomic.Uint64
}

// Reported returns what logs are doing now, together; nil of none. It may be called from any goroutine.
func Reported(logs ...*Log) *Report {
	if len(logs) == 0 {
		return nil
	}
	var r Report
	for _, l := range logs {
		r.add(l)
	}
	return &r
}

func (r *Report) add(l *Log) {
	c := &l.count
	if l.cfg.OfExcerpts {
		r.Excerpts += c.calls.Load()
		r.LostExcerpts += c.lost.Load()
	} else {
		r.Calls += c.calls.Load()
		r.Lost += c.lost.Load()
	}
	r.Bytes += c.bytes.Load()
	r.Restored += c.restored.Load()
	r.Refused += c.refused.Load()
	r.Broken += c.broken.Load()
	r.LostEntries += c.lostEntries.Load()
	r.SetAside += c.setAside.Load()
	r.Failed += c.failed.Load()
}
