package randomcall

import (
	"slices"
	"time"

	"sipsieve/capture/capturetest/oracle"
)

// A recording is what a capture shows of a Call: some of it lost, cut off, repeated or seen twice.
type recording struct {
	*network
	*Call
}

// mangle makes of what was sent what the capture shows, and sets where it ends.
func (v *recording) mangle() {
	inOrder(v.Messages)
	if v.kinds.Has(LateCopy) {
		v.copyLate()
	}
	if v.kinds.Has(Repeats) && len(v.Messages) > 0 {
		v.repeat()
	}
	switch {
	case v.kinds.Has(Loss) && len(v.Messages) > 1:
		v.lose()
	case v.kinds.Has(OneWay):
		side := []oracle.Host{callerHost, calleeHost}[v.r.IntN(2)]
		v.Messages = slices.DeleteFunc(v.Messages, func(m oracle.Message) bool { return m.Src != side })
	case v.kinds.Has(NoAnswer):
		v.Messages = slices.DeleteFunc(v.Messages, func(m oracle.Message) bool {
			return m.From == v.tag && m.Seq == v.answered && (m.Method == "INVITE" && m.Status/100 == 2 || m.Method == "ACK")
		})
	case v.kinds.Has(MidCall):
		start := v.randomTime()
		v.Messages = slices.DeleteFunc(v.Messages, func(m oracle.Message) bool { return m.Time < start })
	}
	v.Until = 0
	for _, m := range v.Messages {
		v.Until = m.Time
	}
	switch {
	case v.kinds.Has(Cut):
		v.Until = v.randomTime()
		v.Messages = slices.DeleteFunc(v.Messages, func(m oracle.Message) bool { return m.Time > v.Until })
	case v.chance(8):
		v.Until += v.between(time.Second, 20*time.Second)
	default:
		v.Until += 6 * time.Hour
	}
	if v.kinds.Has(Taps) {
		v.twice()
	}
}

// lose takes one message away. Without its INVITE a call with early forks is several dialogs that nothing shows to
// be one call, a try of unknown time may be late, and a target's hop may be taken for the
// caller's.
func (v *recording) lose() {
	i := v.r.IntN(len(v.Messages))
	m := &v.Messages[i]
	alone := v.kinds.Has(EarlyBye, EarlyByeRefused, EarlyByeFork, Forks, Retry, LateRetry,
		NextCarrier)
	if alone && m.Method == "INVITE" && m.Status == 0 && m.To == "" {
		i = len(v.Messages) - 1
	}
	v.Messages = slices.Delete(v.Messages, i, i+1)
}

// randomTime returns a time within the capture: of a message, or between two.
func (v *recording) randomTime() time.Duration {
	if len(v.Messages) == 0 {
		return 0
	}
	m := &v.Messages[v.r.IntN(len(v.Messages))]
	return m.Time + v.between(0, 2*time.Second)
}

// repeat repeats some messages as RFC 3261 17 does, 500 ms and more after.
func (v *recording) repeat() {
	for range 1 + v.r.IntN(4) {
		m := v.Messages[v.r.IntN(len(v.Messages))]
		for i := range 1 + v.r.IntN(3) {
			again := m
			again.Time += 500 * time.Millisecond << i
			v.ids++
			again.ID = v.ids
			v.Messages = append(v.Messages, again)
		}
	}
	inOrder(v.Messages)
}

// copyLate repeats messages of one of two answered forks long after, as long as the other may be up.
func (v *recording) copyLate() {
	end := v.Messages[len(v.Messages)-1].Time
	for range 8 {
		m := v.Messages[v.r.IntN(len(v.Messages))]
		if m.Method == "BYE" || m.Method == "INVITE" && m.Status/100 == 2 || m.Method == "ACK" && m.To != "" {
			m.Time = v.between(min(m.Time+500*time.Millisecond, end), end)
			v.ids++
			m.ID = v.ids
			v.Messages = append(v.Messages, m)
		}
	}
	inOrder(v.Messages)
}

// twice has a second tap show some packets, not more than 150 ms later.
func (v *recording) twice() {
	for _, m := range v.Messages {
		if v.chance(2) {
			m.Time += v.between(20*time.Microsecond, 150*time.Millisecond)
			v.Messages = append(v.Messages, m)
		}
	}
	inOrder(v.Messages)
	for _, m := range v.Messages {
		v.Until = max(v.Until, m.Time)
	}
}
