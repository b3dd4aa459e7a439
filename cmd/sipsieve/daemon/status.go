// This file has methods of Daemon because what is read of a running daemon stands apart from what runs it.

package daemon

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"sipsieve/cmd/sipsieve/collector"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"slices"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/store"
	"sipsieve/store/bus"
	"sipsieve/store/policy"
)

// A Status is what run is doing now.
type Status struct {
	Site      string             `json:"site"`
	Sensor    string             `json:"sensor"`
	Version   string             `json:"version"`
	Policy    string             `json:"policy"`
	Approved  []string           `json:"approved"` // roles that approved the policy, and when
	Reload    ReloadStatus       `json:"reload"`
	Up        string             `json:"up"`
	Ready     bool               `json:"ready"`
	Why       []string           `json:"why,omitempty"` // what keeps it from being ready
	Sources   []SourceStatus     `json:"sources"`
	Reading   int64              `json:"reading"`
	Troubles  map[string]string  `json:"troubles"`
	Hub       *HubStatus         `json:"hub,omitempty"`
	Bus       []StreamStatus     `json:"bus"`
	Records   map[string]int     `json:"records"`
	Journal   *checkpoint.Report `json:"journal,omitempty"`
	Forgotten uint64             `json:"forgotten"`
	Balance   string             `json:"balance"`
	Ledger    *ledger.Ledger     `json:"ledger"`
}

// A SourceStatus is what one source of the configuration does now.
type SourceStatus struct {
	Key      string `json:"key"`
	Written  string `json:"written"` // file and line of the configuration: of two files in one folder, which it is
	Type     string `json:"type"`
	Name     string `json:"name"`  // its interface, feed or folder; of a file the folder too
	State    string `json:"state"` // reading, waiting for a file, ended, what ended it early, or why it cannot be read
	Packets  uint64 `json:"packets"`
	Dropped  uint64 `json:"dropped"`             // by the kernel, or for want of room
	LastLoss string `json:"last_loss,omitempty"` // when it last said that packets are missing, packet time
}

// A StreamStatus is how full the stream of a purpose is, and how far its excerpts are on the way to where they are kept.
type StreamStatus struct {
	Purpose  string                  `json:"purpose"`
	Messages uint64                  `json:"messages"`
	Bytes    int64                   `json:"bytes"`
	Limit    int64                   `json:"limit"`
	Keepers  map[string]KeeperStatus `json:"keepers"` // by place: store, hub
}

// statusLimit is how long the streams may take to answer for one Status.
const statusLimit = 2 * time.Second

// Status returns what the daemon does now. It may be called from any goroutine.
func (d *Daemon) Status(ctx context.Context) Status {
	l := d.Ledger()
	s := Status{Site: d.Site, Sensor: d.Sensor, Version: d.Version, Policy: d.InForce().Policy.Hash(),
		Approved: d.InForce().ApprovedBy(), Reload: d.reloadStatus(),
		Up: time.Since(d.began).Round(time.Second).String(), Reading: d.reading.left.Load(), Ledger: l, Balance: "balanced",
		Forgotten: d.Swept(), Why: d.Unready(l), Sources: d.sourceStatuses(l), Troubles: d.Troubles()}
	s.Ready, s.Journal = len(s.Why) == 0, d.Checkpoints()
	if err := l.Balance(true); err != nil {
		s.Balance = err.Error()
	}
	if d.hub != nil {
		s.Hub = statusOf(d.Hub, d.hub)
	}
	ctx, stop := context.WithTimeout(ctx, statusLimit)
	defer stop()
	for _, purpose := range d.Streams() {
		one, err := d.Stream(ctx, purpose)
		if err != nil {
			s.Troubles["bus."+purpose] = err.Error()
			continue
		}
		s.Bus = append(s.Bus, one)
	}
	d.busTroubles(s.Troubles)
	if err := d.logs.trouble(); err != nil {
		s.Troubles["checkpoint"] = err.Error()
	}
	s.Records, _ = d.Stored(ctx)
	return s
}

// standstills returns which streams of the spool take nothing, and why.
func (d *Daemon) standstills() []*collector.Standstill {
	if d.reading.collector == nil {
		return nil
	}
	list := d.reading.collector.Standstills()
	if err := d.coverage.Trouble(); err != nil {
		list = append(list, collector.NewStandstill(store.Ops, err, d.diskError))
	}
	return list
}

// SpoolCauses returns why streams of the spool take nothing, by purpose; nil without a spool.
func (d *Daemon) SpoolCauses() map[string]store.Cause {
	if d.reading.collector == nil {
		return nil
	}
	causes := map[string]store.Cause{}
	for _, s := range d.standstills() {
		causes[s.Purpose] = s.Cause
	}
	return causes
}

// busTroubles adds why excerpts are not put, or not kept.
func (d *Daemon) busTroubles(to map[string]string) {
	for _, s := range d.standstills() {
		to["bus."+s.Purpose] = s.Err.Error()
	}
	for key, b := range map[string]*bus.Bus{"bus.complaint": d.spool, "hub.complaint": d.hub} {
		if b == nil {
			continue
		}
		if err := b.LastServerError(); err != nil {
			to[key] = err.Error()
		}
	}
	damagesOf(d.spool).troubles(to)
	d.keeping.troubles(to)
}

// Hubbed returns whether the host has a hub, and whether that can be reached.
func (d *Daemon) Hubbed() (has, reached bool) {
	if d.hub == nil {
		return false, false
	}
	since, _ := d.hub.Away()
	return true, since.IsZero()
}

// Keeps reports whether this host keeps a store.
func (d *Daemon) Keeps() bool { return d.keeping.store != nil }

// Stored returns how many records of each purpose the store has; nil without one.
func (d *Daemon) Stored(ctx context.Context) (map[string]int, error) {
	if !d.Keeps() {
		return nil, nil
	}
	return d.keeping.store.Count(ctx)
}

// Query reads records from the store. Keeps must be true.
func (d *Daemon) Query(ctx context.Context, q store.Query) iter.Seq2[store.Item, error] {
	return d.keeping.store.Query(ctx, q)
}

// Tail follows the excerpts of a purpose on the streams of this host, or of the hub if it has none, as they come, after
// those that are there if all is true.
func (d *Daemon) Tail(ctx context.Context, purpose string, all bool) iter.Seq2[policy.Excerpt, error] {
	return d.keeping.from.Tail(ctx, purpose, all)
}

// Streams returns the purposes of all streams of this host, that of the stream OPS last.
func (d *Daemon) Streams() []string { return streamsOf(d.Setup) }

// Stream returns the state of a purpose's stream.
func (d *Daemon) Stream(ctx context.Context, purpose string) (s StreamStatus, err error) {
	return d.keeping.stream(ctx, purpose)
}

// sourceStatuses returns what each source does, in the order of the configuration.
func (d *Daemon) sourceStatuses(l *ledger.Ledger) (list []SourceStatus) {
	troubles := d.Troubles()
	for i := range d.Source {
		key := config.SourceKey(i)
		c := l.Sources[key]
		one := SourceStatus{Key: key, Written: fmt.Sprintf("%s:%d", d.File, d.Line(key)), Type: d.Source[i].Type,
			Name: d.Source[i].DisplayName(), State: d.SourceState(key), Packets: c.Seen, Dropped: c.KernelDropped + c.QueueFull}
		if why := troubles[key]; why != "" && one.State == StateEnded {
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
	StateReading = "reading"
	StateWaiting = "waiting for a file"
	StateEnded   = "ended"
)

// SourceState returns the state of the source of that key: a constant above, or why a live one cannot be read.
func (d *Daemon) SourceState(key string) string {
	state := d.reading.state(key)
	if state == StateReading {
		return cmp.Or(d.live.obstacle(key), state)
	}
	return state
}

// SourceUp reports whether a source in that state is read, or waits for a file.
func SourceUp(state string) bool { return state == StateReading || state == StateWaiting }

// Unready returns what keeps packets from going all the way, nothing when they do. Packets that the kernel drops are no
// reason: what comes is worked on all the same, and a restart would lose more.
func (d *Daemon) Unready(l *ledger.Ledger) (why []string) {
	if !d.ready.Load() {
		why = append(why, "not running")
	}
	why = append(why, d.deadSources()...)
	for _, one := range d.standstills() {
		if !slices.Contains(why, one.String()) { // all streams stand on one disk
			why = append(why, one.String())
		}
	}
	why = append(why, d.keeping.unready()...)
	if l.Balance(true) != nil {
		why = append(why, "the ledger does not balance")
	}
	return why
}

// deadSources returns which live sources are not read, each with why.
func (d *Daemon) deadSources() (why []string) {
	for i := range d.Source {
		key := config.SourceKey(i)
		if d.Source[i].Type != "interface" && d.Source[i].Type != "hep" {
			continue
		}
		switch state := d.SourceState(key); state {
		case StateReading:
		case StateEnded:
			why = append(why, key+" has ended")
		default:
			why = append(why, key+": "+state)
		}
	}
	return why
}

// Reading returns how many feeds have not ended: everything live, each file, each folder.
func (d *Daemon) Reading() int64 { return max(0, d.reading.left.Load()) }

// Swept returns how many rows the sweep has forgotten.
func (d *Daemon) Swept() uint64 { return d.keeping.swept.Load() }

// Up returns how long the daemon has been running.
func (d *Daemon) Up() time.Duration { return time.Since(d.began) }

// Checkpoints returns what the checkpoint logs hold, nil without any.
func (d *Daemon) Checkpoints() *checkpoint.Report {
	if d.logs == nil {
		return nil
	}
	return d.logs.report()
}
