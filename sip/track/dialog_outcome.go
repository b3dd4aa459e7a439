package track

import "sipsieve/sip/event"

// end returns the BYE that is the end of d, which answered; the zero ending without one.
func (d *dialog) end() ending {
	if d.ended.at != 0 {
		return d.ended
	}
	return d.unended
}

func (d *dialog) concludeAnswered() {
	e := d.end()
	switch {
	case e.at != 0:
		d.cause, d.known, d.gone, d.inferred = event.EndNormal, event.Observed, e.at, false
		if d.transfer != event.NoTransfer && d.transferred <= e.at {
			d.cause = event.EndTransfer
		}
	case d.lost != 0:
		d.cause, d.known, d.gone, d.inferred = event.EndDialogLost, event.Observed, d.lost, false
	case d.expires != 0:
		d.cause, d.known, d.gone = event.EndSessionTimer, event.SessionTimer, d.refreshed
	default:
		d.cause, d.known, d.gone = event.EndTimeout, event.MaxDuration, 0
	}
}

// disposition says how d came out, by its final response; a CANCEL decides where there is none, and so does a BYE that
// was accepted before any answer.
func (d *dialog) disposition() event.Disposition {
	switch {
	case d.answered():
		return event.Answered
	case d.early.at != 0, d.refusedAt == 0 && d.cancelled != 0:
		return event.Cancelled
	case d.refusedAt == 0:
		return event.NoAnswer
	}
	return outcome(int(d.code), d.ring != 0)
}

func outcome(code int, rang bool) event.Disposition {
	switch code {
	case 487:
		return event.Cancelled
	case 486, 600:
		return event.Busy
	case 408:
		return event.NoAnswer
	case 480:
		if rang {
			return event.NoAnswer
		}
		return event.Unreachable
	case 403, 603, 607, 608:
		return event.Rejected
	case 404, 410, 484, 604:
		return event.Unreachable
	case 401, 407:
		return event.AuthFailed
	}
	if code < 400 {
		return event.Redirected
	}
	return event.Failed
}

// party says who ended d, which came out as outcome.
func (d *dialog) party(outcome event.Disposition) event.Party {
	switch {
	case d.cause == event.EndDialogLost:
		return event.Network
	case d.alone:
		return event.Unknown
	case outcome == event.Answered && d.known != event.Observed:
		return event.Unknown
	case outcome == event.Answered:
		return d.end().side
	case d.cause == event.EndEvicted || d.cause == event.EndCapture:
		return event.Unknown
	case d.early.at != 0:
		return d.early.side
	case d.code == 487 || d.cancelled != 0 && (d.refusedAt == 0 || d.cancelled <= d.refusedAt):
		return event.Caller
	case d.refusedAt == 0:
		return event.Unknown
	case d.code == 408 || d.code/100 == 5 || d.code < 400 || d.code == 401 || d.code == 407:
		return event.Network
	}
	return event.Callee
}

// q850 returns d's Q.850 cause and whether it was derived (RFC 3326, RFC 3398 section 8.2.6.1), 0 without one.
func (d *dialog) q850(outcome event.Disposition) (cause int, derived bool) {
	bye := d.end()
	switch {
	case d.cause == event.EndDialogLost || d.known != event.Observed:
		return 0, false
	case outcome == event.Answered && bye.cause != 0:
		return int(bye.cause), false
	case outcome == event.Answered && !bye.unseen:
		return 16, true
	case outcome == event.Answered:
		return 0, false
	case d.early.at != 0:
		return int(d.early.cause), false
	case outcome == event.Cancelled && d.cancelCause != 0:
		return int(d.cancelCause), false
	case d.finalCause != 0:
		return int(d.finalCause), false
	case d.cancelCause != 0:
		return int(d.cancelCause), false
	}
	cause = causeOf(int(d.code))
	return cause, cause != 0
}

// causeOf is the table of RFC 3398 section 8.2.6.1, without the codes whose cause it leaves open.
func causeOf(code int) int {
	switch code {
	case 404, 485, 604:
		return 1
	case 486, 600:
		return 17
	case 480:
		return 18
	case 402, 403, 603:
		return 21
	case 410:
		return 22
	case 482, 483:
		return 25
	case 484:
		return 28
	case 502:
		return 38
	case 400, 481, 500, 503:
		return 41
	case 405:
		return 63
	case 488:
		return 65
	case 406, 415, 501:
		return 79
	case 408, 504:
		return 102
	case 413, 414, 416, 420, 421, 423, 505, 513:
		return 127
	}
	return 0
}
