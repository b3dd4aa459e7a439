package randomcall

import "time"

// A conversation is the part of a script from the answer to the end.
type conversation struct{ *script }

// play plays an answered call from its ACK to its end.
func (s *conversation) play() {
	s.t += s.between(200*time.Millisecond, 20*time.Second)
	if s.kinds.Has(SecondFork) {
		s.endSecond()
	}
	for range s.r.IntN(3) {
		s.pause()
		s.noise()
	}
	for _, e := range []struct {
		kind Kind
		play func()
	}{{Reinvite, s.reinvite}, {Hold, s.hold}, {RefusedReinvite, s.refusedReinvite}, {Timer, s.refreshes},
		{Foreign, s.foreign}, {RefusedBye, s.refusedBye}, {Refer, s.refer}} {
		if s.kinds.Has(e.kind) {
			s.pause()
			e.play()
		}
	}
	s.pause()
	if s.kinds.Has(Timer) && s.kinds.Has(RefusedBye, Foreign, Refer) {
		s.agree("UPDATE", "")
		s.pause()
	}
	s.end()
	s.t += time.Second
}

// pause moves the time on by 100 ms to 10 min, or to an eighth of the session interval.
func (s *conversation) pause() {
	longest := 600 * time.Second
	if s.expires > 0 {
		longest = time.Duration(s.expires) * time.Second / 8
	}
	s.t += s.between(100*time.Millisecond, longest)
}

// endSecond has the caller end the second fork, or leaves it to talk on.
func (s *conversation) endSecond() {
	if s.chance(4) {
		return
	}
	q := s.fromCaller("BYE", 1, letter{})
	s.t = s.respond(q, reply{200, s.tags[1], letter{}}, q.at) + time.Second
}

// noise is a request that changes nothing.
func (s *conversation) noise() {
	method := []string{"INFO", "OPTIONS", "NOTIFY"}[s.r.IntN(3)]
	q := s.either(method, letter{})
	s.t = s.respond(q, reply{200, s.tags[0], letter{}}, q.at)
}

// agree sends a re-INVITE or UPDATE that is accepted.
func (s *conversation) agree(method, sdp string) {
	s.accept(s.either(method, letter{sdp: sdp, expires: s.expires}), sdp)
}

// accept sends the 200 to a re-INVITE or UPDATE, and the ACK.
func (s *conversation) accept(q *request, sdp string) {
	agreed := map[string]string{"sendonly": "recvonly", "inactive": "inactive"}[sdp]
	if agreed == "" {
		agreed = sdp
	}
	s.t = s.respond(q, reply{200, s.tags[0], letter{sdp: agreed,
		expires: s.expires}}, q.at+s.between(time.Millisecond, 100*time.Millisecond))
	if q.method == "INVITE" {
		ack := *q
		ack.method = "ACK"
		s.t = s.send(ack, 0, s.t+time.Millisecond, letter{}).at
	}
}

func (s *conversation) reinvite() {
	for range 1 + s.r.IntN(3) {
		if s.chance(4) {
			s.challenged()
		}
		s.agree([]string{"INVITE", "UPDATE"}[s.r.IntN(2)], []string{"sendrecv", ""}[s.r.IntN(2)])
		s.pause()
	}
}

// challenged is a re-INVITE that gets 407.
func (s *conversation) challenged() {
	q := s.either("INVITE", letter{sdp: "sendrecv", expires: s.expires})
	s.t = s.refuse(q, reply{407, s.tags[0], letter{}}, q.at) + time.Millisecond
}

// hold is one side holding the other, again and again, and sometimes until the end.
func (s *conversation) hold() {
	side := s.fromCaller
	if s.chance(2) {
		side = s.fromCallee
	}
	for i := range 1 + s.r.IntN(4) {
		sdp := "sendonly"
		if !s.kinds.Has(Loss, OneWay) && s.chance(2) {
			sdp = "inactive" // its 2xx has the same direction, which would show the hold without the request
		}
		if i%2 == 1 {
			sdp = "sendrecv"
		}
		s.accept(side([]string{"INVITE", "UPDATE"}[s.r.IntN(2)], 0, letter{sdp: sdp, expires: s.expires}), sdp)
		s.pause()
	}
}

// refusedReinvite is a re-INVITE that is refused, or cancelled.
func (s *conversation) refusedReinvite() {
	q := s.either("INVITE", letter{sdp: "sendonly", expires: s.expires})
	status := []int{488, 491, 500, 487}[s.r.IntN(4)]
	if status == 487 {
		for i := range q.legs {
			g := q.legs[i]
			g.vias, g.at = g.vias[:1], q.at+time.Duration(i+1)*time.Millisecond
			one := request{method: "CANCEL", seq: q.seq, from: q.from, to: q.to, legs: []leg{g}}
			s.show(g.link, s.message(&one, &g, letter{}))
			s.respond(&one, reply{200, s.tags[0], letter{}}, g.at+s.latency())
		}
	}
	s.t = s.refuse(q, reply{status, s.tags[0], letter{}}, q.at+10*time.Millisecond)
}

// refreshes keep the session alive.
func (s *conversation) refreshes() {
	for range s.r.IntN(4) {
		s.t += time.Duration(s.expires) * time.Second / 4
		s.agree([]string{"INVITE", "UPDATE"}[s.r.IntN(2)], "")
	}
}

func (s *conversation) refer() {
	q := s.either("REFER", letter{})
	s.t = s.respond(q, reply{[]int{202, 202, 603}[s.r.IntN(3)], s.tags[0], letter{}}, q.at)
}

// foreign sends a request that is in none of the call's dialogs: an unknown To tag, none at all, or an
// address that has nothing to do with the call.
func (s *conversation) foreign() {
	for range 1 + s.r.IntN(2) {
		method := []string{"BYE", "BYE", "UPDATE", "INVITE", "REFER"}[s.r.IntN(5)]
		q := request{method: method, seq: 500 + s.r.IntN(1000), to: "!nobody"}
		sort := s.r.IntN(3)
		switch {
		case sort == 0 && method == "BYE":
			q.to = "-"
		case sort == 1:
			q.to = s.toTag(0)
			s.fromOutside(&q)
			continue
		}
		sent := s.send(q, 0, s.t, letter{sdp: map[string]string{"INVITE": "sendonly"}[method]})
		s.replyForeign(sent)
	}
}

// fromOutside sends q to the callee from an address that is not part of the call.
func (s *conversation) fromOutside(q *request) {
	q.legs = []leg{{link: -1, src: foreigner, dst: calleeHost}}
	s.travel(q, 0, s.t, letter{})
	s.replyForeign(q)
}

// replyForeign refuses q mostly; that it is accepted makes no difference.
func (s *conversation) replyForeign(q *request) {
	t := q.at + time.Millisecond
	switch {
	case q.method == "INVITE":
		s.t = s.refuse(q, reply{481, "tx", letter{}}, t)
	case s.chance(4) && !s.kinds.Has(Direct):
		s.t = s.respond(q, reply{200, "tx", letter{}}, t)
	default:
		s.t = s.respond(q, reply{481, "tx", letter{}}, t)
	}
	s.t += 100 * time.Millisecond
}

// refusedBye is a BYE that is not accepted, after which the call goes on: shown by an accepted re-INVITE, or by
// the BYE that ends it.
func (s *conversation) refusedBye() {
	q := s.either("BYE", letter{})
	if status := []int{481, 500, 403, 408, 0}[s.r.IntN(5)]; status != 0 {
		s.respond(q, reply{status, s.tags[0], letter{}}, q.at)
	}
	s.t = q.at + time.Second
	if s.chance(2) {
		s.pause()
		s.agree([]string{"INVITE", "UPDATE"}[s.r.IntN(2)], "") // without a direction, so no hold
	}
}

// end ends the talk.
func (s *conversation) end() {
	l := letter{}
	if s.chance(4) {
		l.cause = []int{16, 31, 41}[s.r.IntN(3)]
	}
	switch {
	case s.kinds.Has(NoBye):
	case s.kinds.Has(LostDialog):
		s.lost()
		s.t += s.between(0, time.Second)
	case s.kinds.Has(LostThenBye):
		s.lostAndBye(l)
	case s.kinds.Has(LastBye):
		q := s.either("BYE", l)
		if status := []int{481, 408, 401, 500, 0, 0}[s.r.IntN(6)]; status != 0 {
			s.respond(q, reply{status, s.tags[0], letter{}}, q.at)
		}
		s.t = q.at
	case s.kinds.Has(ByeChallenge):
		send := s.fromCaller
		if s.chance(2) {
			send = s.fromCallee
		}
		q := send("BYE", 0, l)
		s.t = s.respond(q, reply{[]int{401, 407}[s.r.IntN(2)], s.tags[0], letter{}}, q.at)
		s.t += s.between(time.Millisecond, 3*time.Second)
		q = send("BYE", 0, l)
		s.t = s.respond(q, reply{200, s.tags[0], letter{}}, q.at)
	case s.kinds.Has(ByeInReinvite):
		s.byeInReinvite(l)
	case s.kinds.Has(ByeGlare):
		s.glare(l)
	default:
		q := s.either("BYE", l)
		s.t = s.respond(q, reply{200, s.tags[0], letter{}}, q.at+s.between(0, 100*time.Millisecond))
	}
}

// lost is a re-INVITE or UPDATE to a side that has lost the dialog.
func (s *conversation) lost() *request {
	q := s.either([]string{"INVITE", "UPDATE"}[s.r.IntN(2)], letter{expires: s.expires})
	status := []int{481, 408}[s.r.IntN(2)]
	if q.method == "INVITE" {
		s.t = s.refuse(q, reply{status, s.tags[0], letter{}}, q.at)
	} else {
		s.t = s.respond(q, reply{status, s.tags[0], letter{}}, q.at)
	}
	return q
}

// lostAndBye is a 481 or 408 to a re-INVITE with the BYE beside it: just after, crossing it, or much later.
func (s *conversation) lostAndBye(l letter) {
	status := []int{200, 200, 200, 481, 0}[s.r.IntN(5)]
	wait := s.between(time.Millisecond, 20*time.Second)
	if status == 200 && s.chance(3) {
		wait = s.between(60*time.Second, 600*time.Second)
	}
	start := s.t
	if s.chance(3) { // the BYE comes first
		q := s.either("BYE", l)
		if status != 0 {
			s.respond(q, reply{status, s.tags[0], letter{}}, q.at+30*time.Millisecond)
		}
		s.t = start + s.between(-5*time.Millisecond, 10*time.Millisecond)
		s.lost()
		return
	}
	s.lost()
	s.t += wait
	q := s.either("BYE", l)
	if status != 0 {
		s.respond(q, reply{status, s.tags[0], letter{}}, q.at)
	}
	s.t = q.at
}

// byeInReinvite is one side hanging up before its own re-INVITE is answered; both are accepted.
func (s *conversation) byeInReinvite(l letter) {
	send := s.fromCaller
	if s.chance(2) {
		send = s.fromCallee
	}
	q := send("INVITE", 0, letter{sdp: "sendrecv", expires: s.expires})
	s.t += s.between(time.Millisecond, 30*time.Millisecond)
	bye := send("BYE", 0, l)
	t := max(q.at, s.t-20*time.Millisecond) + s.between(0, 40*time.Millisecond)
	s.respond(q, reply{200, s.tags[0], letter{sdp: "sendrecv", expires: s.expires}}, t)
	s.t = s.respond(bye, reply{200, s.tags[0], letter{}}, bye.at+50*time.Millisecond)
}

// glare is a BYE of both sides.
func (s *conversation) glare(l letter) {
	first, second := s.fromCaller, s.fromCallee
	if s.chance(2) {
		first, second = second, first
	}
	p := first("BYE", 0, l)
	s.t += s.between(0, 3*time.Millisecond)
	q := second("BYE", 0, letter{})
	s.respond(p, reply{[]int{200, 200, 481}[s.r.IntN(3)], s.tags[0], letter{}}, max(p.at, s.t)+17*time.Microsecond)
	s.t = s.respond(q, reply{200, s.tags[0], letter{}}, q.at)
}
