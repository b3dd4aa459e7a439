package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/bus"
)

const (
	reachLimit = 5 * time.Second // for a hub to be reached by check: what is refused at once is not waited for
	askLimit   = 2 * time.Second // for it to say which streams it has
)

// connect returns the hub of s, whether it is there or not: see bus.Connect. An error is of the configuration.
func connect(s *config.Setup) (*bus.Bus, error) {
	h := s.Hub.Files()
	b, err := bus.Connect(bus.Remote{URL: h.URL, Credentials: h.Creds, NKey: h.NKey, CA: h.CA, Cert: h.Cert, Key: h.Key,
		Inbox: h.Inbox, Name: "sipsieve " + s.Sensor})
	if err != nil {
		return nil, s.Wrong("hub", "%w", err)
	}
	return b, nil
}

// ReachHub tries the hub of s. Its err is what run would refuse; the findings are why run, which would start, would bring
// nothing to the hub. A hub that does not let this user see a stream is taken to have it.
func ReachHub(ctx context.Context, s *config.Setup) (findings []error, err error) {
	if s.Hub == nil {
		return nil, nil
	}
	b, err := connect(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := reach(ctx, b); err != nil {
		servers, _ := s.Hub.Servers()
		return []error{s.Wrong("hub.url", "%s: %w", strings.Join(servers, ", "), err)}, nil
	}
	ctx, stop := context.WithTimeout(ctx, askLimit)
	defer stop()
	for _, purpose := range streamsOf(s) {
		if _, err := b.Lag(ctx, purpose); store.CauseOf(err) == store.CauseMissing {
			findings = append(findings, s.Wrong("hub.url", "the hub has no stream %s, which takes %s: sipsieve bus apply makes it",
				store.StreamName(purpose), strings.Join(store.StreamSubjects(purpose), ", ")))
		}
	}
	return findings, nil
}

// reach waits until b has a connection, reachLimit at most. It returns the error of the last attempt.
func reach(ctx context.Context, b *bus.Bus) error {
	ctx, stop := context.WithTimeout(ctx, reachLimit)
	defer stop()
	for {
		err := func() error {
			soon, stop := context.WithTimeout(ctx, reachLimit/20)
			defer stop()
			return b.Reach(soon)
		}()
		if err == nil || ctx.Err() != nil || errors.Is(err, syscall.ECONNREFUSED) ||
			errors.As(err, new(*tls.CertificateVerificationError)) {
			return err
		}
	}
}

// A HubStatus is whether the hub can be reached now.
type HubStatus struct {
	Servers   []string `json:"servers"` // host and port
	Connected bool     `json:"connected"`
	Away      string   `json:"away,omitempty"` // since when it cannot be reached, RFC 3339
	Why       string   `json:"why,omitempty"`  // the error of the last attempt
}

// statusOf returns the state of b, the hub of c.
func statusOf(c *config.Hub, b *bus.Bus) *HubStatus {
	s := &HubStatus{}
	s.Servers, _ = c.Servers()
	since, why := b.Away()
	if s.Connected = since.IsZero(); !s.Connected {
		s.Away, s.Why = since.UTC().Format(time.RFC3339), fmt.Sprint(why)
	}
	return s
}
