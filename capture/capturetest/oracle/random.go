package oracle

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// Random returns the call of a seed, of some of the kinds allowed.
func Random(seed uint64, allowed Kinds) Call {
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	var kinds Kinds
	for range [...]int{0, 1, 1, 2, 2, 3, 3, 4, 6, 9}[r.IntN(10)] {
		kinds |= 1 << r.IntN(int(KindCount))
	}
	kinds = (kinds & allowed).settle()
	n := newNetwork(r, kinds)
	n.callID = "c" + strconv.FormatUint(seed, 10)
	s := script{network: n, t: n.between(0, time.Second)}
	s.play()
	if kinds.Has(Reuse) {
		s.t += 300 * time.Second
		if n.chance(2) {
			n.tag = "a2"
		}
		s.round = 1
		s.play()
	}
	if kinds.Has(TwoLegs) {
		n.secondLeg()
	}
	c := Call{Seed: seed, Kinds: kinds, Messages: n.sent}
	n.mangle(&c)
	return c
}

// secondLeg adds the other side of a B2BUA that keeps the Call-ID: other addresses, tags and branches.
func (n *network) secondLeg() {
	for _, m := range n.sent {
		m.Time += n.between(500*time.Microsecond, 600*time.Microsecond)
		m.Src, m.Dst = m.Src+20, m.Dst+20
		m.From, m.To = otherTag(m.From), otherTag(m.To)
		vias := make([]Via, len(m.Vias))
		for i, v := range m.Vias {
			vias[i] = Via{v.By + 20, v.Branch + "o"}
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

// A script is how one call goes on, from one message to the next.
type script struct {
	*network
	t              time.Duration
	round          int
	seq, calleeSeq int // CSeq of the caller and of the callee
	expires        int
	tags           []string   // To tags of the forks, the first answers
	invites        []*request // by fork
}

// play plays one call from its first INVITE to its end.
func (s *script) play() {
	s.expires = 0
	if s.kinds.Has(Timer) {
		s.expires = 90 * (1 + s.r.IntN(20))
	}
	s.tries()
	if !s.outcome() {
		return
	}
	s.talk()
}

// tries are the INVITEs that are refused and followed by another.
func (s *script) tries() {
	if s.kinds.Has(Challenge) {
		for range 1 + s.r.IntN(2) {
			status := []int{401, 407}[s.r.IntN(2)]
			gap := s.between(time.Millisecond, 1200*time.Millisecond)
			if s.chance(4) && !s.kinds.Has(Loss) {
				gap = s.between(time.Second, 200*time.Second)
			}
			s.refusedTry(status, gap)
		}
	}
	if s.kinds.Has(Redirect) {
		s.refusedTry([]int{300, 301, 302}[s.r.IntN(3)], s.between(time.Millisecond, 1200*time.Millisecond))
	}
	if s.kinds.Has(Retry) {
		s.refusedTry([]int{422, 503, 500, 480, 486, 404}[s.r.IntN(6)], s.between(time.Millisecond, 1200*time.Millisecond))
	}
	if s.kinds.Has(LateRetry) {
		if s.chance(2) {
			s.refusedTry([]int{503, 486, 404, 603}[s.r.IntN(4)], s.between(5*time.Second, 100*time.Second))
		} else {
			s.refusedTry([]int{401, 407, 302}[s.r.IntN(3)], s.between(250*time.Second, 400*time.Second))
		}
	}
}

// refusedTry is one INVITE that is refused, by the first neighbour or by the callee; the next comes after gap.
func (s *script) refusedTry(status int, gap time.Duration) {
	s.invite(1)
	if len(s.links) > 1 && !s.kinds.Has(NextCarrier) && s.chance(2) {
		s.forget(1)
	} else if s.chance(3) && status >= 400 {
		s.provisional(0, 180+3*s.r.IntN(2), s.t)
	}
	s.t += s.between(time.Millisecond, time.Second)
	s.t = s.refuse(s.invites[0], reply{status, s.newTag(), letter{}}, s.t) + gap
}

// newTag returns a To tag that no fork has.
func (s *script) newTag() string {
	s.count++
	return "t" + string(rune('a'+s.count%26)) + string(rune('a'+s.count/26%26))
}

// invite sends an INVITE to n callees, and the 100 of each hop. What the others of one link share is sent once.
func (s *script) invite(n int) {
	s.seq++
	l := letter{sdp: "sendrecv", expires: s.expires}
	q := request{method: "INVITE", seq: s.seq, to: "-"}
	q.legs = s.route(&q, 0)
	last := len(q.legs) - 1
	if s.kinds.Has(NextCarrier) && !s.kinds.Has(FarOnly) {
		q.legs = q.legs[:last]
		s.travel(&q, 0, s.t, l)
		q.legs = append(q.legs, s.nextCarrier(&q, l))
		s.travel(&q, last, s.t, l)
	} else {
		s.travel(&q, 0, s.t, l)
	}
	s.invites = []*request{&q}
	for i := 1; i < n; i++ {
		other := &q
		if last > 0 {
			fork := q
			fork.legs = append([]leg(nil), q.legs...)
			fork.legs[last].dst = calleeHost + Host(i)
			s.travel(&fork, last, q.at+s.latency(), l)
			other = &fork
		}
		s.invites = append(s.invites, other)
	}
	for i := range q.legs {
		if s.chance(4) {
			continue
		}
		s.onHop(&q, i, reply{status: 100, tag: ""}, q.legs[i].at+s.latency())
	}
	s.t = q.at + 10*time.Millisecond
}

// nextCarrier has the last proxy try another target, which refuses, and returns the hop to the next.
func (s *script) nextCarrier(q *request, l letter) leg {
	first := *q
	end := s.links[len(s.links)-1]
	first.legs = append(append([]leg(nil), q.legs...), leg{link: len(s.links) - 1, src: end.left, dst: end.right + 5})
	s.travel(&first, len(first.legs)-1, q.at, l)
	tag := s.newTag()
	s.t = first.at
	if s.chance(3) {
		s.t = s.respond(&first, reply{183, tag, letter{sdp: "sendrecv"}}, s.t)
	}
	s.t += s.between(time.Millisecond, 5*time.Second)
	status := []int{503, 500, 404, 486}[s.r.IntN(4)]
	s.t = s.refuseHop(&first, len(first.legs)-1, Message{Time: s.t, Status: status, To: tag})
	s.t += time.Millisecond
	return leg{link: len(s.links) - 1, src: end.left, dst: end.right}
}

// forget takes back the last INVITE behind the k-th hop, which it never passed.
func (s *script) forget(k int) {
	q := s.invites[0]
	kept := s.sent[:0]
	for _, m := range s.sent {
		past := false
		for _, g := range q.legs[k:] {
			past = past || m.Seq == q.seq && m.From == s.tag && m.Method == "INVITE" && m.branch() == g.vias[0].Branch
		}
		if !past {
			kept = append(kept, m)
		}
	}
	s.sent = kept
	q.legs = q.legs[:k]
}

// onHop answers q on its i-th hop only.
func (s *script) onHop(q *request, i int, r reply, t time.Duration) {
	one := request{method: q.method, seq: q.seq, from: q.from, to: q.to, legs: q.legs[i : i+1]}
	s.respond(&one, r, t)
}

// provisional sends one from the callee of a fork at t.
func (s *script) provisional(fork, status int, t time.Duration) {
	for len(s.tags) <= fork {
		s.tags = append(s.tags, s.newTag())
	}
	l := letter{}
	if status == 183 {
		l.sdp = "sendrecv"
	}
	s.respond(s.invites[fork], reply{status, s.tags[fork], l}, t)
}

// refuse sends a refusal back over the hops of q, each acknowledged, and returns when the caller has acknowledged it.
func (s *script) refuse(q *request, r reply, t time.Duration) time.Duration {
	for i := len(q.legs) - 1; i >= 0; i-- {
		t = s.refuseHop(q, i, Message{Time: t, Status: r.status, To: r.tag, Cause: r.cause})
	}
	return t
}

// refuseHop sends a refusal over the i-th hop of q, and its ACK; it returns when the refusal has arrived.
func (s *script) refuseHop(q *request, i int, m Message) time.Duration {
	one := request{method: q.method, seq: q.seq, from: q.from, to: q.to, legs: q.legs[i : i+1]}
	t := s.back(&one, 0, m)
	g := q.legs[i]
	g.vias, g.at = g.vias[:1], t+50*time.Microsecond
	ack := s.message(&request{method: "ACK", seq: q.seq, from: q.from, to: q.to}, &g, letter{})
	if ack.To == "" {
		ack.To = s.tagOn(g.link, m.To)
	}
	s.show(g.link, ack)
	return t + 100*time.Microsecond
}
