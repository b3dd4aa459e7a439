// Package oracle makes random calls and says which records must come of them.
//
// Random draws a call from a seed and a set of Kinds: a caller, what stands between, one or more callees, and what a
// capture shows of their messages. Records returns what must be told of a list of messages. It looks at the whole
// list at once, offline, and shares no code with the tracker that it is compared with: where both agree, two
// independent readings of the same rules agree.
//
// A call can be written as text, one message a line (String), and read again (Parse), so that a call on which the
// two once differed can be kept as a test.
package oracle

import "time"

// Never is the time of what was not seen.
const Never time.Duration = -1

// Waits that the rules name.
const (
	ringWait     = 4 * time.Minute        // `Ring`
	callLimit    = 4 * time.Hour          // `max_call`
	byeWait      = 32 * time.Second       // 64 × T1, RFC 3261 17.1.2.2
	retryWait    = 2 * time.Second        // for a new INVITE after a refusal other than 401, 407 and 3xx
	copyDistance = 200 * time.Millisecond // between two taps' copies of one packet
)

// A Record is what must be told of one call or of its second answered fork, in its last revision. Times count from
// the start of the capture.
type Record struct {
	Setup, Progress, Ring, Answer, End time.Duration

	Disposition, EndCause, EndSource, DisconnectBy, Status string

	Code, Cause  int // 0 when unknown
	Completeness int
	Missing      []string
	Flags        []string
	Billable     bool

	Challenges, Redirects, Forks, Reinvites, Holds int

	Held     time.Duration
	Early    bool
	Transfer string

	// A repeat that comes when the call may have been told already may or may not be counted.
	Repeats, MostRepeats int
}

// unseen returns a Record of which nothing is known.
func unseen() Record {
	return Record{Setup: Never, Progress: Never, Ring: Never, Answer: Never, End: Never, Transfer: "none"}
}

// Duration is the answer to the end, 0 of a call that was never answered, Never when unknown.
func (r *Record) Duration() time.Duration {
	switch {
	case r.Disposition != answered:
		return 0
	case r.Answer == Never || r.End == Never || has(r.Missing, "invite"):
		return Never
	}
	return r.End - r.Answer
}

// Words of a Record that are used more than once.
const (
	answered    = "answered"
	cancelled   = "cancelled"
	caller      = "caller"
	callee      = "callee"
	byNetwork   = "network"
	unknown     = "unknown"
	observed    = "observed"
	captureEnd  = "capture_end"
	timeout     = "timeout"
	noInvite    = "invite"
	noFinal     = "final_response"
	noAck       = "ack"
	noCancel    = "cancel"
	noBye       = "bye"
	noByeAnswer = "bye_response"
)

func has(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}
