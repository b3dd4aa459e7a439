package track

import "sipsieve/sip/event"

// finalSeen reports whether the final response to the INVITE was seen; of a call that was taken up inside its dialog
// that to a later one does.
func (d *dialog) finalSeen() bool {
	if !d.answered() {
		return d.refusedAt != 0
	}
	return d.answer != 0 && !d.byAck || d.setup == 0 && d.reinvites > 0
}

// lacking returns which messages of a call that came out as outcome were not seen.
func (d *dialog) lacking(outcome event.Disposition) (m event.Missing) {
	final, bye := d.finalSeen(), d.end()
	if d.setup == 0 {
		m |= event.NoInvite
	}
	if !final {
		m |= event.NoFinal
	}
	if d.acked == 0 && (final || outcome == event.Answered || d.cancelled != 0 || d.early.at != 0) {
		m |= event.NoAck
	}
	switch {
	case outcome == event.Cancelled && d.cancelled == 0 && d.early.at == 0:
		m |= event.NoCancel
	case outcome == event.Answered && (bye.at == 0 || bye.unseen):
		m |= event.NoBye
	case outcome == event.Answered && !bye.answered:
		m |= event.NoByeResponse
	}
	if d.oneSided() {
		m |= event.OneDirection
	}
	return m
}

// oneSided reports whether no request, or no response, of d was seen at all.
func (d *dialog) oneSided() bool { return d.heard != heardRequest|heardResponse }

// completeness says how many of the messages that the outcome must show were seen, in percent.
func (d *dialog) completeness(outcome event.Disposition) int {
	bye := d.end()
	want := [5]bool{d.setup != 0, d.finalSeen(), d.acked != 0}
	n := 3
	switch outcome {
	case event.Answered:
		want[3], want[4] = bye.at != 0 && !bye.unseen, bye.answered
		n = 5
	case event.Cancelled:
		want[3] = d.cancelled != 0 || d.early.at != 0
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

// unacknowledged reports whether the answer has had no ACK for as long as it is sent again (RFC 3261 section 13.3.1.4).
func (d *dialog) unacknowledged(now int64) bool {
	if d.acked != 0 {
		now = d.acked
	}
	return d.setup != 0 && d.answer != 0 && !d.byAck && d.heard&heardRequest != 0 && now-d.answer >= event.Timer64T1
}
