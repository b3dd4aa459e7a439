// Package oracle derives the records that are expected of captured SIP messages.
//
// Records looks at the whole list of messages at once, offline, and shares no code with the tracker that it is compared
// with: where both agree, two independent readings of the same rules agree. Package randomcall makes calls for it.
//
// # Order of work
//
// Messages are sorted into traces (one Call-ID), a trace into attempts (one caller's tag and CSeq), attempts into calls
// (tries), a call's requests into its dialogs. Then a call gives one record for each answered fork (talk), or one for its
// last attempt (unanswered). What is left over are dialogs whose INVITE was not seen (midCall).
//
// # Open questions
//
// Where the rules leave something open, the comment says "Not settled" and gives the choice.
//
// # Text
//
// A call can be written as text, one message a line (String), and read again (Parse), so that a call on which the
// two once differed is kept as a test: Stories returns those, with what is expected of them.
//
// # Times
//
// All times count from the start of the capture. Never is the time of what was not seen.
package oracle

import "time"

// Waits that the rules name.
const (
	ringWait     = 4 * time.Minute        // `Ring`
	callLimit    = 4 * time.Hour          // `max_call`
	byeWait      = 32 * time.Second       // 64 × T1, RFC 3261 17.1.2.2
	retryWait    = 2 * time.Second        // for a new INVITE after a refusal other than 401, 407 and 3xx
	copyDistance = 200 * time.Millisecond // between two taps' copies of one packet
)
