// Package ledger counts what became of every packet, message, call and excerpt.
//
// A Ledger is a snapshot: sums of what sources, trackers, the collector and the store have counted by themselves. Its
// JSON keys are a contract with whoever reads status, the final log line or a replay's ledger file.
//
// # Invariants
//
// Nothing disappears: each stage says of all that it was given what it did with it. Balance returns the sums that do
// not come out. While the daemon runs, messages on their way to a tracker are in the total only.
//
// # Adding a count
//
// A field of a type here, the line that fills it, and a family of the metrics that shows it; a test finds the number
// that no metric shows.
package ledger

import (
	"encoding/json"
	"io"

	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip"
	"sipsieve/sip/track"
)

// A Ledger is the counts of one run, or of a part of it.
type Ledger struct {
	Packets       Packets            `json:"packets"`
	Streams       Streams            `json:"streams"`
	HEP           Feed               `json:"hep"` // of all feeds, and of files that hold one
	Messages      Messages           `json:"messages"`
	Calls         Calls              `json:"calls"`
	Legs          Legs               `json:"legs"`
	Registrations Sums               `json:"registrations"`
	Devices       Devices            `json:"devices"`
	Others        map[string]Others  `json:"others"`  // messages that make no record, by trunk
	Options       map[string]Options `json:"options"` // by trunk
	Sources       map[string]Source  `json:"sources"` // by key in the configuration
	Numbers       Numbers            `json:"numbers"`
	Excerpts      map[string]Excerpt `json:"excerpts"`        // by purpose
	Ops           Ops                `json:"ops,omitzero"`    // of a daemon that has sources
	Bus           Bus                `json:"bus,omitzero"`    // of a daemon
	Store         map[string]Store   `json:"store,omitempty"` // of a daemon that keeps, by purpose
	Hub           map[string]Hub     `json:"hub,omitempty"`   // of a daemon with a hub, by purpose
	Values        Values             `json:"values"`
	Host          Host               `json:"host,omitzero"` // of a daemon
}

// Ops says what became of the records about the sensor itself, on the stream OPS.
type Ops struct {
	Made         uint64 `json:"made"` // those that a run before left included
	Acknowledged uint64 `json:"acknowledged"`
	Pending      uint64 `json:"pending"`
	Lost         uint64 `json:"lost"` // no room to wait in, or refused for good
}

// balance requires each record to be put, to wait, or to be lost.
func (o *Ops) balance(b *balance) {
	b.equal("ops.made", o.Made, o.Acknowledged+o.Pending+o.Lost)
}

// Values says what was wrong with values before the policy of a purpose was applied to them.
type Values struct {
	Misfits uint64 `json:"misfits"` // dropped: not what the register says of their field, a fault of the product
}

// Numbers says which numbers of records are non_e164 for want of something that the configuration could say.
type Numbers struct {
	NoRegion uint64 `json:"no_region"` // dialled without +, and neither the sensor nor the trunk has a region
}

// Host says how far the times of live packets can be believed, adjtimex(2).
type Host struct {
	Unsynchronised Peak `json:"clock_unsynchronised"` // 1 if the kernel says that nothing sets the clock, else 0
	ClockError     Peak `json:"clock_max_error_us"`   // by how much it may be wrong, microseconds
}

// New returns an empty Ledger.
func New() *Ledger {
	return &Ledger{
		Packets:       Packets{Refused: Sums{}, Lost: Sums{}, Carried: Sums{}},
		HEP:           Feed{OtherKinds: Sums{}},
		Messages:      Messages{Requests: Sums{}, Statuses: Sums{}, Refused: Sums{}, Odd: Sums{}},
		Calls:         Calls{Ended: Sums{}, Bounds: Sums{}},
		Legs:          Legs{Joined: Sums{}},
		Registrations: Sums{},
		Others:        map[string]Others{},
		Options:       map[string]Options{},
		Sources:       map[string]Source{},
		Excerpts:      map[string]Excerpt{},
		Store:         map[string]Store{},
		Hub:           map[string]Hub{},
	}
}

// AddDomain adds what a domain has counted; trunks are the names of its trunks by number, 0 for none.
func (l *Ledger) AddDomain(c *pipeline.Counts, trunks []string) {
	for i := range c.Shards {
		s := &c.Shards[i]
		l.Messages.addTracker(&s.Track)
		l.Calls.addTracker(&s.Track)
		addRegistrations(l.Registrations, &s.Track)
		l.Messages.Late += s.Late
		for n := range s.Others {
			l.addTrunk(trunks[n], &s.Others[n])
		}
	}
	l.Legs.add(c.Legs)
	l.Devices.add(&c.Devices)
	l.Messages.Dropped += c.Full
	for i := range c.Sources {
		l.addSource(&c.Sources[i])
	}
}

// AddReader adds what a SIP reader has counted.
func (l *Ledger) AddReader(c sip.Counts) {
	l.Packets.addReader(&c)
	l.Streams.addReader(&c)
	l.Messages.addReader(&c)
}

// addSource adds what one source of a domain has counted.
func (l *Ledger) addSource(r *pipeline.SourceCounts) {
	l.AddReader(r.SIP)
	drops := r.Source.Drops()
	l.Packets.AddDrops(drops)
	l.Packets.AddFrames(r.Source)
	for _, f := range feedsOf(r.Source) {
		l.HEP.add(f)
	}
	if r.Key == "" {
		return
	}
	one := newSource(r, &drops)
	plus(&l.Sources, &map[string]Source{r.Key: one})
}

// addTrunk adds the messages of a trunk that make no record. A trunk without any is left out.
func (l *Ledger) addTrunk(name string, c *track.OtherCounts) {
	if o := othersOf(c); len(o) > 0 {
		plus(&l.Others, &map[string]Others{name: o})
	}
	if c.Options.Transactions > 0 {
		plus(&l.Options, &map[string]Options{name: optionsOf(c.Options)})
	}
}

// Add adds what o has counted. Excerpts are added by Counters.AddTo.
func (l *Ledger) Add(o *Ledger) { plus(l, o) }

// Balance returns every sum of l that does not come out. inFlight messages may be between a reader and a shard.
func (l *Ledger) Balance(inFlight bool) error {
	b := balance{inFlight: inFlight}
	l.Packets.balance(&b)
	l.Messages.balance(&b)
	for method, n := range otherRequests(l.Others) {
		b.atMost("others: "+method, n, l.Messages.Requests[method])
	}
	l.Calls.balance(&b)
	l.Ops.balance(&b)
	for name, x := range l.Excerpts {
		x.balance(&b, name)
	}
	for name, s := range l.Store {
		s.balance(&b, name)
	}
	for name, h := range l.Hub {
		h.balance(&b, name)
	}
	return b.err()
}

// Write writes l as JSON.
func (l *Ledger) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(l)
}
