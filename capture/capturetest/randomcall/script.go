package randomcall

import (
	"slices"
	"strings"
	"time"

	"sipsieve/capture/capturetest/oracle"
)

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
	begin := setup{s}
	begin.tries()
	if begin.outcome() {
		talk := conversation{s}
		talk.play()
	}
}

// newTag returns a To tag that no fork has.
func (s *script) newTag() string {
	s.count++
	return "t" + string(rune('a'+s.count%26)) + string(rune('a'+s.count/26%26))
}

// toTag returns the tag of a fork, a new one if it has none.
func (s *script) toTag(fork int) string {
	for len(s.tags) <= fork {
		s.tags = append(s.tags, s.newTag())
	}
	return s.tags[fork]
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
			fork.legs[last].dst = calleeHost + oracle.Host(i)
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
	s.t = s.refuseHop(&first, len(first.legs)-1, oracle.Message{Time: s.t, Status: status, To: tag})
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
			past = past || m.Seq == q.seq && m.From == s.tag && m.Method == "INVITE" && m.Vias[0].Branch == g.vias[0].Branch
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

// rung reports whether a provisional response with that tag was sent.
func (s *script) rung(tag string) bool {
	return slices.ContainsFunc(s.sent, func(m oracle.Message) bool {
		return m.Method == "INVITE" && m.Status > 100 && m.Status < 200 && strings.HasPrefix(m.To, tag)
	})
}

// refuse sends a refusal back over the hops of q, each acknowledged, and returns when the caller has acknowledged it.
func (s *script) refuse(q *request, r reply, t time.Duration) time.Duration {
	for i := len(q.legs) - 1; i >= 0; i-- {
		t = s.refuseHop(q, i, oracle.Message{Time: t, Status: r.status, To: r.tag, Cause: r.cause})
	}
	return t
}

// refuseHop sends a refusal over the i-th hop of q, and its ACK; it returns when the refusal has arrived.
func (s *script) refuseHop(q *request, i int, m oracle.Message) time.Duration {
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

// fromCaller sends a request of the caller inside the dialog of a fork at s.t.
func (s *script) fromCaller(method string, fork int, l letter) *request {
	s.seq++
	return s.send(request{method: method, seq: s.seq, to: s.tags[fork]}, fork, s.t, l)
}

// fromCallee sends a request of the callee of a fork at s.t.
func (s *script) fromCallee(method string, fork int, l letter) *request {
	s.calleeSeq++
	return s.send(request{method: method, seq: s.calleeSeq, from: s.tags[fork]}, fork, s.t, l)
}

// either sends a request of one side or the other.
func (s *script) either(method string, l letter) *request {
	if s.chance(2) {
		return s.fromCaller(method, 0, l)
	}
	return s.fromCallee(method, 0, l)
}
