package main

import (
	"context"
	"fmt"
	"sipsieve/cmd/sipsieve/config"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/afpacket"
)

// watchEvery is how often the daemon looks whether its live sources are up.
const watchEvery = 100 * time.Millisecond

// A liveSource is a source of the wire, or one ring of it, as the daemon watches it.
type liveSource struct {
	key    string
	source capture.Source
}

// obstacle returns why nothing can come from s now, "" while something can. The source has not ended: it goes on by
// itself.
func obstacle(s capture.Source) string {
	switch s := s.(type) {
	case *afpacket.Source:
		return interfaceObstacle(s.Name(), s.State())
	case *reopened:
		if err := s.Trouble(); err != nil {
			return fmt.Sprintf("not listening: %v", err)
		}
	}
	return ""
}

// interfaceObstacle says why an interface in that state shows nothing, "" for one that is up.
func interfaceObstacle(name string, state afpacket.State) string {
	if state == afpacket.Up {
		return ""
	}
	return fmt.Sprintf("interface %s is %s", name, state)
}

// obstacle returns why nothing can come from the live source of that key now, "" while something can.
func (d *daemon) obstacle(key string) string {
	for _, s := range d.live {
		if s.key != key {
			continue
		}
		if why := obstacle(s.source); why != "" {
			return why
		}
	}
	return ""
}

// watch logs once when a live source cannot be read, and once when it can be again, until ctx ends.
func (d *daemon) watch(ctx context.Context) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	before := map[string]string{}
	for ctx.Err() == nil {
		for i := range d.Source {
			key := config.SourceKey(i)
			why := d.obstacle(key)
			switch {
			case why != "" && before[key] == "":
				d.log.Warn("source cannot be read, it is waited for", "source", key, "name", d.Source[i].DisplayName(), "why", why)
			case why == "" && before[key] != "":
				d.log.Info("source is read again", "source", key, "name", d.Source[i].DisplayName())
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
func (d *daemon) warnOfOverlaps() {
	if err := d.Overlaps(); err != nil {
		d.log.Warn("messages are seen twice", "err", err)
	}
}
