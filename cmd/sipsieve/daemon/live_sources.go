package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/source"
)

// watchEvery is how often the daemon looks whether its live sources are up.
const watchEvery = 100 * time.Millisecond

// liveSources are the sources of the wire, each ring of an interface by itself.
type liveSources struct {
	config *config.Config
	log    *slog.Logger
	keys   []string // of list
	list   []capture.Source
}

// add opens the rings of an interface, or a HEP feed: source number i of the configuration.
func (l *liveSources) add(i int) error {
	key := config.SourceKey(i)
	opened, err := source.OpenLasting(&l.config.Source[i], uint64(i)<<56)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	for _, s := range opened {
		l.list, l.keys = append(l.list, s), append(l.keys, key)
	}
	return nil
}

// obstacle returns why nothing can come from the source of that key now, "" while something can.
func (l *liveSources) obstacle(key string) string {
	for i, s := range l.list {
		if l.keys[i] != key {
			continue
		}
		if why := source.Obstacle(s); why != "" {
			return why
		}
	}
	return ""
}

// watch logs once when a source cannot be read, and once when it can be again, until ctx ends.
func (l *liveSources) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	before := map[string]string{}
	for ctx.Err() == nil {
		for i := range l.config.Source {
			key, name := config.SourceKey(i), l.config.Source[i].DisplayName()
			why := l.obstacle(key)
			switch {
			case why != "" && before[key] == "":
				l.log.Warn("source cannot be read, it is waited for", "source", key, "name", name, "err", why)
			case why == "" && before[key] != "":
				l.log.Info("source is read again", "source", key, "name", name)
				l.warnOfOverlaps()
			}
			before[key] = why
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// warnOfOverlaps logs interfaces that show the same frames. At the start they are refused; one that came later is read.
func (l *liveSources) warnOfOverlaps() {
	if err := l.config.Overlaps(); err != nil {
		l.log.Warn("messages are seen twice", "err", err)
	}
}
