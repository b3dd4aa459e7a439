package oracle

import (
	"slices"
	"time"
)

// records returns what must be told of c: of each answered fork, or of the attempt that was not answered.
func (c *call) records() (rs []Record) {
	r := c.begin()
	if len(c.answers) == 0 {
		c.unanswered(&r)
		return append(rs, r)
	}
	for i := range c.answers {
		r := c.begin()
		r.Disposition = answered
		if i > 0 {
			c.secondFork(&r, &c.answers[i])
		}
		t := talk{call: c, answer: &c.answers[i], second: i > 0}
		t.tell(&r)
		rs = append(rs, r)
	}
	return rs
}

// begin returns what all records of c have alike.
func (c *call) begin() Record {
	r := unseen()
	r.Setup, r.Forks, r.Challenges, r.Redirects = c.start, c.forks(), c.challenges(), c.redirects()
	until := time.Duration(1 << 62)
	if len(c.answers) > 0 {
		until = c.answers[0].at // a provisional response after the answer says nothing
		if c.answers[0].unseen {
			until = 1 << 62
		}
	}
	c.provisionals(&r, func(m *Message) bool { return m.Time <= until })
	return r
}

// secondFork sets what a second answered fork has of its own: the provisional responses.
func (c *call) secondFork(r *Record, a *answer) {
	early := r.Early // not its own: the rules name the times only
	r.Progress, r.Ring = Never, Never
	c.provisionals(r, func(m *Message) bool { return m.To == a.tag && m.Time <= a.at })
	r.Early = early
	r.Flags = append(r.Flags, "second_fork")
}

// provisionals sets the first provisional responses, whichever hop shows them first.
func (c *call) provisionals(r *Record, of func(*Message) bool) {
	for _, a := range c.attempts {
		for _, m := range a.ms {
			if !m.provisional() || !of(m) {
				continue
			}
			if r.Progress == Never || m.Time < r.Progress {
				r.Progress = m.Time
			}
			if (m.Status == 180 || m.Status == 183) && (r.Ring == Never || m.Time < r.Ring) {
				r.Ring = m.Time
			}
			r.Early = r.Early || m.SDP != ""
		}
	}
}

// forks counts the To tags of 101-199 and 2xx on the caller's hop.
func (c *call) forks() int {
	tags := map[string]bool{}
	for _, a := range c.attempts {
		for _, m := range a.ms {
			if m.hop() == a.mine && m.To != "" && (m.provisional() || m.Method == "INVITE" && m.accepts()) {
				tags[m.To] = true
			}
		}
	}
	return len(tags)
}

func (c *call) challenges() (n int) {
	for _, a := range c.attempts {
		if f := a.final(); f != nil && !a.answered() && (f.Status == 401 || f.Status == 407) {
			n++
		}
	}
	return n
}

// redirects counts the 3xx that a new INVITE of the same call followed.
func (c *call) redirects() (n int) {
	for _, a := range c.attempts[:len(c.attempts)-1] {
		if f := a.final(); f != nil && f.Status/100 == 3 {
			n++
		}
	}
	return n
}

// unanswered tells a call without an answer.
func (c *call) unanswered(r *Record) {
	a := c.attempts[len(c.attempts)-1]
	final, cancel := a.final(), a.cancel()
	told := c.until
	if bye := c.earlyEnd(a); bye != nil {
		c.endedEarly(r, bye, final)
		told = bye.at
	} else if final != nil {
		c.refused(r, a)
		told = final.Time
	} else if cancel != nil {
		r.Disposition, r.End, r.EndCause, r.EndSource, r.DisconnectBy = cancelled, cancel.Time, "cancel", observed, caller
		r.Cause = cancel.Cause
		told = cancel.Time
		r.Missing = []string{noFinal}
	} else {
		c.unknownEnd(r, a)
		told = min(told, a.lastRing(c.trace)+ringWait)
	}
	c.unansweredSeen(r, a)
	c.finish(r)
	c.count(r, told, func(*Message) bool { return true })
}

// unknownEnd tells a call whose final response was not seen.
//
// Not settled: the end of a call of which the ACK proves that it was refused. It is told as one without a final
// response is: nothing says when or how it ended.
func (c *call) unknownEnd(r *Record, a *attempt) {
	r.Disposition, r.EndCause, r.EndSource, r.DisconnectBy = "no_answer", timeout, "ring_timeout", unknown
	if c.until-a.lastRing(c.trace) < ringWait {
		r.EndCause, r.EndSource = captureEnd, captureEnd
	}
	r.Missing = []string{noFinal}
}

// lastRing is the INVITE or the last provisional response other than 100, repeats included.
func (a *attempt) lastRing(c *trace) time.Duration {
	t := a.first
	for _, m := range a.ms {
		if m.provisional() {
			t = max(t, m.Time)
			for _, repeat := range c.repeats[m] {
				t = max(t, repeat)
			}
		}
	}
	return t
}

// earlyEnd returns the accepted BYE in an early dialog after which no fork of a was alive.
func (c *call) earlyEnd(a *attempt) (last *ending) {
	alive := map[string]bool{}
	for _, m := range a.ms {
		if m.hop() == a.mine && m.provisional() && m.To != "" {
			alive[m.To] = true
		}
	}
	ended := map[string]bool{}
	for _, e := range byes(c.txns) {
		fork := e.bye.fork
		if e.bye.accepted == Never || fork == other || ended[fork] {
			continue
		}
		ended[fork], last = true, &e
		delete(alive, fork)
	}
	if len(alive) > 0 {
		return nil
	}
	return last
}

// endedEarly tells a call that a BYE in its early dialog ended.
func (c *call) endedEarly(r *Record, e *ending, final *Message) {
	r.Disposition, r.End, r.EndCause, r.EndSource, r.DisconnectBy = cancelled, e.at, "cancel", observed, e.side
	if e.bye.request != nil {
		r.Cause = e.bye.request.Cause
	}
	if final == nil {
		r.Missing = []string{noFinal}
		return
	}
	r.Code = final.Status
}

// refused tells a call by its final response.
func (c *call) refused(r *Record, a *attempt) {
	final, cancel := a.final(), a.cancel()
	r.End, r.Code, r.EndSource = final.Time, final.Status, observed
	r.Disposition = disposition(final.Status, r.Ring != Never)
	r.EndCause = "failure"
	switch final.Status {
	case 487:
		r.EndCause = "cancel"
	case 408:
		r.EndCause = timeout
	}
	switch code := final.Status; {
	case code == 487 || cancel != nil && cancel.Time < final.Time:
		r.DisconnectBy = caller
	case code == 408 || code == 401 || code == 407 || code/100 == 3 || code/100 == 5:
		r.DisconnectBy = byNetwork
	default:
		r.DisconnectBy = callee
	}
	given := final.Cause
	if given == 0 && cancel != nil {
		given = cancel.Cause
	}
	c.cause(r, given, derived[final.Status])
}

// cause sets the Q.850 cause that was given, else the one that follows.
func (c *call) cause(r *Record, given, follows int) {
	r.Cause = given
	if given == 0 && follows != 0 {
		r.Cause = follows
		r.Flags = append(r.Flags, "cause_derived")
	}
}

func disposition(code int, rang bool) string {
	switch {
	case code == 486 || code == 600:
		return "busy"
	case code == 408 || code == 480 && rang:
		return "no_answer"
	case code == 480 || code == 404 || code == 410 || code == 484 || code == 604:
		return "unreachable"
	case code == 403 || code == 603 || code == 607 || code == 608:
		return "rejected"
	case code == 401 || code == 407:
		return "auth_failed"
	case code == 487:
		return cancelled
	case code/100 == 3:
		return "redirected"
	}
	return "failed"
}

// derived is the table of RFC 3398 section 8.2.6.1, with the choices of the rules for 480, 488, 606 and 699; 401, 407
// and 487 have none.
var derived = map[int]int{400: 41, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 408: 102, 410: 22, 413: 127, 414: 127,
	415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 488: 65,
	500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1}

// unansweredSeen sets what was seen and what is missing of a call that was not answered.
func (c *call) unansweredSeen(r *Record, a *attempt) {
	final := a.final()
	ack := a.refusalAck() != nil
	early := c.earlyEnd(a) != nil
	cancel := a.cancel() != nil
	seen, of := 1, 3
	if early || r.Disposition == cancelled {
		of = 4
		switch {
		case early || cancel:
			seen++
		default:
			r.Missing = append(r.Missing, noCancel)
		}
	}
	if final != nil {
		seen++
	}
	if ack {
		seen++
	} else if final != nil || of == 4 {
		r.Missing = append(r.Missing, noAck)
	}
	r.Completeness = 100 * seen / of
	retried := r.Disposition == "auth_failed" || r.Disposition == "redirected"
	if final != nil && c.until-final.Time < ringWait && retried {
		r.Status = "partial" // a retry could have followed
	}
}

// finish sets what follows from the rest.
func (c *call) finish(r *Record) {
	if c.oneWay() {
		r.Missing = append(r.Missing, "one_direction")
	}
	sortWords(r.Missing, []string{noInvite, noFinal, noAck, noCancel, noBye, noByeAnswer, "one_direction"})
	sortWords(r.Flags, []string{"no_ack", "cancel_race", "spiral", "second_fork", "cause_derived", "answer_by_ack"})
	if r.Status == "" {
		r.Status = "complete"
	}
	if len(r.Missing) > 0 || r.EndSource != observed {
		r.Status = "partial"
	}
	r.Billable = r.Disposition == answered && r.EndSource == observed && r.Answer != Never && r.End != Never &&
		!has(r.Missing, noInvite) && !has(r.Missing, noFinal) && !has(r.Missing, noBye)
}

func sortWords(words, order []string) {
	slices.SortFunc(words, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
}

// oneWay reports whether no response, or no request, of c was seen at all.
//
// An orphan is not of the call, whatever it shows of the capture.
func (c *call) oneWay() bool {
	requests, responses := false, false
	see := func(m *Message) {
		requests = requests || m.request()
		responses = responses || !m.request()
	}
	for _, a := range c.attempts {
		for _, m := range a.ms {
			see(m)
		}
	}
	for _, m := range c.mineToo {
		see(m)
	}
	return !requests || !responses
}

// count counts the repeats of c's messages: those until the call was told at the earliest, and all.
func (c *call) count(r *Record, told time.Duration, of func(*Message) bool) {
	add := func(m *Message) {
		for _, t := range c.repeats[m] {
			r.MostRepeats++
			if t < told && of(m) {
				r.Repeats++
			}
		}
	}
	for _, a := range c.attempts {
		for _, m := range a.ms {
			add(m)
		}
	}
	for _, m := range c.mineToo {
		add(m)
	}
	for _, m := range c.orphans { // they are not of the call, but it is only a counter
		r.MostRepeats += len(c.repeats[m])
	}
}
