package policy

import (
	"bytes"
	"math/bits"
	"strconv"
	"time"

	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// timer64T1 is how long a BYE may be sent again without a response (RFC 3261 section 17.1.2.2, timer F).
const timer64T1 = 32 * time.Second

// Ended reports whether x tells of a call whose BYE was seen.
func (x Excerpt) Ended() bool {
	return x.Dialog != "" && (x.Stage == "stop" || x.Stage == "correction") && x.Missing&track.NoBye == 0
}

// Follows reports whether the end that x tells may be that of the call that whole tells: not if it is before the
// answer. It is true where a purpose keeps one of the times only.
func (x Excerpt) Follows(whole Excerpt) bool {
	w, r := readBody(whole.body), readBody(x.body)
	if us, known := readHalf(w).until(readHalf(r)); known {
		return us >= 0
	}
	end, ended := readMoment(r.get("end_time"))
	answer, answered := readMoment(w.get("answer_time"))
	return !ended || !answered || x.Policy != whole.Policy || !end.at.Before(answer.at)
}

// SameEnd reports whether x and y end at one time, as far as their purpose keeps it; false if one shows no end.
func (x Excerpt) SameEnd(y Excerpt) bool {
	one, other := readBody(x.body).get("end_time"), readBody(y.body).get("end_time")
	_, known := readMoment(one)
	return known && bytes.Equal(one, other)
}

// Complete returns whole with the end that rest saw of the same dialog; both are excerpts of u. It reports false if
// whole shows its end itself, or rest shows none, or one before the answer. Nothing is in the result that was in
// neither, but what follows from both: what is missing, completeness, billable, the duration, and who hung up.
//
// A BYE that got no response in whole is that of rest if it was repeated there within 32 s; then it is the end.
//
// The duration has the form in which u keeps durations. A purpose that keeps them as they are has it exactly, from
// blind_clock (see half). In others it is the difference of the times as u keeps them: times that are cut to seconds
// make it up to one second too long, never too short, just what a reader of both times finds. Times that are cut
// further, or under another policy than u's, leave it null; so do times that u does not keep. u may be nil: then
// durations are kept as they are.
//
// Who hung up follows from blind_side. Without it, it is not known of a BYE alone, and of another dialog whose INVITE
// was not seen only if both have one id: else it is not certain that both take the same side for the caller's.
func (u *Purpose) Complete(whole, rest Excerpt) (Excerpt, bool) {
	if whole.Dialog == "" || whole.Dialog != rest.Dialog || !rest.Ended() || !rest.Follows(whole) {
		return whole, false
	}
	w, r := readBody(whole.body), readBody(rest.body)
	const seen = track.NoBye | track.NoByeResponse | track.OneDirection
	missing := whole.Missing&^seen | rest.Missing&(track.NoByeResponse|track.StreamGap|track.CutShort|track.LossWindow|
		track.RestartGap|track.ClockStep) | whole.Missing&rest.Missing&track.OneDirection
	switch {
	case !whole.Ended():
		u.end(w, r, whole, rest)
	case whole.Missing&track.NoByeResponse == 0 || rest.Missing&track.NoByeResponse != 0:
		return whole, false
	case otherBye(w, r, whole.Policy == rest.Policy):
		u.end(w, r, whole, rest)
	}
	const needed = track.NoInvite | track.NoFinal | track.NoAck | track.NoBye | track.NoByeResponse
	x := whole
	x.Missing, x.Status = missing, "partial"
	if missing == 0 {
		x.Status = "complete"
	}
	x.Completeness = 100 * (5 - bits.OnesCount16(uint16(missing&needed))) / 5
	if x.Stage != "correction" {
		x.Stage = "stop"
	}
	w.set("stage", appendText(nil, x.Stage))
	w.set("status", appendText(nil, x.Status))
	w.set("missing", appendMissing(nil, missing))
	w.set("completeness", strconv.AppendInt(nil, int64(x.Completeness), 10))
	w.set("billable", strconv.AppendBool(nil, missing&(track.NoInvite|track.NoFinal|track.NoBye) == 0))
	w.remove(keyClock, keySide)
	x.body = w.bytes()
	return x, true
}

// otherBye reports whether the BYE of r is another than that of w, which got no response: an earlier one, or one so
// much later that it is no repeat.
func otherBye(w, r *body, onePolicy bool) bool {
	first, ok := readMoment(w.get("end_time"))
	second, ok2 := readMoment(r.get("end_time"))
	return ok && ok2 && onePolicy && (second.at.Before(first.at) || second.at.After(first.at.Add(timer64T1)))
}

// end gives w the end of r.
func (u *Purpose) end(w, r *body, whole, rest Excerpt) {
	for _, name := range []string{"end_time", "end_cause", "q850_cause", "disconnect_by"} {
		w.take(name, r)
	}
	w.set("disconnect_by", appendText(nil, hungUp(w, r, whole.ID == rest.ID)))
	if handedOn := string(w.get("transfer")); handedOn == `"blind"` || handedOn == `"attended"` {
		if string(w.get("end_cause")) == `"normal"` {
			w.set("end_cause", []byte(`"transfer"`))
		}
	}
	w.set("end_time_source", []byte(`"observed"`))
	w.flag("cause_derived", r)
	for _, key := range u.forms("duration_ms") {
		if whole.Missing&track.NoInvite == 0 {
			w.set(key.name, u.duration(key.form, w, r))
		} else {
			w.set(key.name, []byte("null"))
		}
	}
}

// hungUp returns who sent the BYE of r: caller, callee, network or unknown.
func hungUp(w, r *body, oneID bool) string {
	other := map[string]string{"caller": "callee", "callee": "caller"}
	by, hw, hr := r.text("disconnect_by"), readHalf(w), readHalf(r)
	switch sides := hw.side && hr.side; {
	case by == "unknown" && sides && hw.first == hr.first: // of a BYE alone the side is its sender's
		return "caller"
	case by == "unknown" && sides:
		return "callee"
	case other[by] == "" || oneID || sides && hw.first == hr.first:
		return by
	case sides:
		return other[by]
	}
	return "unknown"
}

// duration returns what u keeps of the time from the answer of w to the end of r, null if it is not known.
func (u *Purpose) duration(f form, w, r *body) []byte {
	us, known := readHalf(w).until(readHalf(r))
	if !known {
		answer, answered := readMoment(w.get("answer_time"))
		end, ended := readMoment(r.get("end_time"))
		policy := w.text("policy")
		inSeconds := u != nil && policy == r.text("policy") && u.hash == policy && u.inSeconds()
		if !answered || !ended || !inSeconds && (!answer.exact || !end.exact) {
			return []byte("null")
		}
		us = end.at.Sub(answer.at).Microseconds()
	}
	ms := max(0, us/1000)
	switch f.action {
	case Keep:
	case Truncate, Bucket:
		ms -= ms % f.width
	default:
		return []byte("null")
	}
	return strconv.AppendInt(nil, ms, 10)
}

// inSeconds reports whether u keeps the times of an answer and of an end to the second, or exactly.
func (u *Purpose) inSeconds() bool {
	for _, name := range []string{"answer_time", "end_time"} {
		for _, key := range u.forms(name) {
			if key.name == name && key.form.action == Truncate && key.form.unit != "second" {
				return false
			}
		}
	}
	return true
}

// A formKey is the form in which a purpose keeps a field, and the key that it stands under.
type formKey struct {
	name string
	form form
}

// forms returns the forms in which u keeps a field; the nil Purpose keeps all as it is.
func (u *Purpose) forms(field string) (keys []formKey) {
	if u == nil {
		return []formKey{{field, form{action: Keep}}}
	}
	for _, r := range u.rules {
		if r.field.String() == field {
			for i, f := range r.forms {
				keys = append(keys, formKey{r.keys[i], f})
			}
		}
	}
	return keys
}

// DaysApart returns how many days may lie between the expiries of two excerpts of u whose calls began within a day:
// one, unless months of different lengths, or a time that is cut to the month, are in between. The nil Purpose has 1.
func (u *Purpose) DaysApart() int {
	switch {
	case u == nil:
		return 1
	case u.units[cpni.CallKind] == "month":
		return 31
	case u.Retain.Months != 0 || u.Retain.Years != 0:
		return 4 // from 28 February and 1 March on
	}
	return 1
}
