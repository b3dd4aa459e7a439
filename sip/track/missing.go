package track

// finalSeen reports whether the final response to the INVITE was seen; of a call that was taken up inside its dialog
// that to a later one does.
func (d *dialog) finalSeen() bool {
	if !d.answered() {
		return d.refusedAt != 0
	}
	return d.answer != 0 && !d.byAck || d.setup == 0 && d.reinvites > 0
}

// lacking returns which messages of a call that came out as as were not seen.
func (d *dialog) lacking(as Disposition) (m Missing) {
	final := d.finalSeen()
	if d.setup == 0 {
		m |= NoInvite
	}
	if !final {
		m |= NoFinal
	}
	if d.acked == 0 && (final || as == Answered || d.cancelled != 0) {
		m |= NoAck
	}
	switch {
	case as == Cancelled && d.cancelled == 0:
		m |= NoCancel
	case as == Answered && d.bye == 0:
		m |= NoBye
	case as == Answered && !d.byeAnswered:
		m |= NoByeResponse
	}
	if d.oneSided() {
		m |= OneDirection
	}
	return m
}

// oneSided reports whether one side only was heard, where something proves that the other one spoke.
func (d *dialog) oneSided() bool {
	return d.heard&heardRequest == 0 || d.heard&heardResponse == 0 && (d.acked != 0 || d.bye != 0)
}

// completeness says how many of the messages that the outcome must show were seen, in percent.
func (d *dialog) completeness(as Disposition) int {
	want := [5]bool{d.setup != 0, d.finalSeen(), d.acked != 0}
	n := 3
	switch as {
	case Answered:
		want[3], want[4] = d.bye != 0, d.byeAnswered
		n = 5
	case Cancelled:
		want[3] = d.cancelled != 0
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

// unacknowledged reports whether the answer had no ACK for as long as it is sent again (RFC 3261 section 13.3.1.4),
// at at or by the end of the call.
func (d *dialog) unacknowledged(at int64) bool {
	if d.gone != 0 {
		at = d.gone
	}
	if d.acked != 0 {
		at = d.acked
	}
	return d.setup != 0 && d.answer != 0 && !d.byAck && d.heard&heardRequest != 0 && at-d.answer >= patience
}
