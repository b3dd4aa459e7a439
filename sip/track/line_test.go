package track

import (
	"fmt"
	"strings"
	"time"

	"sipsieve/sip/event"
)

var dispositions = [...]string{"", "answered", "busy", "no_answer", "cancelled", "redirected", "auth_failed",
	"rejected",
	"unreachable", "failed"}

var missings = [...]string{"invite", "final_response", "ack", "cancel", "bye", "bye_response", "one_direction",
	"stream_gap", "truncated", "loss_window", "restart_gap", "clock_step"}

var callFlags = [...]string{"no_ack", "cancel_race", "spiral", "second_fork", "cause_derived",
	"answer_by_ack", "privacy"}

// lineOf writes what is published of c in one line, times in seconds since the ladder's start.
func lineOf(c *event.Call) string {
	s := clockOf(c.Setup)
	if c.Setup.IsZero() || !c.FirstSeen.Equal(c.Setup) {
		s += " first " + clockOf(c.FirstSeen)
	}
	for _, at := range []struct {
		what string
		time time.Time
	}{{" progress ", c.Progress}, {" ring ", c.Ring}, {" answer ", c.Answer}} {
		if !at.time.IsZero() {
			s += at.what + clockOf(at.time)
		}
	}
	s += fmt.Sprintf(": %s %s %d%% code %d cause %d end %s %s %s by %s", dispositions[c.Disposition],
		[...]string{"", "complete", "partial", "evicted"}[c.Status], c.Completeness, c.Code, c.Cause, clockOf(c.End),
		[...]string{"unseen", "observed", "session_timer", "max_duration", "ring_timeout", "capture_end"}[c.EndSource],
		[...]string{"unended", "normal", "cancel", "failure", "timeout", "session_timer", "dialog_lost", "transfer",
			"evicted", "capture_end"}[c.EndCause],
		[...]string{"unknown", "caller", "callee", "network"}[c.DisconnectBy])
	for i, f := range callFlags {
		if c.Flags&(1<<i) != 0 {
			s += " " + f
		}
	}
	var missing []string
	for i, m := range missings {
		if c.Missing&(1<<i) != 0 {
			missing = append(missing, m)
		}
	}
	if missing != nil {
		s += " missing " + strings.Join(missing, ",")
	}
	for _, n := range []struct {
		what string
		n    int
	}{{"repeats", c.Retransmissions}, {"challenges", c.Challenges}, {"redirects", c.Redirects},
		{"reinvites", c.Reinvites}, {"holds", c.Holds}, {"transfer", int(c.Transfer)},
		{"expires", c.SessionExpires}, {"reuse", c.Reuse}} {
		if n.n != 0 {
			s += fmt.Sprintf(" %s %d", n.what, n.n)
		}
	}
	if c.Held != 0 {
		s += " " + c.Held.String()
	}
	if c.Forks > 1 {
		s += fmt.Sprintf(" forks %d", c.Forks)
	}
	if c.EarlyMedia {
		s += " early"
	}
	return s
}

func clockOf(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%gs", t.Sub(ladderStart).Seconds())
}
