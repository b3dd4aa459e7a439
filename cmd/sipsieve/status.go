package main

import (
	"cmp"
	"context"
	"maps"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"slices"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/store/bus"
)

// A statusReport is what run is doing now.
type statusReport struct {
	Site      string             `json:"site"`
	Sensor    string             `json:"sensor"`
	Version   string             `json:"version"`
	Policy    string             `json:"policy"`
	Up        string             `json:"up"`
	Ready     bool               `json:"ready"`
	Why       []string           `json:"why,omitempty"` // what keeps it from being ready
	Sources   []sourceReport     `json:"sources"`
	Reading   int64              `json:"reading"`
	Troubles  map[string]string  `json:"troubles"`
	Bus       []streamReport     `json:"bus"`
	Records   map[string]int     `json:"records"`
	Journal   *checkpoint.Report `json:"journal,omitempty"`
	Forgotten uint64             `json:"forgotten"`
	Balance   string             `json:"balance"`
	Ledger    *ledger.Ledger     `json:"ledger"`
}

// A sourceReport is what one source of the configuration does now.
type sourceReport struct {
	Key      string `json:"key"`
	Type     string `json:"type"`
	Name     string `json:"name"`  // its interface, feed or folder; of a file the folder too
	State    string `json:"state"` // reading, waiting for a file, ended, what ended it early, or why it cannot be read
	Packets  uint64 `json:"packets"`
	Dropped  uint64 `json:"dropped"`             // by the kernel, or for want of room
	LastLoss string `json:"last_loss,omitempty"` // when it last said that packets are missing, packet time
}

// A streamReport is how full a purpose's stream is, and how far its consumers are behind.
type streamReport struct {
	Purpose  string `json:"purpose"`
	Messages uint64 `json:"messages"`
	Bytes    int64  `json:"bytes"`
	Limit    int64  `json:"limit"`
	Behind   uint64 `json:"behind"`
}

func (d *daemon) status(ctx context.Context) statusReport {
	l := d.ledger()
	s := statusReport{Site: d.Site, Sensor: d.Sensor, Version: version(), Policy: d.Policy.Hash(),
		Up: time.Since(d.began).Round(time.Second).String(), Reading: d.reading.Load(), Ledger: l, Balance: "balanced",
		Forgotten: d.swept.Load(), Why: d.unready(l), Sources: d.sourceReports(l), Troubles: d.troubled()}
	s.Ready, s.Journal = len(s.Why) == 0, checkpoint.Reported(d.logs...)
	if err := l.Balance(true); err != nil {
		s.Balance = err.Error()
	}
	for _, p := range d.Purposes {
		one, err := d.stream(ctx, p.Name)
		if err != nil {
			s.Troubles["bus"] = err.Error()
			continue
		}
		s.Bus = append(s.Bus, one)
	}
	d.storeTroubles(s.Troubles)
	if d.store != nil {
		s.Records, _ = d.store.Count(ctx)
	}
	return s
}

// stream asks the bus for a purpose's stream.
func (d *daemon) stream(ctx context.Context, purpose string) (s streamReport, err error) {
	lag, err := d.bus.Lag(ctx, purpose)
	if err != nil {
		return s, err
	}
	s = streamReport{Purpose: purpose, Messages: lag.Messages, Bytes: lag.Bytes, Limit: lag.Limit}
	for _, c := range lag.Consumers {
		s.Behind += c.Pending + uint64(c.Unconfirmed)
	}
	return s, nil
}

// troubled returns what ended sources before their time, by key.
func (d *daemon) troubled() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.troubles)
}

// sourceReports returns what each source does, in the order of the configuration.
func (d *daemon) sourceReports(l *ledger.Ledger) (list []sourceReport) {
	troubles := d.troubled()
	for i := range d.Source {
		key := config.SourceKey(i)
		c := l.Sources[key]
		one := sourceReport{Key: key, Type: d.Source[i].Type, Name: d.Source[i].DisplayName(), State: d.stateOf(key),
			Packets: c.Seen, Dropped: c.KernelDropped + c.QueueFull}
		if why := troubles[key]; why != "" && one.State == stateEnded {
			one.State = why
		}
		if c.LastLoss > 0 {
			one.LastLoss = time.Unix(int64(c.LastLoss), 0).UTC().Format(time.RFC3339)
		}
		list = append(list, one)
	}
	return list
}

// States of a source.
const (
	stateReading = "reading"
	stateWaiting = "waiting for a file"
	stateEnded   = "ended"
)

// stateOf returns the state of the source of that key: a constant above, or why a live one cannot be read.
func (d *daemon) stateOf(key string) string {
	for _, f := range d.feeds {
		if f.name != key && f.name != liveFeed {
			continue
		}
		switch state := f.state(key); {
		case state == stateReading:
			return cmp.Or(d.obstacle(key), state)
		case state != "":
			return state
		}
	}
	return stateEnded
}

// up reports whether a source in that state is read, or waits for a file.
func up(state string) bool { return state == stateReading || state == stateWaiting }

// unready returns what keeps packets from going all the way, nothing when they do. Packets that the kernel drops are no
// reason: what comes is worked on all the same, and a restart would lose more.
func (d *daemon) unready(l *ledger.Ledger) (why []string) {
	if !d.ready.Load() {
		why = append(why, "not running")
	}
	why = append(why, d.deadSources()...)
	if s := d.collector.Standstill(); s != nil {
		why = append(why, s.String())
	}
	if d.unkept.Load() || slices.ContainsFunc(d.consumers, func(c *bus.Consumer) bool { return c.Trouble() != nil }) {
		why = append(why, "the store takes nothing")
	}
	if d.sweepErr.Load() {
		why = append(why, "the last sweep did not forget everything")
	}
	if l.Balance(true) != nil {
		why = append(why, "the ledger does not balance")
	}
	return why
}

// deadSources returns which live sources are not read, each with why.
func (d *daemon) deadSources() (why []string) {
	for i := range d.Source {
		key := config.SourceKey(i)
		if d.Source[i].Type != "interface" && d.Source[i].Type != "hep" {
			continue
		}
		switch state := d.stateOf(key); state {
		case stateReading:
		case stateEnded:
			why = append(why, key+" has ended")
		default:
			why = append(why, key+": "+state)
		}
	}
	return why
}
