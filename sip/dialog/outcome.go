// This file has methods of Dialog because a file is one question about a dialog with its answer.

package dialog

import (
	"sipsieve/sip/event"
	"sipsieve/sip/hops"
)

// EndingBye returns the BYE that is the end of d, which answered; the zero ending without one.
func (d *Dialog) EndingBye() hops.Ending {
	if d.AcceptedBye.Time != 0 {
		return d.AcceptedBye
	}
	return d.OtherBye
}

// ConcludeAnswered sets the end of d, which answered.
func (d *Dialog) ConcludeAnswered() {
	e := d.EndingBye()
	switch {
	case e.Time != 0:
		d.EndCause, d.EndSource, d.EndTime, d.Inferred = event.EndNormal, event.Observed, e.Time, false
		if d.Transfer != event.NoTransfer && d.Transferred <= e.Time {
			d.EndCause = event.EndTransfer
		}
	case d.Lost != 0:
		d.EndCause, d.EndSource, d.EndTime, d.Inferred = event.EndDialogLost, event.Observed, d.Lost, false
	case d.Expires != 0:
		d.EndCause, d.EndSource, d.EndTime = event.EndSessionTimer, event.SessionTimer, d.Refreshed
	default:
		d.EndCause, d.EndSource, d.EndTime = event.EndTimeout, event.MaxDuration, 0
	}
}

// Disposition returns the outcome of d by its final response. Without one a CANCEL decides, or a BYE that was accepted
// before any answer.
func (d *Dialog) Disposition() event.Disposition {
	switch {
	case d.Answered():
		return event.Answered
	case d.EarlyBye.Time != 0, d.RefusedAt == 0 && d.Cancelled != 0:
		return event.Cancelled
	case d.RefusedAt == 0:
		return event.NoAnswer
	}
	return Outcome(int(d.Code), d.Ring != 0)
}

// Outcome returns the disposition of a call with the final response code. rang reports a 180 or 183 before it.
func Outcome(code int, rang bool) event.Disposition {
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

// party returns who ended d.
func (d *Dialog) party(outcome event.Disposition) event.Party {
	switch {
	case d.EndCause == event.EndDialogLost:
		return event.Network
	case d.ByeAlone:
		return event.Unknown
	case outcome == event.Answered && d.EndSource != event.Observed:
		return event.Unknown
	case outcome == event.Answered:
		return d.EndingBye().Side
	case d.EndCause == event.EndEvicted || d.EndCause == event.EndCapture:
		return event.Unknown
	case d.EarlyBye.Time != 0:
		return d.EarlyBye.Side
	case d.Code == 487 || d.Cancelled != 0 && (d.RefusedAt == 0 || d.Cancelled <= d.RefusedAt):
		return event.Caller
	case d.RefusedAt == 0:
		return event.Unknown
	case d.Code == 408 || d.Code/100 == 5 || d.Code < 400 || d.Code == 401 || d.Code == 407:
		return event.Network
	}
	return event.Callee
}

// q850 returns d's Q.850 cause by its Reason header (RFC 3326), else derived from its final response (RFC 3398 section
// 8.2.6.1); 0 without one.
func (d *Dialog) q850(outcome event.Disposition) (cause int, derived bool) {
	bye := d.EndingBye()
	switch {
	case d.EndCause == event.EndDialogLost || d.EndSource != event.Observed:
		return 0, false
	case outcome == event.Answered && bye.Cause != 0:
		return int(bye.Cause), false
	case outcome == event.Answered && !bye.Unseen:
		return 16, true
	case outcome == event.Answered:
		return 0, false
	case d.EarlyBye.Time != 0:
		return int(d.EarlyBye.Cause), false
	case outcome == event.Cancelled && d.CancelCause != 0:
		return int(d.CancelCause), false
	case d.FinalCause != 0:
		return int(d.FinalCause), false
	case d.CancelCause != 0:
		return int(d.CancelCause), false
	}
	cause = causeOf(int(d.Code))
	return cause, cause != 0
}

// causeOf returns the cause of code by RFC 3398 section 8.2.6.1; 0 where that leaves it open.
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
