package track

// disposition says how d came out, by its final response; a CANCEL decides where there is none.
func (d *dialog) disposition() Disposition {
	switch {
	case d.answered() || d.refusedAt == 0 && (d.bye != 0 || d.byeAnswered):
		return Answered
	case d.refusedAt == 0 && d.cancelled != 0:
		return Cancelled
	case d.refusedAt == 0:
		return NoAnswer
	}
	return outcome(int(d.code), d.ring != 0)
}

func outcome(code int, rang bool) Disposition {
	switch code {
	case 487:
		return Cancelled
	case 486, 600:
		return Busy
	case 408:
		return NoAnswer
	case 480:
		if rang {
			return NoAnswer
		}
		return Unreachable
	case 403, 603, 607, 608:
		return Rejected
	case 404, 410, 484, 604:
		return Unreachable
	case 401, 407:
		return AuthFailed
	}
	if code < 400 {
		return Redirected
	}
	return Failed
}

// party says who ended d.
func (d *dialog) party(as Disposition) Party {
	switch {
	case d.cause == EndDialogLost:
		return Network
	case d.alone:
		return Unknown
	case as == Answered:
		return d.byeBy
	case d.cause == EndEvicted || d.cause == EndCapture:
		return Unknown
	case d.code == 487 || d.cancelled != 0 && (d.refusedAt == 0 || d.cancelled <= d.refusedAt):
		return Caller
	case d.refusedAt == 0:
		return Unknown
	case d.code == 408 || d.code/100 == 5 || d.code < 400 || d.code == 401 || d.code == 407:
		return Network
	}
	return Callee
}

// q850 returns d's Q.850 cause and whether it was derived (RFC 3326, RFC 3398 section 8.2.6.1), 0 without one.
func (d *dialog) q850(as Disposition) (cause int, derived bool) {
	switch {
	case d.cause == EndDialogLost || d.known != Observed:
		return 0, false
	case as == Answered && d.byeCause != 0:
		return int(d.byeCause), false
	case as == Answered && d.bye != 0:
		return 16, true
	case as == Answered:
		return 0, false
	case as == Cancelled && d.cancelCause != 0:
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
