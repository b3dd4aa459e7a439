// This file has methods of Dialog because a file is one question about a dialog with its answer.

package dialog

import "sipsieve/sip/event"

// finalSeen reports whether the final response to the INVITE was seen. If the call's INVITE was not seen, that to a
// re-INVITE counts.
func (d *Dialog) finalSeen() bool {
	if !d.Answered() {
		return d.RefusedAt != 0
	}
	return d.Answer != 0 && !d.ByAck || d.Setup == 0 && d.Reinvites > 0
}

// lacking returns the messages that outcome requires and that were not seen.
func (d *Dialog) lacking(outcome event.Disposition) (m event.Missing) {
	final, bye := d.finalSeen(), d.EndingBye()
	if d.Setup == 0 {
		m |= event.NoInvite
	}
	if !final {
		m |= event.NoFinal
	}
	if d.Acked == 0 && (final || outcome == event.Answered || d.Cancelled != 0 || d.EarlyBye.Time != 0) {
		m |= event.NoAck
	}
	switch {
	case outcome == event.Cancelled && d.Cancelled == 0 && d.EarlyBye.Time == 0:
		m |= event.NoCancel
	case outcome == event.Answered && (bye.Time == 0 || bye.Unseen):
		m |= event.NoBye
	case outcome == event.Answered && !bye.Answered:
		m |= event.NoByeResponse
	}
	if d.oneSided() {
		m |= event.OneDirection
	}
	return m
}

// oneSided reports whether only requests, or only responses, of d were seen.
func (d *Dialog) oneSided() bool { return d.Seen != SeenRequest|SeenResponse }

// completeness returns how many of the messages that outcome requires were seen, in percent.
func (d *Dialog) completeness(outcome event.Disposition) int {
	bye := d.EndingBye()
	want := [5]bool{d.Setup != 0, d.finalSeen(), d.Acked != 0}
	n := 3
	switch outcome {
	case event.Answered:
		want[3], want[4] = bye.Time != 0 && !bye.Unseen, bye.Answered
		n = 5
	case event.Cancelled:
		want[3] = d.Cancelled != 0 || d.EarlyBye.Time != 0
		n = 4
	}
	seen := 0
	for _, was := range want[:n] {
		if was {
			seen++
		}
	}
	return seen * 100 / n
}

// unacknowledged reports whether the answer had no ACK within 64*T1, as long as it is retransmitted (RFC 3261 section
// 13.3.1.4). now is the time of the call's end, nanoseconds.
func (d *Dialog) unacknowledged(now int64) bool {
	if d.Acked != 0 {
		now = d.Acked
	}
	return d.Setup != 0 && d.Answer != 0 && !d.ByAck && d.Seen&SeenRequest != 0 && now-d.Answer >= event.Timer64T1
}
