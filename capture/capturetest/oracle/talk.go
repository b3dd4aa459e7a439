package oracle

import (
	"slices"
	"time"
)

// A talk is one answered fork from its answer on.
type talk struct {
	*call
	answer *answer
	second bool
	made   time.Duration // the earliest time at which its record can have been made
}

// An ending is how a talk came to its end.
type ending struct {
	bye  *txn          // nil without one
	at   time.Duration // of the first of a challenged BYE and its retry
	side string
}

// fill fills in r from the answer on.
func (t *talk) fill(r *Record) {
	r.Answer, r.Code = t.answer.at, t.answer.code
	t.made = t.until
	t.holdAndRefresh(r)
	t.end(r)
	t.close(r)
}

// close sets what follows once the end is known.
func (t *talk) close(r *Record) {
	t.race(r)
	t.seen(r)
	t.finish(r)
	t.count(r, t.made, t.surely)
}

// surely reports whether a repeat of m is t's whatever the rules leave open: which record counts the repeats of a
// second fork from before its answer, and whether the first counts what is the second's,
// or a dialog's behind a hop that hides it.
func (t *talk) surely(m *Message) bool {
	if t.second {
		return (m.From == t.answer.tag || m.To == t.answer.tag) && m.Time >= t.answer.at
	}
	for _, a := range t.answers[1:] {
		if m.From == a.tag || m.To == a.tag {
			return false
		}
	}
	seen, ok := t.tags[m.hop()][m.To]
	return !ok || seen > m.Time || t.link(m.hop(), m.To) != other
}

// of returns t's transactions of some methods.
func (t *talk) of(methods ...string) (txns []*txn) {
	for _, x := range t.txns {
		if x.fork == t.answer.tag && slices.Contains(methods, x.method) {
			txns = append(txns, x)
		}
	}
	return txns
}

// lastAccepted is the last accepted re-INVITE or UPDATE, Never without one.
func (t *talk) lastAccepted() time.Duration {
	last := Never
	for _, x := range t.of("INVITE", "UPDATE") {
		if x.accepted > t.answer.at {
			last = max(last, x.accepted)
		}
	}
	return last
}

// end finds the end.
//
// Not settled: a BYE that was accepted before the last accepted re-INVITE or UPDATE, which it must have crossed on the wire.
// It is the end all the same: a dialog does not outlive an accepted BYE.
func (t *talk) end(r *Record) {
	byes := byes(t.after())
	life := t.lastAccepted()
	var accepted, refused *ending
	for i := range byes {
		b := &byes[i]
		late := b.at > life
		switch {
		case b.bye.accepted != Never && (accepted == nil || late && accepted.at <= life):
			accepted = b
		case b.bye.accepted == Never && late && refused == nil && b.bye.request != nil:
			refused = b
		}
	}
	lost := t.lost(life)
	switch {
	case accepted != nil:
		t.byBye(r, accepted)
	case refused != nil && (lost == Never || refused.at-lost <= byeWait):
		t.byBye(r, refused)
	case lost != Never:
		r.End, r.EndCause, r.EndSource, r.DisconnectBy = lost, "dialog_lost", observed, byNetwork
		r.Missing = append(r.Missing, noBye)
		t.made = lost + byeWait
	default:
		t.noEnd(r)
	}
}

// after returns t's BYEs after the answer.
func (t *talk) after() (txns []*txn) {
	for _, x := range t.of("BYE") {
		if x.at > t.answer.at {
			txns = append(txns, x)
		}
	}
	return txns
}

// byes returns the BYEs among txns in the order of time, a challenged one and its retry as one.
func byes(txns []*txn) (es []ending) {
	for _, x := range txns {
		if x.method != "BYE" {
			continue
		}
		i := len(es)
		for i > 0 && es[i-1].at > x.at {
			i--
		}
		es = append(es[:i], append([]ending{{x, x.at, x.side}}, es[i:]...)...)
	}
	for i := 0; i < len(es); i++ {
		for j := i + 1; es[i].bye.challenged() && j < len(es); j++ {
			if es[j].bye.fork == es[i].bye.fork && es[j].side == es[i].side && es[j].at-es[i].bye.refused <= byeWait {
				es[i].bye = es[j].bye.behind(es[i].bye)
				es = append(es[:j], es[j+1:]...)
				j--
			}
		}
	}
	return es
}

// lost is the first 481 or 408 to a re-INVITE or UPDATE after the last accepted one, Never without one.
func (t *talk) lost(life time.Duration) time.Duration {
	first := Never
	for _, x := range t.of("INVITE", "UPDATE") {
		if x.accepted != Never || x.refusal == nil || x.refusal.Status != 481 && x.refusal.Status != 408 {
			continue
		}
		if x.refused > t.answer.at && x.refused > life && (first == Never || x.refused < first) {
			first = x.refused
		}
	}
	return first
}

// byBye fills in an end by a BYE.
//
// Not settled: a BYE of which only the 2xx was seen. It proves the end: end_time is the 2xx, bye is missing, so it is
// not billable, and the cause is unknown, for a Reason may have stood in the BYE.
func (t *talk) byBye(r *Record, e *ending) {
	r.End, r.EndCause, r.EndSource, r.DisconnectBy = e.at, "normal", observed, e.side
	if t.referred(e.at) {
		r.EndCause = "transfer"
	}
	t.made = e.at + byeWait
	if e.bye.accepted != Never {
		t.made = e.bye.accepted
	}
	if e.bye.request == nil {
		r.Missing = append(r.Missing, noBye)
		return
	}
	if e.bye.answeredAt() == Never {
		r.Missing = append(r.Missing, noByeAnswer)
	}
	r.setCause(e.bye.request.Cause, 16)
}

func (t *talk) referred(before time.Duration) bool {
	for _, x := range t.of("REFER") {
		if x.accepted != Never && x.accepted <= before {
			return true
		}
	}
	return false
}

// noEnd fills in the end of a talk of which none was seen.
func (t *talk) noEnd(r *Record) {
	r.DisconnectBy = unknown
	r.Missing = append(r.Missing, noBye)
	r.EndCause, r.EndSource = captureEnd, captureEnd
	refresh, expires := t.refresh()
	switch {
	case expires > 0:
		if limit := refresh + time.Duration(expires)*time.Second + byeWait; t.until >= limit {
			r.EndCause, r.EndSource, r.End = "session_timer", "session_timer", refresh
		}
	case t.until-t.lastSignal() >= callLimit:
		r.EndCause, r.EndSource = timeout, "max_duration"
	}
}

// refresh returns the last refresh and the interval it granted, 0 without a session timer.
func (t *talk) refresh() (time.Duration, int) {
	last, expires := t.answer.at, t.answer.expires
	for _, x := range t.of("INVITE", "UPDATE") {
		if x.accepted > last {
			last, expires = x.accepted, x.expires
		}
	}
	return last, expires
}

// lastSignal is the last message of t's dialog.
func (t *talk) lastSignal() time.Duration {
	last := t.answer.at
	for _, m := range t.mineToo {
		last = max(last, m.Time)
	}
	return last
}

// holdAndRefresh sets what was agreed inside the dialog.
func (t *talk) holdAndRefresh(r *Record) {
	if t.referred(1 << 62) {
		r.Transfer = "blind"
	}
	for _, x := range t.of("INVITE", "UPDATE") {
		if x.accepted > t.answer.at {
			r.Reinvites++
		}
	}
}

// hold sets how often and how long the call was held, once the end is known.
func (t *talk) hold(r *Record) {
	since := Never
	for _, x := range t.agreed() {
		offer := x.sdp
		if x.request == nil && x.reply == "sendrecv" {
			offer = "sendrecv" // RFC 3264 6.1: nothing else can be answered so
		}
		held := offer == "sendonly" || offer == "inactive"
		switch {
		case offer == "":
		case held && since == Never:
			since = x.accepted
			r.Holds++
		case !held && since != Never:
			r.Held += x.accepted - since
			since = Never
		}
	}
	if since != Never && r.End != Never {
		r.Held += max(r.End-since, 0)
	}
}

// agreed returns the accepted re-INVITEs and UPDATEs in the order of their 2xx.
func (t *talk) agreed() (txns []*txn) {
	for _, x := range t.of("INVITE", "UPDATE") {
		if x.accepted <= t.answer.at {
			continue
		}
		i := len(txns)
		for i > 0 && txns[i-1].accepted > x.accepted {
			i--
		}
		txns = append(txns[:i], append([]*txn{x}, txns[i:]...)...)
	}
	return txns
}

// race sets cancel_race: of the first answered fork only, whose attempt was cancelled on the caller's hop.
func (t *talk) race(r *Record) {
	t.hold(r)
	for _, a := range t.attempts {
		if a.cancel() != nil && !t.second && t.answer.code != 0 {
			r.Flags = append(r.Flags, "cancel_race")
		}
	}
}

// seen sets what was seen and what is missing of an answered call.
func (t *talk) seen(r *Record) {
	seen := 3 // INVITE, 2xx, ACK
	if t.answer.code == 0 {
		seen--
		r.Missing = append(r.Missing, noFinal)
		if !t.answer.unseen {
			r.Flags = append(r.Flags, "answer_by_ack")
		}
	}
	if !t.acknowledged() {
		seen--
		r.Missing = append(r.Missing, noAck)
		if t.closed(r)-t.answer.at >= byeWait && !t.answer.unseen {
			r.Flags = append(r.Flags, "no_ack")
		}
	}
	if !slices.Contains(r.Missing, noBye) {
		seen++
	}
	if r.EndSource == observed && r.EndCause != "dialog_lost" && !slices.Contains(r.Missing, noByeAnswer) {
		seen++
	}
	r.Completeness = 100 * seen / 5
}

// closed is when the record is made: a BYE that crossed the one that is the end and was sent before is waited for.
func (t *talk) closed(r *Record) time.Duration {
	if r.EndSource != observed {
		return t.until
	}
	closed := t.made
	for _, x := range t.after() {
		if x.request == nil || x.at >= r.End {
			continue
		}
		wait := x.at + byeWait
		if x.refusal != nil {
			wait = min(wait, x.refused)
		}
		closed = max(closed, wait)
	}
	return min(closed, t.until)
}

// acknowledged reports whether the ACK of t's answer was seen, on whichever hop.
func (t *talk) acknowledged() bool {
	for a, m := range t.messages() {
		if a.acknowledgesAnswer(m) && t.resolve(m, false) == t.answer.tag {
			return true
		}
	}
	return false
}
