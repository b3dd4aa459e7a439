// This file has methods of Daemon because watching for what keeps a source away is a job of its own goroutine.

package daemon

import (
	"context"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/source"
	"time"

	"sipsieve/capture"
)

// watchEvery is how often the daemon looks whether its live sources are up.
const watchEvery = 100 * time.Millisecond

// A liveSource is a source of the wire, or one ring of it, as the daemon watches it.
type liveSource struct {
	key    string
	source capture.Source
}

// obstacle returns why nothing can come from the live source of that key now, "" while something can.
func (d *Daemon) obstacle(key string) string {
	for _, s := range d.live {
		if s.key != key {
			continue
		}
		if why := source.Obstacle(s.source); why != "" {
			return why
		}
	}
	return ""
}

// watch logs once when a live source cannot be read, and once when it can be again, until ctx ends.
func (d *Daemon) watch(ctx context.Context) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	before := map[string]string{}
	for ctx.Err() == nil {
		for i := range d.Source {
			key := config.SourceKey(i)
			why := d.obstacle(key)
			switch {
			case why != "" && before[key] == "":
				d.Log.Warn("source cannot be read, it is waited for", "source", key, "name", d.Source[i].DisplayName(), "err", why)
			case why == "" && before[key] != "":
				d.Log.Info("source is read again", "source", key, "name", d.Source[i].DisplayName())
				d.warnOfOverlaps()
			}
			before[key] = why
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return nil
}

// warnOfOverlaps logs interfaces that show the same frames. At the start they are refused; one that came later is read.
func (d *Daemon) warnOfOverlaps() {
	if err := d.Overlaps(); err != nil {
		d.Log.Warn("messages are seen twice", "err", err)
	}
}
