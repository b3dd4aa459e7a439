// This file has methods of Daemon because a feed is opened, followed and opened again in one place.

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"
	"strings"
	"sync"
	"time"

	"sipsieve/capture/afpacket"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/pipeline"
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

	mu   sync.Mutex
	now  *pipeline.Domain // that runs; nil between two
	past *ledger.Ledger   // what the domains before it have counted
	over bool             // no domain follows
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

// follow runs the domains of feed number one after the other and passes on what their shards send.
func (d *Daemon) follow(ctx context.Context, number int) {
	f := d.feeds[number]
	defer d.reading.Add(-1)
	defer f.finish()
	for {
		dom, done, err := d.openNext(ctx, f)
		if errors.Is(err, io.EOF) {
			d.Log.Info("source ended", "source", f.name)
			return
		}
		dom.Early = func(key string, err error) {
			if ctx.Err() == nil {
				d.Trouble(key, "not read to its end", err)
			}
			if errors.Is(err, afpacket.ErrGone) { // what could open its successor was given away
				d.Leave(err)
			}
		}
		f.begin(dom)
		err = d.followOne(ctx, number, dom)
		var durable func() error
		if done != nil && ctx.Err() == nil { // else it was not read to its end
			durable = func() error { return done(err) }
		}
		d.collector.End(number, dom, durable)
		f.end()
	}
}

// openNext opens the next domain of f, as often as it takes. It returns io.EOF when there is none, or ctx has ended.
func (d *Daemon) openNext(ctx context.Context, f *feed) (dom *pipeline.Domain, done func(error) error, err error) {
	said := ""
	for wait := store.NewBackoff(); ; {
		dom, done, err = f.open(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil, io.EOF
		case err == nil && said != "":
			d.Recovered(f.name, "read again")
			fallthrough
		case err == nil:
			return dom, done, nil
		case err.Error() != said:
			said = err.Error()
			d.Trouble(f.name, "not read, tried again", err)
		}
		select {
		case <-time.After(wait.Next()):
		case <-ctx.Done():
			return nil, nil, io.EOF
		}
	}
}

// followOne runs one domain and returns what ended it early.
func (d *Daemon) followOne(ctx context.Context, number int, dom *pipeline.Domain) error {
	ended := make(chan error, 1)
	go func() { ended <- dom.Run(ctx) }()
	for f := range dom.Flows() {
		d.collector.Send(number, dom, f)
	}
	return <-ended
}

// Recovered says that what kept a source from being read is over.
func (d *Daemon) Recovered(source, what string) {
	d.Log.Info(what, "source", source)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.troubles, source)
}

// Trouble says what kept a source, or a file of it, from being read, or from being read to its end.
func (d *Daemon) Trouble(source, what string, err error) {
	text := d.unnamed(source, err)
	d.Log.Warn(what, "source", source, "err", text)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.troubles[source] = text
}

// unnamed returns what err says of a source without the name of a capture file: whoever named it may have named a
// person. A folder's file is told by its inode, which ls -i shows.
func (d *Daemon) unnamed(source string, err error) string {
	text := err.Error()
	for i := range d.Source {
		if s := &d.Source[i]; s.Type == "file" && config.SourceKey(i) == source {
			text = strings.ReplaceAll(text, "pcap: "+filepath.Base(s.Path)+":", "pcap: the file:")
		}
	}
	var of *pcap.FileError
	if errors.As(err, &of) {
		text = strings.ReplaceAll(text, "pcap: "+of.File.Name+":", fmt.Sprintf("pcap: the file with inode %d:", of.File.Inode))
	}
	return text
}
