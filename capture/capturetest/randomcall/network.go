package randomcall

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"sipsieve/capture/capturetest/oracle"
)

// A link is the path between two neighbours: the address that requests of the caller leave from, and where they go.
type link struct{ left, right oracle.Host }

// A network is the way between the caller and the callees, and what was sent on it.
type network struct {
	r        *rand.Rand
	kinds    Kinds
	links    []link // the last one ends at the first callee
	hides    bool   // what stands between rewrites To tags and strips Vias
	shown    []bool // by link
	callID   string
	tag      string // the caller's
	sent     []oracle.Message
	ids      uint16
	count    int // branches
	answered int // CSeq of the INVITE that was answered; 0 without one
}

// Addresses of the parties.
const (
	callerHost oracle.Host = 10
	calleeHost oracle.Host = 20 // the first callee; others follow
	foreigner  oracle.Host = 99
)

func newNetwork(r *rand.Rand, kinds Kinds) *network {
	n := &network{r: r, kinds: kinds, tag: "a", hides: kinds.Has(Hiding)}
	between := 0
	switch {
	case kinds.Has(Chain):
		between = 2
	case kinds.Has(Proxy):
		between = 1
	}
	left := callerHost
	for i := range between {
		in := oracle.Host(30 + 2*i)
		out := in
		if kinds.Has(TwoAddresses) && i == 0 {
			out++
		}
		n.links = append(n.links, link{left, in})
		left = out
	}
	n.links = append(n.links, link{left, calleeHost})
	for i := range n.links {
		n.shown = append(n.shown, !kinds.Has(FarOnly) || i > 0)
	}
	return n
}

// latency is what one message needs for one hop.
func (n *network) latency() time.Duration {
	return time.Duration(300+n.r.IntN(2700)) * time.Microsecond
}

// between returns a random time from a to b.
func (n *network) between(a, b time.Duration) time.Duration {
	return a + time.Duration(n.r.Int64N(int64(b-a)/1000+1))*time.Microsecond
}

// chance reports true once in k times.
func (n *network) chance(k int) bool { return n.r.IntN(k) == 0 }

// show adds m to what was captured, unless its hop is not.
func (n *network) show(link int, m oracle.Message) {
	n.ids++
	m.ID, m.CallID = n.ids, n.callID
	if link < 0 || n.shown[link] {
		n.sent = append(n.sent, m)
	}
}

// A leg is one hop that a request took.
type leg struct {
	link     int // -1 for the direct way
	src, dst oracle.Host
	vias     []oracle.Via
	at       time.Duration
}

// A request is one that was sent, so that it can be answered.
type request struct {
	method string
	seq    int
	from   string // "" for the caller's tag, else the callee's fork
	to     string // likewise, "-" for no tag
	legs   []leg
	at     time.Duration // when it arrived
}

// A letter is what a message carries besides addresses, tags and Vias.
type letter struct {
	sdp     string
	cause   int
	expires int
}

// A reply is a response: its status, the To tag of the fork that sends it, and what else it carries.
type reply struct {
	status int
	tag    string
	letter
}

// tagOn is how a To tag looks on a link: what hides the topology rewrites it for those in front of it.
func (n *network) tagOn(link int, tag string) string {
	if !n.hides || tag == "" || tag == "-" || link < 0 || link >= len(n.links)-1 || tag[0] == '!' {
		return tag
	}
	return fmt.Sprintf("%s.%d", tag, link)
}

func (n *network) newVia(host oracle.Host) oracle.Via {
	n.count++
	return oracle.Via{By: host, Branch: "b" + strconv.Itoa(n.count)}
}

// route returns the hops of a request: all of them, in the order in which the sender's side sees them.
func (n *network) route(q *request, fork int) (legs []leg) {
	up := q.from != ""
	if n.kinds.Has(Direct) && q.to != "-" && q.method != "CANCEL" {
		src, dst := callerHost, calleeHost+n.offset(fork)
		if up {
			src, dst = dst, src
		}
		return []leg{{link: -1, src: src, dst: dst}}
	}
	for i, l := range n.links {
		if i == len(n.links)-1 {
			l.right += n.offset(fork)
		}
		if up {
			legs = append([]leg{{link: i, src: l.right, dst: l.left}}, legs...)
		} else {
			legs = append(legs, leg{link: i, src: l.left, dst: l.right})
		}
	}
	return legs
}

// offset is how far a fork's address is from the first callee's: behind one link all are one address.
func (n *network) offset(fork int) oracle.Host {
	if len(n.links) == 1 {
		return 0
	}
	return oracle.Host(fork)
}

// send sends q at t to or by the callee of fork, and returns it with its hops.
func (n *network) send(q request, fork int, t time.Duration, l letter) *request {
	q.legs = n.route(&q, fork)
	n.travel(&q, 0, t, l)
	return &q
}

// travel moves q over its hops from the first-th on.
func (n *network) travel(q *request, first int, t time.Duration, l letter) {
	var vias []oracle.Via
	if first > 0 {
		vias = q.legs[first-1].vias
	}
	for i := first; i < len(q.legs); i++ {
		g := &q.legs[i]
		if n.hides {
			vias = nil
		}
		vias = append([]oracle.Via{n.newVia(g.src)}, vias...)
		g.vias, g.at = vias, t
		n.show(g.link, n.message(q, g, l))
		t += n.latency()
	}
	q.at = t
}

// message writes q as one hop shows it.
func (n *network) message(q *request, g *leg, l letter) oracle.Message {
	m := oracle.Message{Time: g.at, Src: g.src, Dst: g.dst, Method: q.method, Seq: q.seq, Vias: g.vias, SDP: l.sdp,
		Cause: l.cause, Expires: l.expires, From: n.tag, To: n.tagOn(g.link, q.to)}
	if q.from != "" {
		m.From, m.To = n.tagOn(g.link, q.from), n.tag
	}
	switch {
	case q.to == "-":
		m.To = ""
	case q.to != "" && q.to[0] == '!':
		m.To = q.to[1:]
	}
	return m
}

// respond answers q at t, and returns when the response has arrived.
func (n *network) respond(q *request, r reply, t time.Duration) time.Duration {
	m := oracle.Message{Time: t, Status: r.status, To: r.tag, SDP: r.sdp, Cause: r.cause, Expires: r.expires}
	return n.back(q, len(q.legs)-1, m)
}

// back moves a response from the end of the last-th hop of q to its sender.
func (n *network) back(q *request, last int, m oracle.Message) time.Duration {
	tag := m.To
	for i := last; i >= 0; i-- {
		g := &q.legs[i]
		asked := n.message(q, g, letter{})
		m.Src, m.Dst, m.Method, m.Seq, m.Vias, m.From = g.dst, g.src, q.method, q.seq, g.vias, asked.From
		m.To = asked.To
		if m.To == "" {
			m.To = n.tagOn(g.link, tag)
		}
		n.show(g.link, m)
		m.Time += n.latency()
	}
	return m.Time
}

// secondLeg adds the other side of a B2BUA that keeps the Call-ID: other addresses, tags and branches.
func (n *network) secondLeg() {
	for _, m := range n.sent {
		m.Time += n.between(500*time.Microsecond, 600*time.Microsecond)
		m.Src, m.Dst = m.Src+20, m.Dst+20
		m.From, m.To = otherTag(m.From), otherTag(m.To)
		vias := make([]oracle.Via, len(m.Vias))
		for i, v := range m.Vias {
			vias[i] = oracle.Via{By: v.By + 20, Branch: v.Branch + "o"}
		}
		m.Vias = vias
		n.ids++
		m.ID = n.ids
		n.sent = append(n.sent, m)
	}
}

func otherTag(tag string) string {
	if tag == "" {
		return ""
	}
	return tag + "o"
}
