package daemon

import (
	"context"
	"io"
	"sipsieve/cmd/sipsieve/ledger"
	"sync"

	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip"
)

// An opener returns the next domain and what to do when all of it is durable, with what ended it early; io.EOF when
// there is none any more.
type opener func(context.Context) (d *pipeline.Domain, done func(error) error, err error)

// A feed is domains that follow each other under one number: everything live, one file, or the files of a folder.
type feed struct {
	trunks []string
	name   string // liveFeed, or the key of its source in the configuration
	open   opener

	folder *folder // whose files the domains read; nil of another source

	mu      sync.Mutex
	now     *pipeline.Domain // that runs; nil between two
	headers *sip.Selection   // that domains read; nil for that of their Plans
	past    *ledger.Ledger   // what the domains before it have counted
	over    bool             // no domain follows
}

// liveFeed is the name of the feed of everything live.
const liveFeed = "live"

func newFeed(name string, trunks []string, open opener) *feed {
	return &feed{name: name, trunks: trunks, open: open, past: ledger.New()}
}

// feedOf returns the feed of one domain, which is over when that is.
func feedOf(name string, trunks []string, d *pipeline.Domain) *feed {
	opened := false
	f := newFeed(name, trunks, func(context.Context) (*pipeline.Domain, func(error) error, error) {
		if opened {
			return nil, nil, io.EOF
		}
		opened = true
		return d, nil, nil
	})
	f.now = d
	return f
}

// begin and end note which domain runs.
func (f *feed) begin(d *pipeline.Domain) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = d
	if f.headers != nil {
		d.Select(*f.headers)
	}
}

// selectHeaders has the domain that runs, and those that follow, read the headers of s.
func (f *feed) selectHeaders(s sip.Selection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.headers = &s
	if f.now != nil {
		f.now.Select(s)
	}
}

// end keeps what the domain that ran has counted.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.now.Counts()
	f.past.AddDomain(&c, f.trunks)
	f.now = nil
}

// addTo adds what f has counted to l.
func (f *feed) addTo(l *ledger.Ledger) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.Add(f.past)
	if f.now != nil {
		c := f.now.Counts()
		l.AddDomain(&c, f.trunks)
	}
}

// finish notes that no domain follows.
func (f *feed) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
}

// state returns the state of the source of that key, "" if it is none of f.
func (f *feed) state(key string) (state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.over:
		return StateEnded
	case f.now == nil, f.folder != nil && f.folder.idle.Load():
		return StateWaiting
	}
	switch known, reading := f.now.Reading(key); {
	case reading:
		return StateReading
	case known:
		return StateEnded
	}
	return ""
}

// close closes the sources of a domain that was opened and may not run.
func (f *feed) close() (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != nil {
		return f.now.Close()
	}
	return err
}
