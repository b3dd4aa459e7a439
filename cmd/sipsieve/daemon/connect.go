package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sipsieve/cmd/sipsieve/config"
	"strings"
	"time"

	"sipsieve/store"
	"sipsieve/store/bus"
)

// askLimit is how long a NATS server may take to say which streams it has.
const askLimit = 5 * time.Second

// remote says how to reach the NATS server elsewhere.
func remote(b *config.Bus) bus.Remote { return bus.Remote{URL: b.URL, Credentials: b.Creds} }

// connect reaches the NATS server elsewhere. One that is not there is waited for until ctx ends: it comes up with this
// host or later. A stream that it does not have is told, for nothing can be put there until somebody makes it.
func connect(ctx context.Context, s *config.Setup, log *slog.Logger) (*bus.Bus, error) {
	b, err := bus.Connect(remote(s.Bus))
	if err != nil {
		return nil, err
	}
	if since, why := b.Away(); !since.IsZero() {
		log.Warn("bus unavailable, waiting for it", "err", why)
		if err := b.Reach(ctx); err != nil {
			return nil, errors.Join(err, b.Close())
		}
		log.Info("bus available")
	}
	for _, err := range missing(ctx, s, b) {
		log.Error("what is for a stream that is not there is held, then shed", "err", err)
	}
	return b, nil
}

// missing says which streams a server that somebody else arranges does not have, as far as it lets itself be asked.
func missing(ctx context.Context, s *config.Setup, b *bus.Bus) (errs []error) {
	ctx, stop := context.WithTimeout(ctx, askLimit)
	defer stop()
	for _, p := range s.Purposes {
		if _, err := b.Lag(ctx, p.Name); err != nil && !errors.Is(err, store.ErrUnavailable) {
			errs = append(errs, fmt.Errorf("the server wants a stream %s for %s: %w", store.StreamName(p.Name),
				strings.Join(store.StreamSubjects(p.Name), ", "), err))
		}
	}
	return errs
}

// ReachBus tries the NATS server elsewhere, and whether it has the streams.
func ReachBus(ctx context.Context, s *config.Setup) (errs []error) {
	if s.Bus == nil || s.Bus.URL == "" {
		return nil
	}
	b, err := bus.Connect(remote(s.Bus))
	if err != nil {
		return []error{s.Wrong("bus.url", "%v", err)}
	}
	defer func() { _ = b.Close() }()
	soon, stop := context.WithTimeout(ctx, askLimit)
	defer stop()
	if err := b.Reach(soon); err != nil {
		return []error{s.Wrong("bus.url", "%v", err)}
	}
	for _, err := range missing(ctx, s, b) {
		errs = append(errs, s.Wrong("bus.url", "%v", err))
	}
	return errs
}
