package oracle

import (
	"cmp"
	"slices"
	"time"
)

// Never is the time of what was not seen.
const Never time.Duration = -1

// A Record is what is expected of one call or of its second answered fork, in its last revision. Times count from
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

	// A repeat that comes when the record may have been made already may or may not be counted.
	Repeats, MostRepeats int
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

// unseen returns a Record of which nothing is known.
func unseen() Record {
	return Record{Setup: Never, Progress: Never, Ring: Never, Answer: Never, End: Never, Transfer: "none"}
}

// Duration is the answer to the end, 0 of a call that was never answered, Never when unknown.
func (r *Record) Duration() time.Duration {
	switch {
	case r.Disposition != answered:
		return 0
	case r.Answer == Never || r.End == Never || slices.Contains(r.Missing, "invite"):
		return Never
	}
	return r.End - r.Answer
}

// PostDial is the time from the first INVITE to the first provisional response, Never when either was not seen.
func (r *Record) PostDial() time.Duration { return between(r.Setup, r.Progress) }

// SetupTime is the time from the first INVITE to the answer, Never of a call that was not answered.
func (r *Record) SetupTime() time.Duration {
	if r.Disposition != answered {
		return Never
	}
	return between(r.Setup, r.Answer)
}

// Ringing is the time from ring_time to the answer, or to the end of a call that was never answered.
func (r *Record) Ringing() time.Duration {
	if r.Disposition == answered {
		return between(r.Ring, r.Answer)
	}
	return between(r.Ring, r.End)
}

func between(from, to time.Duration) time.Duration {
	if from == Never || to == Never {
		return Never
	}
	return to - from
}

// setCause sets the Q.850 cause that was given, else the one that follows.
func (r *Record) setCause(given, follows int) {
	r.Cause = given
	if given == 0 && follows != 0 {
		r.Cause = follows
		r.Flags = append(r.Flags, "cause_derived")
	}
}

// finish sets what follows from the rest.
func (r *Record) finish() {
	sortWords(r.Missing, []string{noInvite, noFinal, noAck, noCancel, noBye, noByeAnswer, "one_direction"})
	sortWords(r.Flags, []string{"no_ack", "cancel_race", "spiral", "second_fork", "cause_derived", "answer_by_ack"})
	if r.Status == "" {
		r.Status = "complete"
	}
	if len(r.Missing) > 0 || r.EndSource != observed {
		r.Status = "partial"
	}
	r.Billable = r.Disposition == answered && r.EndSource == observed && r.Answer != Never && r.End != Never &&
		!slices.Contains(r.Missing, noInvite) && !slices.Contains(r.Missing, noFinal) && !slices.Contains(r.Missing, noBye)
}

func sortWords(words, order []string) {
	slices.SortFunc(words, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
}

// Sort orders rs by their own times and dispositions only, so that two lists can be compared.
func Sort(rs []Record) {
	slices.SortStableFunc(rs, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Setup, b.Setup), cmp.Compare(a.Answer, b.Answer), cmp.Compare(a.End, b.End),
			cmp.Compare(a.Disposition, b.Disposition))
	})
}
