package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/source"
	"slices"
	"sync"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/capture/hep"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
)

// usualPorts are the ports of SIP that an interface is looked at besides those that are configured: 5060 and what
// is chosen instead of it, and what Asterisk and its kin use for a second stack and for WebSocket.
var usualPorts = []string{"5060-5099", "5160-5161", "8088-8089"}

// An examination is what was seen of the sources of a configuration while run would have listened to them.
type examination struct {
	*config.Setup
	began   time.Time
	took    time.Duration
	sources []*examined
	overlap error // interfaces that show the same frames
	clock   source.ClockState

	mu    sync.Mutex
	whole *ledger.Ledger // of all sources together; under mu
	full  uint64         // messages that found the queue of their shard full; under mu
}

// An examined is a source as it was found.
type examined struct {
	*config.Source
	number int
	opened int            // files, or rings
	ledger *ledger.Ledger // of its packets and messages
	seen   sight
	stamps stamps
	broken []error // what could not be opened, or ended before its time

	unreached string // why nothing could come from it at the end; "" if something could
	downs     uint64 // times that its interface went down, lost its carrier or was removed
}

// stamps is what a source says of its time stamps, and of its ring.
type stamps struct{ skewed, unstamped, freezes uint64 }

// examine listens to every source until ctx ends or all of them have ended, and calls listening once it does. It
// returns an error if none can be opened.
func examine(ctx context.Context, s *config.Setup, listening func()) (*examination, error) {
	e := &examination{Setup: s, began: time.Now(), overlap: s.Overlaps(), clock: source.HostClock(), whole: ledger.New()}
	if len(s.Source) == 0 {
		return nil, s.Wrong("source", "want [[source]]: there is nothing to listen to")
	}
	var work sync.WaitGroup
	var live []capture.Source
	var rings []*witness
	for i := range s.Source {
		x := &examined{Source: &s.Source[i], number: i, ledger: ledger.New(), seen: newSight()}
		e.sources = append(e.sources, x)
		if x.Type == "file" || x.Type == "directory" {
			work.Go(func() { e.readFiles(ctx, x) })
			continue
		}
		opened := x.openLive()
		rings = append(rings, opened...)
		for _, w := range opened {
			live = append(live, w)
		}
	}
	if len(live) > 0 {
		if err := afpacket.DropCapabilities(); err != nil {
			return nil, err
		}
		work.Go(func() { e.follow(ctx, pipeline.New(live, e.plan(true))) })
	}
	listening()
	work.Wait()
	for _, w := range rings {
		w.of.add(w)
	}
	e.took = time.Since(e.began)
	return e, e.useless()
}

// plan returns what a domain of the examination is made from: nothing is told of legs and devices.
func (e *examination) plan(live bool) pipeline.Plan {
	p := e.Setup.Plan(0, live)
	p.Linking, p.Devices = nil, 0
	return p
}

// useless returns why no source could be opened, nil if one was.
func (e *examination) useless() error {
	var errs []error
	for _, x := range e.sources {
		if x.opened > 0 || len(x.broken) == 0 {
			return nil
		}
		errs = append(errs, e.Wrong(x.key(), "%v", errors.Join(x.broken...)))
	}
	return errors.Join(errs...)
}

// follow runs d until ctx ends. What its events say is nobody's concern here. What ended a source the witness knows.
func (e *examination) follow(ctx context.Context, d *pipeline.Domain) {
	_ = d.Follow(ctx, func(*event.Event) {})
	e.mu.Lock()
	defer e.mu.Unlock()
	c := d.Counts()
	e.whole.AddDomain(&c, e.Trunks)
	e.full += c.Full
}

// readFiles reads the file of x, or those that its folder has now, the newest first.
func (e *examination) readFiles(ctx context.Context, x *examined) {
	wide := x.wide()
	paths, err := sourceFiles(wide)
	if err != nil {
		x.broken = append(x.broken, err)
	}
	for _, path := range paths {
		if ctx.Err() != nil {
			return
		}
		s, err := source.OpenFile(wide, path, uint64(x.number)<<56)
		if err != nil {
			x.broken = append(x.broken, err)
			continue
		}
		w := x.witness(s)
		e.follow(ctx, pipeline.New([]capture.Source{w}, e.plan(false)))
		x.add(w)
	}
}

// sourceFiles returns the paths of what s reads: its file, or the files that its folder has now, the newest first.
func sourceFiles(s *config.Source) ([]string, error) {
	if s.Type == "file" {
		return []string{s.Path}, nil
	}
	all := *s
	all.Settle = "1ns"
	dir, err := source.OpenDir(&all, "") // nothing is remembered
	if err != nil {
		return nil, err
	}
	look, err := dir.Poll(time.Now())
	var paths []string
	for _, f := range slices.Backward(look.Ready) {
		paths = append(paths, f.Path)
	}
	return paths, err
}

// wide returns x as it is examined: with every tunnel, and with more ports than are configured.
func (x *examined) wide() *config.Source {
	w := *x.Source
	w.Tunnels = nil
	for e := capture.MPLS; e < capture.Encapsulations; e++ {
		w.Tunnels = append(w.Tunnels, e.String())
	}
	if w.Ports = nil; w.Type == "interface" {
		w.Ports = append(x.configuredPorts(), usualPorts...)
	}
	return &w
}

// configuredPorts returns the ports that x listens to, empty for every port.
func (x *examined) configuredPorts() []string { return slices.Clone(x.PortNames()) }

// openLive opens an interface or a feed.
func (x *examined) openLive() (list []*witness) {
	all, err := source.Open(x.wide(), uint64(x.number)<<56)
	if err != nil {
		x.broken = append(x.broken, err)
	}
	for _, s := range all {
		list = append(list, x.witness(s))
	}
	return list
}

// witness returns one for s, which was opened for x.
func (x *examined) witness(s capture.Source) *witness {
	x.opened++
	ports, _ := x.PortRanges()
	tunnels, _ := x.TunnelSet()
	w := newWitness(s, ports, capture.EveryTunnel&^tunnels)
	w.of = x
	return w
}

// add adds what w has seen, once it has ended.
func (x *examined) add(w *witness) {
	x.seen.add(&w.seen)
	x.ledger.Packets.AddDrops(w.Drops())
	x.ledger.AddReader(w.sip.Counts())
	x.ledger.Packets.AddFrames(w.Source)
	if w.trouble != nil {
		x.broken = append(x.broken, w.trouble)
	}
	switch s := w.Source.(type) {
	case *afpacket.Source:
		st := s.Stats()
		x.stamps.skewed += st.Skewed
		x.stamps.freezes += st.Freezes
		x.downs = max(x.downs, st.Downs) // each ring of an interface counts them
		x.unreached = cmp.Or(x.unreached, source.Obstacle(s))
	case *hep.Source:
		st := s.Stats()
		x.stamps.skewed += st.Skewed
		x.stamps.unstamped += st.Unstamped
	}
}

// key is what the configuration calls x.
func (x *examined) key() string { return fmt.Sprintf("source.%d", x.number) }

// String returns the key of x and the name that the configuration gives it.
func (x *examined) String() string {
	switch x.Type {
	case "interface":
		return fmt.Sprintf("%s (interface %s)", x.key(), x.Interface)
	case "hep":
		c, _ := x.Feed()
		return fmt.Sprintf("%s (feed %s)", x.key(), c.Name)
	}
	return fmt.Sprintf("%s (%s %s)", x.key(), x.Type, x.Path)
}
