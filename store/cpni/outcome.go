package cpni

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// outcomeFields are when, how long and how it ended.
var outcomeFields = map[string]extractor{
	"setup_time":    ofCall(func(c *event.Call) Value { return moment(c.Setup) }),
	"progress_time": ofCall(func(c *event.Call) Value { return moment(c.Progress) }),
	"ring_time":     ofCall(func(c *event.Call) Value { return moment(c.Ring) }),
	"answer_time":   ofCall(func(c *event.Call) Value { return moment(c.Answer) }),
	"end_time":      ofCall(func(c *event.Call) Value { return moment(c.End) }),
	"pdd_ms":        ofCall(func(c *event.Call) Value { return between(c.Setup, c.Progress) }),
	"setup_ms": ofCall(func(c *event.Call) Value {
		if c.Disposition != event.Answered {
			return Value{}
		}
		return between(c.Setup, c.Answer)
	}),
	"ring_ms":         ofCall(ringing),
	"duration_ms":     ofCall(duration),
	"disposition":     ofCall(func(c *event.Call) Value { return word(dispositionWords[c.Disposition]) }),
	"sip_code":        {func(in *inside) Value { return positive(in.code) }, nil},
	"sip_method":      {func(in *inside) Value { return word(in.method) }, nil},
	"q850_cause":      ofCall(func(c *event.Call) Value { return positive(c.Cause) }, sip.Reason),
	"end_cause":       ofCall(func(c *event.Call) Value { return word(endCauseWords[c.EndCause]) }),
	"end_time_source": ofCall(func(c *event.Call) Value { return word(endSourceWords[c.EndSource]) }),
	"disconnect_by":   ofCall(func(c *event.Call) Value { return word(partyWords[c.DisconnectBy]) }),
	"retransmissions": {func(in *inside) Value { return number(int64(in.retransmissions)) }, nil},
	"auth_challenges": {func(in *inside) Value { return number(int64(in.challenges)) }, nil},
	"early_media":     ofCall(func(c *event.Call) Value { return truth(c.EarlyMedia) }),
	"forks":           ofCall(func(c *event.Call) Value { return number(int64(c.Forks)) }),
	"holds":           ofCall(func(c *event.Call) Value { return number(int64(c.Holds)) }),
	"hold_ms":         ofCall(func(c *event.Call) Value { return number(c.Held.Milliseconds()) }),
	"redirects":       ofCall(func(c *event.Call) Value { return number(int64(c.Redirects)) }),
	"reinvites":       ofCall(func(c *event.Call) Value { return number(int64(c.Reinvites)) }),
	"transfer": ofCall(func(c *event.Call) Value { return word(transferWords[c.Transfer]) },
		sip.ReferTo, sip.Replaces, sip.ReferredBy),
	"session_expires":   ofCall(sessionExpires, sip.SessionExpires),
	"call_flags":        ofCall(func(c *event.Call) Value { return list(words(uint16(c.Flags), flagWords[:])) }),
	"session_group":     ofCall(func(*event.Call) Value { return Value{} }, linkHeaders...), // Join has it
	"correlation":       ofCall(func(c *event.Call) Value { return ofJoin(c, correlation, 0) }, linkHeaders...),
	"correlation_score": ofCall(func(c *event.Call) Value { return ofJoin(c, correlationScore, 0) }, linkHeaders...),
	"billable":          ofCall(func(c *event.Call) Value { return truth(billable(c)) }),

	"registration_state": ofRegistration(func(r *event.Registration) Value {
		return word(registrationWords[r.State])
	}),
	"registration_expires": ofRegistration(func(r *event.Registration) Value { return number(int64(r.Expires)) }),
	"refreshes":            ofRegistration(func(r *event.Registration) Value { return number(int64(r.Refreshes)) }),
	"event_time":           {func(in *inside) Value { return moment(in.time) }, nil},
	"first_seen":           ofDevice(func(d *event.Device) Value { return moment(d.FirstSeen) }),
	"last_seen":            ofDevice(func(d *event.Device) Value { return moment(d.LastSeen) }),
}

// mostExpires bounds, in seconds, an interval that is shown: one of seven digits may be a telephone number.
const mostExpires = 999_999

func sessionExpires(c *event.Call) Value {
	if c.SessionExpires > mostExpires {
		return Value{}
	}
	return positive(c.SessionExpires)
}

// ringing is ring_time to the answer, or to the end of a call that was never answered.
func ringing(c *event.Call) Value {
	if c.Disposition == event.Answered {
		return between(c.Ring, c.Answer)
	}
	return between(c.Ring, c.End)
}

// duration is answer to end, 0 of a call that was never answered, unknown when either was not seen.
func duration(c *event.Call) Value {
	if c.Disposition != event.Answered {
		return number(0)
	}
	if c.Missing&event.NoInvite != 0 {
		return Value{}
	}
	return between(c.Answer, c.End)
}

// billable is whether both answer and end were observed; consumers need no other rule.
func billable(c *event.Call) bool {
	return c.Disposition == event.Answered && c.EndSource == event.Observed && !c.Answer.IsZero() && !c.End.IsZero() &&
		c.Missing&(event.NoInvite|event.NoFinal|event.NoBye) == 0
}
