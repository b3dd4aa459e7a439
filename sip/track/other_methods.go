package track

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
)

// OtherMethods are those whose messages make no record. Of NOTIFY that holds outside a call only.
var OtherMethods = [...]sip.Method{sip.Options, sip.MessageMethod, sip.Subscribe, sip.Notify, sip.Publish, sip.Info}

// OtherClasses is how many classes of messages there are: requests, and responses by the first digit of the status.
const OtherClasses = 7

// LatencyBounds are those between which latencies are counted.
var LatencyBounds = [...]time.Duration{time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 32 * time.Second}

// OtherCounts is what was counted of one trunk.
type OtherCounts struct {
	Messages [len(OtherMethods)][OtherClasses]uint64
	Options  Latency
}

// A Latency says how long the final responses to OPTIONS took, from the first request of their transactions.
type Latency struct {
	Asked      uint64 // transactions
	Answered   uint64
	Unanswered uint64 // within 32 s, which is 64*T1 (RFC 3261 section 17.1.2.2)
	Evicted    uint64 // not answered yet when they went because there were too many
	Cut        uint64 // not answered yet at the end of the capture

	Sum, Max time.Duration              // of those that were answered, each rounded down to microseconds
	Within   [len(LatencyBounds)]uint64 // how many of them by the lowest bound that they do not exceed
}

// Others count the messages that make no record, by trunk, method and class, and measure how long OPTIONS takes.
// Nothing else of them is looked at. The trunk of a message is that which its transaction's request came from, else the
// one that it went to. One goroutine notes; Counts may be called from any.
type Others struct {
	of   func(netip.Addr, uint16) int // the trunk of an address on a VLAN; 0 for none
	rows []otherRow                   // by trunk

	ring       []asked // the last transactions of OPTIONS, the oldest after tail
	head       []uint32
	tail, next uint32 // numbers of transactions, the first is 1: gone up to tail, begun up to next
}

type otherRow struct {
	messages                                     [len(OtherMethods)][OtherClasses]atomic.Uint64
	asked, answered, unanswered, evicted, cutOff atomic.Uint64
	sum, max                                     atomic.Int64 // microseconds
	within                                       [len(LatencyBounds)]atomic.Uint64
}

// An asked is a transaction of OPTIONS. It is known until it is 32 s old, so that what comes again is known too.
type asked struct {
	id    uint64
	at    int64  // of the first request
	until int64  // on the clock, which never runs back
	older uint32 // the one before with the same 16 bits of id
	trunk int32
	done  bool
}

// mostAsked bounds the transactions of OPTIONS that are known: 2,000 a second that nobody answers.
const mostAsked = 1 << 16

func newOthers(trunks int, of func(netip.Addr, uint16) int) *Others {
	return &Others{of: of, rows: make([]otherRow, trunks+1)}
}

// note takes note of m, which is of a known call or not.
func (o *Others) note(m *sip.Message, k event.Keys, call bool, now int64) {
	i := slices.Index(OtherMethods[:], m.Method)
	if i < 0 || call && m.Method == sip.Notify {
		return
	}
	trunk := o.trunk(m)
	o.rows[trunk].messages[i][m.Status/100].Add(1)
	if m.Method != sip.Options {
		return
	}
	at, id := m.Time.UnixNano(), k.Branch.With(k.Call).Short()
	switch a := o.find(id); {
	case a == nil && m.Request():
		o.ask(asked{id: id, at: at, until: now + event.Timer64T1, trunk: int32(trunk)})
	case a != nil && !a.done && m.Status >= 200:
		a.done = true
		o.rows[a.trunk].answer(max(at-a.at, 0) / 1000)
	}
}

// trunk returns the number of m's trunk, 0 for none.
func (o *Others) trunk(m *sip.Message) int {
	if o.of == nil {
		return 0
	}
	flow := m.Flow
	if !m.Request() {
		flow = flow.Reverse()
	}
	if n := o.of(flow.Src.Addr(), m.VLAN); n != 0 {
		return n
	}
	return o.of(flow.Dst.Addr(), m.VLAN)
}

// find returns the known transaction of that id, nil without one.
func (o *Others) find(id uint64) *asked {
	if o.ring == nil {
		return nil
	}
	for n := o.head[id>>48]; o.next-n < o.next-o.tail; n = o.ring[n%mostAsked].older {
		if a := &o.ring[n%mostAsked]; a.id == id {
			return a
		}
	}
	return nil
}

// ask begins a transaction. When there is no room the oldest goes.
func (o *Others) ask(a asked) {
	if o.ring == nil {
		o.ring, o.head = make([]asked, 1, 256), make([]uint32, 1<<16)
	}
	if o.next-o.tail == mostAsked {
		o.leave(func(r *otherRow) *atomic.Uint64 { return &r.evicted })
	}
	o.next++
	a.older, o.head[a.id>>48] = o.head[a.id>>48], o.next
	if len(o.ring) < mostAsked {
		o.ring = append(o.ring, a)
	} else {
		o.ring[o.next%mostAsked] = a
	}
	o.rows[a.trunk].asked.Add(1)
}

// leave forgets the oldest transaction, which is counted by count if it was not answered.
func (o *Others) leave(count func(*otherRow) *atomic.Uint64) {
	o.tail++
	if a := &o.ring[o.tail%mostAsked]; !a.done {
		count(&o.rows[a.trunk]).Add(1)
	}
}

// expire forgets the transactions that are older than 32 s.
func (o *Others) expire(now int64) {
	for o.tail != o.next && o.ring[(o.tail+1)%mostAsked].until <= now {
		o.leave(func(r *otherRow) *atomic.Uint64 { return &r.unanswered })
	}
}

// finish forgets all transactions: nothing follows.
func (o *Others) finish() {
	for o.tail != o.next {
		o.leave(func(r *otherRow) *atomic.Uint64 { return &r.cutOff })
	}
}

// answer counts a transaction that took so many microseconds.
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

// Counts returns what has been counted so far, by trunk; the first is of no trunk.
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

// latency returns what was counted of OPTIONS, each sum after what is a part of it.
func (r *otherRow) latency() (l Latency) {
	for i := range r.within {
		l.Within[i] = r.within[i].Load()
	}
	l.Sum, l.Max = time.Duration(r.sum.Load())*time.Microsecond, time.Duration(r.max.Load())*time.Microsecond
	l.Answered, l.Unanswered, l.Evicted, l.Cut = r.answered.Load(), r.unanswered.Load(), r.evicted.Load(), r.cutOff.Load()
	l.Asked = r.asked.Load()
	return l
}
