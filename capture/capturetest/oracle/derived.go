package oracle

import "time"

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
