// This file has methods of Comparison and sbcFile because a row becomes a call here, whatever reads or counts it.

package reconcile

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// A call is a row of the SBC's, and after Close a call of the SBC's. It has no text.
type call struct {
	key            uint64 // hash of the Call-ID, 0 without one
	name           uint64 // hash of its pseudonym, 0 without one
	place          uint64 // number of the file in the upper 16 bits, offset of the line
	start          int64  // Unix milliseconds: INVITE if the row has it, else the earliest time that it has
	caller, called uint64 // digits as a number, 0 if they are not known
	talk           int32  // milliseconds, unknownTalk
	line           uint32
	code           uint16 // of the final response, 0 if it is not known
	role           role
	state          state
	matched        bool
	outside        bool // matched, and both outside the window
}

const unknownTalk = -1

// A role is what a row is to its call.
type role uint8

const (
	roleCall   role = iota // the whole call
	roleInvite             // the INVITE's final response
	roleBye
)

// A state is whether a call was answered.
type state uint8

const (
	stateUnknown state = iota
	stateAnswered
	stateFailed
)

// An otherName is a second name of the calls of one key: the pseudonym of the epoch before.
type otherName struct{ key, name uint64 }

// outcome sets role, state and start of a row.
func (f *sbcFile) outcome(r *call, v rowValues) (fate string) {
	switch {
	case !f.Profile.folds:
		f.wholeOutcome(r, &v)
	case v.text[method] == "BYE":
		r.role, r.talk = roleBye, unknownTalk
	case v.text[method] == "INVITE" && (r.code >= 300 || v.talk == 0): // a column duration has 0 by default
		r.role, r.talk, r.state = roleInvite, unknownTalk, stateOf(r.code)
	case v.text[method] == "INVITE", v.hasTalk:
		r.state = stateAnswered
		if v.talk == 0 { // a dialog that was never confirmed
			r.state = stateFailed
		}
	default:
		return refusedOutcome
	}
	start := first(v.time[setup], v.time[answer], v.time[stamp], v.time[end])
	if v.time[setup].IsZero() && v.time[answer].IsZero() && !v.time[end].IsZero() && r.talk > 0 {
		start = v.time[end].Add(-v.talk)
	}
	if start.IsZero() {
		return refusedNoTime
	}
	r.start = start.UnixMilli()
	return ""
}

// stateOf returns whether a call with that final response was answered.
func stateOf(code uint16) state {
	switch {
	case code == 0:
		return stateUnknown
	case code < 300:
		return stateAnswered
	}
	return stateFailed
}

// wholeOutcome sets the state of a row that is a whole call.
func (f *sbcFile) wholeOutcome(r *call, v *rowValues) {
	if !v.hasTalk && !v.time[answer].IsZero() && !v.time[end].IsZero() {
		v.talk, v.hasTalk = max(v.time[end].Sub(v.time[answer]), 0), true
		r.talk = int32(min(v.talk, longestTalk) / time.Millisecond)
	}
	r.state = stateOf(r.code)
	switch {
	case v.talk > 0, r.state == stateUnknown && !v.time[answer].IsZero():
		r.state = stateAnswered
	case r.state == stateUnknown && v.hasTalk:
		r.state = stateFailed
	}
}

// Close ends the reading: rows become calls. An error is that there is none.
func (c *Comparison) Close() error {
	switch {
	case len(c.rows) == 0 && c.lines.Total > c.lines.Empty+c.lines.Headers+c.lines.Outside:
		return errors.New("sbc: no line is a row of the profile " + c.Profile.Name + ": see the lines that it reads in --help")
	case len(c.rows) == 0 && (c.From.IsZero() || c.To.IsZero()):
		return errors.New("sbc: there is no row: give --from and --to to compare nothing with what the store has")
	}
	slices.SortFunc(c.rows, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.place, b.place))
	})
	calls := c.rows[:0]
	for i := 0; i < len(c.rows); {
		n := i + 1
		for n < len(c.rows) && c.rows[n].key == c.rows[i].key {
			n++
		}
		group := c.rows[i:n]
		if c.Profile.folds && group[0].key != 0 {
			group = fold(group)
		}
		if len(group) == 0 {
			c.lines.Alone += n - i
		} else {
			c.lines.Joined += n - i - len(group)
		}
		calls = append(calls, group...) // never longer than the rows that were read
		i = n
	}
	c.calls, c.rows = calls, nil
	slices.SortFunc(c.calls, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.start, b.start), cmp.Compare(a.place, b.place))
	})
	c.addAliases()
	c.setWindow()
	return nil
}

// fold makes calls of the rows of one Call-ID: one for each CDR with a duration, else one of its transactions, or of a
// CDR without. An attempt that was redirected or challenged has a CDR of its own, without a duration. With nothing but
// the row of a BYE there is no call: it began before the file. It may change rows.
func fold(rows []call) []call {
	invite, bye := -1, int64(-1)
	for i := range rows {
		switch r := &rows[i]; r.role {
		case roleInvite: // what comes after the answer is a re-INVITE
			if invite < 0 || rows[invite].state != stateAnswered {
				invite = i
			}
		case roleBye:
			if bye < 0 || r.start < bye {
				bye = r.start
			}
		}
	}
	var first call
	if invite >= 0 {
		first = rows[invite]
		if first.state == stateAnswered && bye >= first.start {
			first.talk = int32(min(bye-first.start, longestTalk.Milliseconds()))
		}
		first.role = roleCall
	}
	whole := slices.DeleteFunc(rows, func(r call) bool { return r.role != roleCall })
	talked := func(r call) bool { return r.talk > 0 }
	if slices.ContainsFunc(whole, talked) {
		whole = slices.DeleteFunc(whole, func(r call) bool { return !talked(r) })
	} else if len(whole) > 1 {
		whole = whole[:1]
	}
	if len(whole) == 0 && invite >= 0 {
		whole = append(whole, first)
	} else if invite >= 0 {
		for i := range whole {
			whole[i].complete(&first)
		}
	}
	return whole
}

// complete adds to a CDR what the row of its INVITE has.
func (r *call) complete(invite *call) {
	r.start = min(r.start, invite.start)
	if r.talk <= 0 {
		r.state, r.talk = invite.state, invite.talk
	}
	r.code = cmp.Or(r.code, invite.code)
	r.caller, r.called = cmp.Or(r.caller, invite.caller), cmp.Or(r.called, invite.called)
}

// addAliases makes calls near the end of an epoch known by their other name.
func (c *Comparison) addAliases() {
	if len(c.other) == 0 {
		return
	}
	names := make(map[uint64]uint64, len(c.other))
	for _, o := range c.other {
		names[o.key] = o.name
	}
	c.alias = make(map[uint64]uint32, len(c.other))
	for i := range c.calls {
		if name, ok := names[c.calls[i].key]; ok && c.calls[i].key != 0 {
			c.alias[name] = uint32(i)
		}
	}
	c.other = nil
}

// setWindow sets the window to what the SBC has where the settings have none.
func (c *Comparison) setWindow() {
	for i := range c.calls {
		start := c.calls[i].start
		if i == 0 || start < c.from {
			c.from = start
		}
		if i == 0 || start >= c.to {
			c.to = start + 1
		}
	}
	if !c.From.IsZero() {
		c.from = c.From.UnixMilli()
	}
	if !c.To.IsZero() {
		c.to = c.To.UnixMilli()
	}
	if c.Settings.Calls == "" && len(c.calls) > 0 && !slices.ContainsFunc(c.calls, func(r call) bool { return r.state == stateFailed }) {
		c.Settings.Calls = CallsAnswered
	}
}

// Window returns the first moment of the window and the first behind it, after Close.
func (c *Comparison) Window() (from, to time.Time) {
	return time.UnixMilli(c.from).UTC(), time.UnixMilli(c.to).UTC()
}

// within reports whether a call that began at start (Unix milliseconds) is in the window.
func (c *Comparison) within(start int64) bool { return start >= c.from && start < c.to }
