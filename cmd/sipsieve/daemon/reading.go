package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sipsieve/capture/afpacket"
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/collector"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/store"
)

// A reading is the feeds of a host, each of them followed by a goroutine of its own.
type reading struct {
	log       *slog.Logger
	troubles  *troubles
	leave     context.CancelCauseFunc // stops the daemon for a reason that no waiting mends
	collector *collector.Collector    // nil without sources
	feeds     []*feed
	left      atomic.Int64 // feeds that have not ended
}

// run follows all feeds until ctx ends, or until the last one has.
func (r *reading) run(ctx context.Context) {
	var all errgroup.Group
	r.left.Store(int64(len(r.feeds)))
	for i := range r.feeds {
		all.Go(func() error { r.follow(ctx, i); return nil })
	}
	_ = all.Wait()
}

// follow runs the domains of feed number one after the other and passes on what their shards send.
func (r *reading) follow(ctx context.Context, number int) {
	f := r.feeds[number]
	defer r.left.Add(-1)
	defer f.finish()
	for {
		dom, done, err := r.openNext(ctx, f)
		if errors.Is(err, io.EOF) {
			r.log.Info("source ended", "source", f.name)
			return
		}
		dom.Early = func(key string, err error) {
			if ctx.Err() == nil {
				r.troubles.Trouble(key, "not read to its end", err)
			}
			if errors.Is(err, afpacket.ErrGone) { // what could open its successor was given away
				r.leave(err)
			}
		}
		f.begin(dom)
		err = r.followOne(ctx, number, dom)
		var durable func() error
		if done != nil && ctx.Err() == nil { // else it was not read to its end
			durable = func() error { return done(err) }
		}
		r.collector.End(number, dom, durable)
		f.end()
	}
}

// openNext opens the next domain of f, as often as it takes. It returns io.EOF when there is none, or ctx has ended.
func (r *reading) openNext(ctx context.Context, f *feed) (dom *pipeline.Domain, done func(error) error, err error) {
	said := ""
	for wait := store.NewBackoff(); ; {
		dom, done, err = f.open(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil, io.EOF
		case err == nil && said != "":
			r.troubles.Recovered(f.name, "read again")
			fallthrough
		case err == nil:
			return dom, done, nil
		case err.Error() != said:
			said = err.Error()
			r.troubles.Trouble(f.name, "not read, tried again", err)
		}
		select {
		case <-time.After(wait.Next()):
		case <-ctx.Done():
			return nil, nil, io.EOF
		}
	}
}

// followOne runs one domain and returns what ended it early.
func (r *reading) followOne(ctx context.Context, number int, dom *pipeline.Domain) error {
	ended := make(chan error, 1)
	go func() { ended <- dom.Run(ctx) }()
	for f := range dom.Flows() {
		r.collector.Send(number, dom, f)
	}
	return <-ended
}

// cut returns what writes a cut of a folder's feed to the folder's checkpoint log.
func (r *reading) cut(feed int, cut *pipeline.Cut, entries []checkpoint.Entry) func() error {
	if f := r.feeds[feed].folder; f != nil {
		return f.save(cut, entries)
	}
	return nil
}

// state returns the state of the source of that key: StateReading of a live one also while nothing comes of it.
func (r *reading) state(key string) string {
	for _, f := range r.feeds {
		if f.name != key && f.name != liveFeed {
			continue
		}
		if state := f.state(key); state != "" {
			return state
		}
	}
	return StateEnded
}

// addTo adds what the feeds have counted to l.
func (r *reading) addTo(l *ledger.Ledger) {
	for _, f := range r.feeds {
		f.addTo(l)
	}
}

// close closes the sources of feeds that may not have run.
func (r *reading) close() (err error) {
	for _, f := range r.feeds {
		err = errors.Join(err, f.close())
	}
	return err
}
