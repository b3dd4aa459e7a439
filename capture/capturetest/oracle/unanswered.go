package oracle

import (
	"slices"
	"time"
)

// An unanswered is a call without an answer: its last try gives the record.
type unanswered struct {
	*call
	try    *attempt
	final  *Message // nil without one
	cancel *Message // nil without one
	bye    *ending  // that ended its early dialog; nil without one
}

// unansweredRecord fills in r for a call without an answer.
func unansweredRecord(c *call, r *Record) {
	u := unanswered{call: c, try: c.last()}
	u.final, u.cancel, u.bye = u.try.final(), u.try.cancel(), u.earlyEnd()
	made := c.until // the earliest time at which the record can have been made
	switch {
	case u.bye != nil:
		u.endedEarly(r)
		made = u.bye.at
	case u.final != nil:
		u.refused(r)
		made = u.final.Time
	case u.cancel != nil:
		r.Disposition, r.End, r.EndCause, r.EndSource, r.DisconnectBy = cancelled, u.cancel.Time, "cancel", observed, caller
		r.Cause = u.cancel.Cause
		made = u.cancel.Time
		r.Missing = []string{noFinal}
	default:
		u.unknownEnd(r)
		made = min(made, u.lastRing()+ringWait)
	}
	u.seen(r)
	u.finish(r)
	u.count(r, made, func(*Message) bool { return true })
}

// unknownEnd fills in the end of a call whose final response was not seen.
//
// Not settled: the end of a call of which the ACK proves that it was refused. Its record is that of a call without a
// final response: nothing shows when or how it ended.
func (u *unanswered) unknownEnd(r *Record) {
	r.Disposition, r.EndCause, r.EndSource, r.DisconnectBy = "no_answer", timeout, "ring_timeout", unknown
	if u.until-u.lastRing() < ringWait {
		r.EndCause, r.EndSource = captureEnd, captureEnd
	}
	r.Missing = []string{noFinal}
}

// lastRing is the time of the INVITE or of the last provisional response other than 100, repeats included.
func (u *unanswered) lastRing() time.Duration {
	t := u.try.first
	for _, m := range u.try.ms {
		if m.provisional() {
			t = slices.Max(append(u.repeats[m], m.Time, t))
		}
	}
	return t
}

// earlyEnd returns the accepted BYE in an early dialog after which no fork of the try was alive.
func (u *unanswered) earlyEnd() (last *ending) {
	alive := map[string]bool{}
	for _, m := range u.try.ms {
		if m.hop() == u.try.mine && m.provisional() && m.To != "" {
			alive[m.To] = true
		}
	}
	ended := map[string]bool{}
	for _, e := range byes(u.txns) {
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

// endedEarly fills in the end of a call that a BYE in its early dialog ended.
func (u *unanswered) endedEarly(r *Record) {
	r.Disposition, r.End, r.EndCause, r.EndSource, r.DisconnectBy = cancelled, u.bye.at, "cancel", observed, u.bye.side
	if u.bye.bye.request != nil {
		r.Cause = u.bye.bye.request.Cause
	}
	if u.final == nil {
		r.Missing = []string{noFinal}
		return
	}
	r.Code = u.final.Status
}

// refused fills in the end of a call by its final response.
func (u *unanswered) refused(r *Record) {
	r.End, r.Code, r.EndSource = u.final.Time, u.final.Status, observed
	r.Disposition = disposition(u.final.Status, r.Ring != Never)
	r.EndCause = "failure"
	switch u.final.Status {
	case 487:
		r.EndCause = "cancel"
	case 408:
		r.EndCause = timeout
	}
	switch code := u.final.Status; {
	case code == 487 || u.cancel != nil && u.cancel.Time < u.final.Time:
		r.DisconnectBy = caller
	case code == 408 || code == 401 || code == 407 || code/100 == 3 || code/100 == 5:
		r.DisconnectBy = byNetwork
	default:
		r.DisconnectBy = callee
	}
	given := u.final.Cause
	if given == 0 && u.cancel != nil {
		given = u.cancel.Cause
	}
	r.setCause(given, derived[u.final.Status])
}

// seen sets completeness and what is missing.
func (u *unanswered) seen(r *Record) {
	seen, of := 1, 3
	if u.bye != nil || r.Disposition == cancelled {
		of = 4
		if u.bye != nil || u.cancel != nil {
			seen++
		} else {
			r.Missing = append(r.Missing, noCancel)
		}
	}
	if u.final != nil {
		seen++
	}
	if u.try.refusalAck() != nil {
		seen++
	} else if u.final != nil || of == 4 {
		r.Missing = append(r.Missing, noAck)
	}
	r.Completeness = 100 * seen / of
	if u.final != nil && u.until-u.final.Time < ringWait && u.final.retried() {
		r.Status = "partial" // a retry could have followed, also after a BYE in the early dialog
	}
}

// disposition is that of a final response; rang is whether the callee rang before.
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
