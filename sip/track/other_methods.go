package track

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
)

// OtherMethods are the methods whose messages make no record; a NOTIFY inside a call is not counted.
var OtherMethods = [...]sip.Method{sip.Options, sip.MessageMethod, sip.Subscribe, sip.Notify, sip.Publish, sip.Info}

// OtherClasses is the number of classes of messages: requests, and responses by the first digit of the status.
const OtherClasses = 7

// LatencyBounds are the upper bounds of the histogram of latencies.
var LatencyBounds = [...]time.Duration{time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 32 * time.Second}

// OtherCounts is what was counted of one trunk.
type OtherCounts struct {
	Messages [len(OtherMethods)][OtherClasses]uint64
	Options  Latency
}

// A Latency is how long the final responses to OPTIONS took, from the first request of their transactions.
type Latency struct {
	Transactions uint64
	Answered     uint64
	Unanswered   uint64 // within 32 s, which is 64*T1 (RFC 3261 section 17.1.2.2)
	Evicted      uint64 // not answered yet when they were evicted because there were too many
	Cut          uint64 // not answered yet at the end of the capture

	Sum, Max time.Duration              // of those that were answered, each rounded down to microseconds
	Within   [len(LatencyBounds)]uint64 // of those that were answered: by the lowest bound that is not exceeded
}

// Others count the messages that make no record, by trunk, method and class, and measure the latency of OPTIONS.
// Nothing else of them is read. The trunk of a message is the one from which the request of its transaction came, else
// the one to which it went. One goroutine counts; Counts may be called from any.
type Others struct {
	trunkOf func(netip.Addr, uint16) int // the trunk of an address on a VLAN; 0 for none
	rows    []otherRow                   // by trunk

	ring       []optionsTransaction // the last transactions of OPTIONS, by number
	head       []uint32
	tail, next uint32 // numbers of the last transaction that was forgotten, and of the last that began
}

type otherRow struct {
	messages                                            [len(OtherMethods)][OtherClasses]atomic.Uint64
	transactions, answered, unanswered, evicted, cutOff atomic.Uint64
	sum, max                                            atomic.Int64 // microseconds
	within                                              [len(LatencyBounds)]atomic.Uint64
}

// An optionsTransaction is remembered until it is 32 s old, so that repeats are recognised.
type optionsTransaction struct {
	id    uint64
	sent  int64  // time of the first request, nanoseconds
	until int64  // when it is forgotten, on the clock, which never runs back
	older uint32 // number of the one before with the same 16 bits of id
	trunk int32
	done  bool
}

// mostTransactions limits the remembered transactions of OPTIONS: 2,000 a second without an answer.
const mostTransactions = 1 << 16

func newOthers(trunks int, trunkOf func(netip.Addr, uint16) int) *Others {
	return &Others{trunkOf: trunkOf, rows: make([]otherRow, trunks+1)}
}

// count counts m. call reports whether m belongs to a known call; now is the clock, nanoseconds.
func (o *Others) count(m *sip.Message, k event.Keys, call bool, now int64) {
	i := slices.Index(OtherMethods[:], m.Method)
	if i < 0 || call && m.Method == sip.Notify {
		return
	}
	trunk := o.trunk(m)
	o.rows[trunk].messages[i][m.Status/100].Add(1)
	if m.Method != sip.Options {
		return
	}
	id := k.Branch.With(k.Call).Short()
	switch a := o.find(id); {
	case a == nil && m.Request():
		o.begin(optionsTransaction{id: id, sent: m.Time.UnixNano(), until: now + event.Timer64T1, trunk: int32(trunk)})
	case a != nil && !a.done && m.Status >= 200:
		a.done = true
		o.rows[a.trunk].answer(max(m.Time.UnixNano()-a.sent, 0) / 1000)
	}
}

// trunk returns the number of m's trunk, 0 for none.
func (o *Others) trunk(m *sip.Message) int {
	if o.trunkOf == nil {
		return 0
	}
	flow := m.Flow
	if !m.Request() {
		flow = flow.Reverse()
	}
	if n := o.trunkOf(flow.Src.Addr(), m.VLAN); n != 0 {
		return n
	}
	return o.trunkOf(flow.Dst.Addr(), m.VLAN)
}

// find returns the transaction of that id, nil without one.
func (o *Others) find(id uint64) *optionsTransaction {
	if o.ring == nil {
		return nil
	}
	for n := o.head[id>>48]; o.next-n < o.next-o.tail; n = o.ring[n%mostTransactions].older {
		if a := &o.ring[n%mostTransactions]; a.id == id {
			return a
		}
	}
	return nil
}

// begin adds a transaction. If there are too many the oldest is evicted.
func (o *Others) begin(a optionsTransaction) {
	if o.ring == nil {
		o.ring, o.head = make([]optionsTransaction, 1, 256), make([]uint32, 1<<16)
	}
	if o.next-o.tail == mostTransactions {
		o.dropOldest(func(r *otherRow) *atomic.Uint64 { return &r.evicted })
	}
	o.next++
	a.older, o.head[a.id>>48] = o.head[a.id>>48], o.next
	if len(o.ring) < mostTransactions {
		o.ring = append(o.ring, a)
	} else {
		o.ring[o.next%mostTransactions] = a
	}
	o.rows[a.trunk].transactions.Add(1)
}

// dropOldest forgets the oldest transaction, and counts it in counter if it was not answered.
func (o *Others) dropOldest(counter func(*otherRow) *atomic.Uint64) {
	o.tail++
	if a := &o.ring[o.tail%mostTransactions]; !a.done {
		counter(&o.rows[a.trunk]).Add(1)
	}
}

// expire forgets the transactions that are older than 32 s.
func (o *Others) expire(now int64) {
	for o.tail != o.next && o.ring[(o.tail+1)%mostTransactions].until <= now {
		o.dropOldest(func(r *otherRow) *atomic.Uint64 { return &r.unanswered })
	}
}

// finish forgets all transactions: nothing follows.
func (o *Others) finish() {
	for o.tail != o.next {
		o.dropOldest(func(r *otherRow) *atomic.Uint64 { return &r.cutOff })
	}
}

// answer counts a transaction that was answered after us microseconds.
func (r *otherRow) answer(us int64) {
	r.answered.Add(1)
	r.sum.Add(us)
	r.max.Store(max(r.max.Load(), us))
	for i, bound := range LatencyBounds {
		if us <= bound.Microseconds() {
			r.within[i].Add(1)
			return
		}
	}
}

// Counts returns what has been counted so far, by number of the trunk; 0 is no trunk.
func (o *Others) Counts() []OtherCounts {
	list := make([]OtherCounts, len(o.rows))
	for i := range o.rows {
		r, c := &o.rows[i], &list[i]
		for j := range r.messages {
			for k := range r.messages[j] {
				c.Messages[j][k] = r.messages[j][k].Load()
			}
		}
		c.Options = r.latency()
	}
	return list
}

// latency returns what was counted of OPTIONS. Totals are read after their parts, so that they are never less.
func (r *otherRow) latency() (l Latency) {
	for i := range r.within {
		l.Within[i] = r.within[i].Load()
	}
	l.Sum, l.Max = time.Duration(r.sum.Load())*time.Microsecond, time.Duration(r.max.Load())*time.Microsecond
	l.Answered, l.Unanswered, l.Evicted, l.Cut = r.answered.Load(), r.unanswered.Load(), r.evicted.Load(), r.cutOff.Load()
	l.Transactions = r.transactions.Load()
	return l
}
