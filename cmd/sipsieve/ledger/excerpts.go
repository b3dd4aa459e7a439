package ledger

import (
	"sync"
	"sync/atomic"
)

// An Excerpt says what became of the excerpts of one purpose.
type Excerpt struct {
	Made         uint64 `json:"made"`
	Restored     uint64 `json:"restored,omitempty"` // made in the run before, where they waited for the end of their window
	Put          uint64 `json:"put"`                // made or restored, and not suppressed
	Acknowledged uint64 `json:"acknowledged"`
	Pending      uint64 `json:"pending"`
	Waiting      uint64 `json:"waiting,omitempty"` // for the end of their window, at most 0.2 s ago; a part of what is pending
	Suppressed   Sums   `json:"suppressed"`        // by reason
}

// balance requires each excerpt to be put or suppressed, and each that is put to be acknowledged or pending.
func (x *Excerpt) balance(b *balance, purpose string) {
	b.equal("excerpts."+purpose+".made", x.Made+x.Restored, x.Put+x.Suppressed.Total())
	b.equal("excerpts."+purpose+".put", x.Put, x.Acknowledged+x.Pending)
}

// Counters count the excerpts of every purpose, which has the number of its name. They may be read and counted on from
// any goroutine.
type Counters struct {
	names                                 []string
	made, restored, acknowledged, waiting []atomic.Uint64
	mu                                    sync.Mutex
	suppressed                            []Sums // by reason; under mu
}

// NewCounters returns Counters of the purposes of these names.
func NewCounters(names []string) *Counters {
	n := len(names)
	c := &Counters{names: names, made: make([]atomic.Uint64, n), restored: make([]atomic.Uint64, n),
		acknowledged: make([]atomic.Uint64, n), waiting: make([]atomic.Uint64, n)}
	for range names {
		c.suppressed = append(c.suppressed, Sums{})
	}
	return c
}

// Make counts that an excerpt of a purpose was made.
func (c *Counters) Make(purpose int) { c.made[purpose].Add(1) }

// Restore counts that an excerpt of a purpose was restored.
func (c *Counters) Restore(purpose int) { c.restored[purpose].Add(1) }

// Wait notes that n excerpts of a purpose wait for the end of their window now.
func (c *Counters) Wait(purpose int, n uint64) { c.waiting[purpose].Store(n) }

// Acknowledge counts n excerpts of a purpose that are durable.
func (c *Counters) Acknowledge(purpose int, n uint64) { c.acknowledged[purpose].Add(n) }

// Suppress counts n excerpts of a purpose that were made and are not put.
func (c *Counters) Suppress(purpose int, reason string, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.suppressed[purpose][reason] += n
}

// AddTo adds c to l. What is made but neither put nor suppressed yet waits for its batch: it counts as put and pending.
func (c *Counters) AddTo(l *Ledger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, name := range c.names {
		x := Excerpt{Acknowledged: c.acknowledged[i].Load(), Suppressed: Sums{}}
		for reason, n := range c.suppressed[i] {
			x.Suppressed[reason] = n
		}
		x.Waiting = c.waiting[i].Load()
		x.Made, x.Restored = c.made[i].Load(), c.restored[i].Load()
		x.Put = x.Made + x.Restored - x.Suppressed.Total()
		x.Pending = x.Put - x.Acknowledged
		l.Excerpts[name] = x
	}
}

// Bus says what the daemon's spool did since the start.
type Bus struct {
	Published  uint64 `json:"published"`
	OneByOne   uint64 `json:"one_by_one"` // of these: their batch was refused, because a part was there already
	Complaints uint64 `json:"complaints"` // errors that the server sent by itself, such as a missing permission
	Damages    uint64 `json:"damages"`    // streams that had damaged files when they were opened
	Lost       uint64 `json:"lost"`       // excerpts lost with these files
	Reopened   uint64 `json:"reopened"`   // times that the spool was opened anew, after an error of its disk
}

// A Store says what became of the excerpts of one purpose between the bus and this host's store.
type Store struct {
	Received    uint64 `json:"received"` // messages, redelivered ones included
	Kept        uint64 `json:"kept"`     // joined with what was there, or expired
	Expired     uint64 `json:"expired"`  // of these: not stored, for their day is over
	Refused     uint64 `json:"refused"`  // not ours, or refused by the store for good
	Redelivered uint64 `json:"redelivered"`
	Retried     uint64 `json:"retried"` // times that the store was unavailable or full
}

// A Hub says what became of the excerpts of one purpose between the spool and the hub.
type Hub struct {
	Received    uint64 `json:"received"` // messages, redelivered ones included
	Put         uint64 `json:"put"`      // acknowledged by the hub
	Refused     uint64 `json:"refused"`  // not ours, or refused by the hub for good
	Redelivered uint64 `json:"redelivered"`
	Retried     uint64 `json:"retried"` // times that the hub was away, or took nothing
}

// balance requires no more to be put or refused than was received.
func (h *Hub) balance(b *balance, purpose string) {
	b.atMost("hub."+purpose, h.Put+h.Refused, h.Received)
}

// balance requires no more to be kept or refused than was received: the rest is under way, or was given back.
func (s *Store) balance(b *balance, purpose string) {
	b.atMost("store."+purpose, s.Kept+s.Refused, s.Received)
}
