package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/bus"
)

// askLimit is how long a NATS server may take to answer check.
const askLimit = 5 * time.Second

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
	ctx, stop := context.WithTimeout(ctx, askLimit)
	defer stop()
	if err := b.Reach(ctx); err != nil {
		servers, _ := s.Hub.Servers()
		return []error{s.Wrong("hub.url", "%s: %w", strings.Join(servers, ", "), err)}, nil
	}
	for _, p := range s.Purposes {
		if _, err := b.Lag(ctx, p.Name); err != nil && !errors.Is(err, store.ErrUnavailable) {
			findings = append(findings, s.Wrong("hub.url", "the hub has no stream %s, which takes %s", store.StreamName(p.Name),
				strings.Join(store.StreamSubjects(p.Name), ", ")))
		}
	}
	return findings, nil
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
