package randomcall

import "sipsieve/capture/capturetest/oracle"

import "time"

// A setup is the part of a script before an answer: tries, ringing, and what becomes of the last try.
type setup struct{ *script }

// tries are the INVITEs that are refused and followed by another.
func (s *setup) tries() {
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
func (s *setup) refusedTry(status int, gap time.Duration) {
	s.invite(1)
	if len(s.links) > 1 && !s.kinds.Has(NextCarrier) && s.chance(2) {
		s.forget(1)
	} else if s.chance(3) && status >= 400 {
		s.provisional(0, 180+3*s.r.IntN(2), s.t)
	}
	s.t += s.between(time.Millisecond, time.Second)
	s.t = s.refuse(s.invites[0], reply{status, s.newTag(), letter{}}, s.t) + gap
}

// outcome plays the last attempt until it is answered or over, and reports whether it was answered.
func (s *setup) outcome() bool {
	forks := 1
	if s.kinds.Has(Forks) {
		forks = 2 + s.r.IntN(3)
	}
	s.tags = nil
	s.invite(forks)
	silent := s.kinds.Has(NoFinal) && s.chance(3)
	if !silent {
		s.ringing(forks)
	}
	if s.kinds.Has(LongRing) {
		s.t += s.between(250*time.Second, 900*time.Second)
	}
	switch {
	case s.kinds.Has(NoFinal):
		s.t += time.Second
		return false
	case s.kinds.Has(Refusal):
		s.refused()
		return false
	case s.kinds.Has(Cancel, CancelRace, CancelCross):
		return s.cancelled()
	case s.kinds.Has(EarlyBye):
		s.endEarly()
		return false
	}
	s.answer()
	return true
}

// ringing sends the provisional responses of every fork, and what happens in the early dialogs.
func (s *setup) ringing(forks int) {
	rang := false
	for i := range forks {
		if s.needsTag(i) || !s.chance(6) {
			rang = true
			s.provisional(i, []int{180, 183, 181, 182, 180, 183}[s.r.IntN(6)], s.t)
		}
		for len(s.tags) <= i {
			s.tags = append(s.tags, s.newTag())
		}
		s.t += s.between(0, 2*time.Second)
		if s.chance(3) {
			s.provisional(i, 180+3*s.r.IntN(2), s.t)
			s.t += s.between(0, 2*time.Second)
		}
	}
	if s.kinds.Has(Queue) {
		for range 1 + s.r.IntN(10) {
			s.t += s.between(50*time.Second, 70*time.Second)
			s.provisional(0, 183, s.t)
		}
	}
	if s.kinds.Has(Foreign) && rang && s.chance(3) {
		talk := conversation{s.script}
		talk.foreign()
	}
	if s.kinds.Has(EarlyUpdate) && rang {
		s.earlyUpdate()
	}
	switch {
	case s.kinds.Has(EarlyByeRefused):
		s.t += time.Second
		q := s.fromCaller("BYE", 0, letter{})
		s.respond(q, reply{[]int{481, 500, 403}[s.r.IntN(3)], s.tags[0], letter{}}, q.at)
		s.t = q.at
	case s.kinds.Has(EarlyByeFork):
		s.t += time.Second
		q := s.fromCaller("BYE", 1, letter{})
		s.respond(q, reply{200, s.tags[1], letter{}}, q.at)
		s.t = q.at
	}
	s.t += s.between(50*time.Millisecond, 20*time.Second)
}

// earlyUpdate sends PRACK and UPDATE in the early dialog of the first fork.
func (s *setup) earlyUpdate() {
	if !s.rung(s.tags[0]) {
		return
	}
	q := s.fromCaller("PRACK", 0, letter{})
	s.t = s.respond(q, reply{200, s.tags[0], letter{}}, q.at) + time.Millisecond
	q = s.either("UPDATE", letter{sdp: "sendrecv"})
	s.t = s.respond(q, reply{200, s.tags[0], letter{sdp: "sendrecv"}}, q.at)
}

// needsTag reports whether what follows happens in the early dialog of fork i.
func (s *setup) needsTag(i int) bool {
	forks := s.kinds.Has(Forks) && len(s.links) > 1
	again := s.kinds.Has(NoAnswer) && s.kinds.Has(Challenge, Redirect, Retry)
	return forks || again || s.kinds.Has(EarlyBye, EarlyByeRefused, EarlyByeFork)
}

// refusals are the codes that end a call, some more often than others.
var refusals = []int{486, 486, 404, 408, 480, 480, 487, 403, 603, 600, 503, 500, 488, 484, 410, 401, 407, 302, 604, 607,
	608, 606, 699, 415, 502, 504, 420, 433}

// refused has every callee refuse, and one refusal sent to the caller.
func (s *setup) refused() {
	status := refusals[s.r.IntN(len(refusals))]
	l := letter{}
	if s.chance(4) {
		l.cause = []int{16, 17, 21, 31, 34}[s.r.IntN(5)]
	}
	s.refuseAll(status, l)
	s.t += time.Second
}

// refuseAll refuses every fork's INVITE on its own last hop, and the caller's once.
func (s *setup) refuseAll(status int, l letter) {
	last := len(s.links) - 1
	if last == 0 {
		s.t = s.refuse(s.invites[0], reply{status, s.toTag(0), l}, s.t)
		return
	}
	for i, q := range s.invites {
		s.t = s.refuseHop(q, last, oracle.Message{Time: s.t, Status: status, To: s.toTag(i), Cause: l.cause}) + time.Millisecond
	}
	front := *s.invites[len(s.invites)-1]
	front.legs = front.legs[:last]
	s.t = s.refuse(&front, reply{status, s.toTag(len(s.invites) - 1), l}, s.t)
}

// cancelled has the caller give up, and reports whether an answer was faster.
func (s *setup) cancelled() bool {
	l := letter{}
	if s.chance(4) {
		l.cause = 26
	}
	if s.kinds.Has(CancelRace) && s.chance(2) {
		s.answerFork(0)
		s.cancel(l, s.t-s.between(0, 2*time.Millisecond))
		s.acknowledge(0)
		return true
	}
	s.cancel(l, s.t)
	s.t += s.between(3*time.Millisecond, 40*time.Millisecond)
	switch {
	case s.kinds.Has(CancelRace):
		s.answerFork(0)
		s.acknowledge(0)
		return true
	case s.kinds.Has(CancelCross):
		s.refuseAll([]int{486, 480, 408, 603, 503}[s.r.IntN(5)], letter{})
	case s.chance(8): // the 487 is never sent
	default:
		s.refuseAll(487, letter{})
	}
	s.t += time.Second
	return false
}

// cancel sends a CANCEL over every hop at t, each with its 200.
func (s *setup) cancel(l letter, t time.Duration) {
	for n, q := range s.invites {
		for i := range q.legs {
			if n > 0 && (i < len(q.legs)-1 || len(q.legs) == 1) {
				continue // shared with the first
			}
			g := q.legs[i]
			g.vias, g.at = g.vias[:1], t
			one := request{method: "CANCEL", seq: q.seq, to: "-", legs: []leg{g}}
			s.show(g.link, s.message(&one, &g, l))
			s.respond(&one, reply{200, s.toTag(n), letter{}}, t+s.latency())
			t += s.latency()
		}
	}
}

// endEarly has one side end the early dialog by BYE; the 487 and its ACK may not follow.
func (s *setup) endEarly() {
	s.t += time.Second
	l := letter{}
	if s.chance(4) {
		l.cause = 31
	}
	send := s.fromCaller
	if s.chance(4) {
		send = s.fromCallee
	}
	q := send("BYE", 0, l)
	s.t = s.respond(q, reply{200, s.tags[0], letter{}}, q.at)
	if s.chance(2) {
		s.t += s.between(time.Millisecond, 50*time.Millisecond)
		s.refuseAll([]int{487, 487, 480, 486}[s.r.IntN(4)], letter{})
	}
	s.t += time.Second
}

// answer has the first fork answer, or the first two, and the others cancelled by the last proxy.
func (s *setup) answer() {
	s.answerFork(0)
	s.acknowledge(0)
	if s.kinds.Has(KilledFork) {
		s.killFork()
	}
	if s.kinds.Has(SecondFork) {
		s.t += s.between(time.Millisecond, time.Second)
		s.answerFork(1)
		s.acknowledge(1)
	}
	if last := len(s.links) - 1; last > 0 {
		for i := len(s.invites) - 1; i > 0; i-- {
			if i == 1 && s.kinds.Has(SecondFork) {
				continue
			}
			s.cancelFork(i, last)
		}
	}
}

// killFork has a second callee answer what stands between, which acknowledges and ends it by itself: on a hop of its
// own or on that of the first.
func (s *setup) killFork() {
	q := *s.invites[0]
	last := len(q.legs) - 1
	q.legs = append([]leg(nil), q.legs[last:]...)
	if s.chance(2) {
		q.legs[0].dst += 7
		s.travel(&q, 0, s.invites[0].legs[last].at+50*time.Microsecond, letter{sdp: "sendrecv"})
	}
	tag, end := s.newTag(), q.legs[0]
	t := s.respond(&q, reply{200, tag, letter{sdp: "sendrecv"}}, s.t+s.between(0, 300*time.Millisecond))
	for i, method := range []string{"ACK", "BYE"} {
		r := request{method: method, seq: q.seq + 300*i, to: "!" + tag, legs: []leg{{link: last, src: end.src, dst: end.dst}}}
		s.travel(&r, 0, t+time.Millisecond, letter{})
		if t = r.at; method == "BYE" {
			s.respond(&r, reply{200, tag, letter{}}, t)
		}
	}
}

// answerFork sends the 200 of a fork.
func (s *setup) answerFork(fork int) {
	s.answered = s.seq
	s.t = s.respond(s.invites[fork], reply{200, s.toTag(fork), letter{sdp: "sendrecv", expires: s.expires}}, s.t)
}

func (s *setup) acknowledge(fork int) {
	s.t += s.between(100*time.Microsecond, 50*time.Millisecond)
	q := s.send(request{method: "ACK", seq: s.invites[fork].seq, to: s.tags[fork]}, fork, s.t, letter{})
	s.t = q.at
}

// cancelFork has the last proxy end a fork that did not answer.
func (s *setup) cancelFork(fork, last int) {
	q := s.invites[fork]
	g := q.legs[last]
	g.vias, g.at = g.vias[:1], s.t
	one := request{method: "CANCEL", seq: q.seq, to: "-", legs: []leg{g}}
	s.show(last, s.message(&one, &g, letter{}))
	s.respond(&one, reply{200, s.toTag(fork), letter{}}, s.t+s.latency())
	s.refuseHop(q, last, oracle.Message{Time: s.t + 5*time.Millisecond, Status: 487, To: s.toTag(fork)})
	s.t += 10 * time.Millisecond
}
