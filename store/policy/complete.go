package policy

import (
	"math/bits"
	"strconv"
	"time"

	"sipsieve/sip/event"
)

// timer64T1 is how long a BYE may be sent again without a response (RFC 3261 section 17.1.2.2, timer F).
const timer64T1 = 32 * time.Second

// A completion puts whole and rest together: see Purpose.Complete.
type completion struct {
	purpose     *Purpose // nil: durations are kept as they are
	whole, rest Excerpt
	w, r        *body // of whole, which becomes the result, and of rest
}

func (c *completion) result() (Excerpt, bool) {
	whole, rest := c.whole, c.rest
	switch {
	case !whole.Ended():
		c.takeEnd()
	case whole.Missing&event.NoByeResponse == 0 || rest.Missing&event.NoByeResponse != 0:
		return whole, false
	case c.otherBye():
		c.takeEnd()
	}
	const needed = event.NoInvite | event.NoFinal | event.NoAck | event.NoBye | event.NoByeResponse
	x := whole
	x.Missing, x.Status = c.missing(), "partial"
	if x.Missing == 0 {
		x.Status = "complete"
	}
	x.Completeness = 100 * (5 - bits.OnesCount16(uint16(x.Missing&needed))) / 5
	if x.Stage != "correction" {
		x.Stage = "stop"
	}
	c.w.set("stage", appendText(nil, x.Stage))
	c.w.set("status", appendText(nil, x.Status))
	c.w.set("missing", appendMissing(nil, x.Missing))
	c.w.set("completeness", strconv.AppendInt(nil, int64(x.Completeness), 10))
	c.w.set("billable", strconv.AppendBool(nil, x.Missing&(event.NoInvite|event.NoFinal|event.NoBye) == 0))
	c.w.remove(keyClock, keySide)
	x.body = c.w.bytes()
	return x, true
}

// missing returns what neither has seen.
func (c *completion) missing() event.Missing {
	const end = event.NoBye | event.NoByeResponse | event.OneDirection
	const ofRest = event.NoByeResponse | event.StreamGap | event.CutShort | event.LossWindow | event.RestartGap |
		event.ClockStep
	whole, rest := c.whole.Missing, c.rest.Missing
	return whole&^end | rest&ofRest | whole&rest&event.OneDirection
}

// otherBye reports whether the BYE of rest is another than that of whole, which got no response: an earlier one, or
// one so much later that it is no repeat.
func (c *completion) otherBye() bool {
	first, ok := readMoment(c.w.get("end_time"))
	second, ok2 := readMoment(c.r.get("end_time"))
	return ok && ok2 && c.whole.Policy == c.rest.Policy &&
		(second.time.Before(first.time) || second.time.After(first.time.Add(timer64T1)))
}

// takeEnd gives whole the end of rest.
func (c *completion) takeEnd() {
	w := c.w
	for _, name := range []string{"end_time", "end_cause", "q850_cause", "disconnect_by"} {
		w.take(name, c.r)
	}
	w.set("disconnect_by", appendText(nil, c.hungUp()))
	if handedOn := string(w.get("transfer")); handedOn == `"blind"` || handedOn == `"attended"` {
		if string(w.get("end_cause")) == `"normal"` {
			w.set("end_cause", []byte(`"transfer"`))
		}
	}
	w.set("end_time_source", []byte(`"observed"`))
	w.flag("cause_derived", c.r)
	for _, t := range c.purpose.transformsOf("duration_ms") {
		if c.whole.Missing&event.NoInvite == 0 {
			w.set(t.key, c.duration(t.transform))
		} else {
			w.set(t.key, []byte("null"))
		}
	}
}

// hungUp returns who sent the BYE of rest: caller, callee, network or unknown.
func (c *completion) hungUp() string {
	other := map[string]string{"caller": "callee", "callee": "caller"}
	who, hw, hr := c.r.text("disconnect_by"), readHalf(c.w), readHalf(c.r)
	switch sides := hw.side && hr.side; {
	case who == "unknown" && sides && hw.first == hr.first: // of a BYE alone the side is its sender's
		return "caller"
	case who == "unknown" && sides:
		return "callee"
	case other[who] == "" || c.whole.ID == c.rest.ID || sides && hw.first == hr.first:
		return who
	case sides:
		return other[who]
	}
	return "unknown"
}

// duration returns what the purpose keeps of the time from the answer of whole to the end of rest, in milliseconds,
// null if it is not known.
func (c *completion) duration(t transform) []byte {
	us, known := readHalf(c.w).until(readHalf(c.r))
	if !known {
		answer, answered := readMoment(c.w.get("answer_time"))
		end, ended := readMoment(c.r.get("end_time"))
		if !answered || !ended || !c.inSeconds() && (!answer.exact || !end.exact) {
			return []byte("null")
		}
		us = end.time.Sub(answer.time).Microseconds()
	}
	ms := max(0, us/1000)
	switch t.action {
	case Keep:
	case Truncate, Bucket:
		ms -= ms % t.width
	default:
		return []byte("null")
	}
	return strconv.AppendInt(nil, ms, 10)
}

// inSeconds reports whether the purpose keeps the times of an answer and of an end to the second, or exactly, and made
// both excerpts itself.
func (c *completion) inSeconds() bool {
	policy := c.w.text("policy")
	if c.purpose == nil || policy != c.r.text("policy") || c.purpose.hash != policy {
		return false
	}
	for _, name := range []string{"answer_time", "end_time"} {
		for _, t := range c.purpose.transformsOf(name) {
			if t.key == name && t.action == Truncate && t.unit != "second" {
				return false
			}
		}
	}
	return true
}
