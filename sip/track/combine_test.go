package track

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// last returns the record of each call that was published last.
func last(events []event.Event) (cs []*event.Call) {
	at := map[string]int{}
	for _, e := range events {
		if e.Kind != event.CallKind || e.Stage != event.Stop && e.Stage != event.Correction {
			continue
		}
		key := fmt.Sprintf("%s %d %d", e.Call.Facts.First(facts.CallIDText), e.Ordinal>>16, e.Call.FirstSeen.UnixNano())
		if i, published := at[key]; published {
			cs[i] = e.Call
			continue
		}
		at[key] = len(cs)
		cs = append(cs, e.Call)
	}
	return cs
}

// outcomes plays ms to a Tracker that publishes corrections, waits, and returns the records.
func outcomes(t testing.TB, ms []sip.Message, wait time.Duration) []*event.Call {
	t.Helper()
	tr := New(DefaultLimits())
	tr.PublishAt(event.StagesOf(event.Stop, event.Correction))
	return last(follow(t, tr, ms, wait))
}

// shown reports whether ms has a message of c's Call-ID that the function accepts.
func shown(ms []sip.Message, c *event.Call, is func(*sip.Message) bool) bool {
	return slices.ContainsFunc(ms, func(m sip.Message) bool {
		return string(m.Value(sip.CallID)) == string(c.Facts.First(facts.CallIDText)) && is(&m)
	})
}

func isInvite(m *sip.Message) bool { return m.Method == sip.Invite && m.Request() && m.ToTag() == nil }
func isAck(m *sip.Message) bool    { return m.Method == sip.Ack && m.Request() }
func isCancel(m *sip.Message) bool { return m.Method == sip.Cancel && m.Request() }
func isBye(m *sip.Message) bool    { return m.Method == sip.Bye && m.Request() }
func isAnswer(m *sip.Message) bool { return m.Method == sip.Invite && m.Status/100 == 2 }
func isEnded(m *sip.Message) bool  { return m.Method == sip.Bye && m.Status >= 200 }
func isRefusal(m *sip.Message) bool {
	return (m.Method == sip.Invite || m.Method == sip.Update) && m.Status >= 300
}

// sound checks that c reports no message as seen that is not in ms.
// In what order the messages came decides whether an ACK is one to a final response that was not seen.
func sound(t *testing.T, what string, c *event.Call, ms []sip.Message, ordered bool) {
	t.Helper()
	byAckAlone := c.Disposition == event.NoAnswer && c.Missing&event.NoFinal != 0
	seen := func(is func(*sip.Message) bool) bool { return shown(ms, c, is) }
	at := func(when time.Time, kinds ...func(*sip.Message) bool) bool {
		return seen(func(m *sip.Message) bool {
			return m.Time.Equal(when) && slices.ContainsFunc(kinds, func(is func(*sip.Message) bool) bool { return is(m) })
		})
	}
	answered := c.Disposition == event.Answered
	for _, law := range []struct {
		name string
		when bool
		then bool
	}{
		{"the setup was seen", !c.Setup.IsZero(), at(c.Setup, isInvite)},
		{"the answer was seen", !c.Answer.IsZero(), at(c.Answer, isAnswer, isAck)},
		{"an observed end was seen", c.EndSource == event.Observed, at(c.End, isBye, isEnded, isCancel, isRefusal)},
		{"only an observed end has end_time", !c.End.IsZero(), c.EndSource == event.Observed || c.EndSource == event.SessionTimer},
		{"the INVITE was seen", c.Missing&event.NoInvite == 0, seen(isInvite)},
		{"a final response was seen", c.Missing&event.NoFinal == 0, seen(isAnswer) || seen(isRefusal) ||
			seen(func(m *sip.Message) bool { return m.Method == sip.Update && m.Status/100 == 2 })},
		{"the BYE was seen", answered && c.Missing&event.NoBye == 0, seen(isBye)},
		{"the response to BYE was seen", answered && c.Missing&(event.NoBye|event.NoByeResponse) == 0, seen(isEnded)},
		{"the CANCEL was seen, or an early BYE", c.Disposition == event.Cancelled && c.Missing&event.NoCancel == 0,
			seen(isCancel) || seen(isEnded)},
		{"a billed call was seen whole", billable(c), seen(isInvite) && seen(isAnswer) && seen(isBye)},
		{"completeness is as defined", ordered || !byAckAlone, c.Completeness == defined(c, ms)},
		{"what is complete misses nothing", c.Status == event.Complete, c.Missing == 0 && c.Completeness == 100},
		{"no hold is longer than the call", c.Held != 0, 0 < c.Held && c.Held <= ms[len(ms)-1].Time.Sub(ms[0].Time)},
	} {
		if law.when && !law.then {
			t.Errorf("%s: not so: %s\n%s", what, law.name, lineOf(c))
		}
	}
}

// billable is the rule of records: both answer and end were observed.
func billable(c *event.Call) bool {
	return c.Disposition == event.Answered && c.EndSource == event.Observed && !c.Answer.IsZero() && !c.End.IsZero() &&
		c.Missing&(event.NoInvite|event.NoFinal|event.NoBye) == 0
}

// defined is the completeness of c by its definition, from its missing messages. An ACK to a final response that
// was not seen is not missing, and counts if it was seen.
func defined(c *event.Call, ms []sip.Message) int {
	want := []event.Missing{event.NoInvite, event.NoFinal, event.NoAck}
	switch c.Disposition {
	case event.Answered:
		want = append(want, event.NoBye, event.NoByeResponse)
	case event.Cancelled:
		want = append(want, event.NoCancel)
	}
	n := 0
	for _, m := range want {
		missing := c.Missing&m != 0
		if m == event.NoAck && c.Disposition == event.NoAnswer && c.Missing&event.NoFinal != 0 {
			missing = !acknowledged(ms, c)
		}
		if m == event.NoByeResponse && c.Missing&event.NoBye != 0 {
			missing = !shown(ms, c, isEnded) || c.EndSource != event.Observed || c.EndCause == event.EndDialogLost
		}
		if !missing {
			n++
		}
	}
	return n * 100 / len(want)
}

// acknowledged reports whether the last INVITE that is shown of c has its ACK. A re-INVITE is none.
func acknowledged(ms []sip.Message, c *event.Call) bool {
	last := uint32(0)
	shown(ms, c, func(m *sip.Message) bool {
		inside := c.Disposition == event.Answered && m.Time.After(c.Answer)
		own := string(m.FromTag()) == string(c.Facts.First(facts.CallerTag))
		if own && (isInvite(m) || m.Method == sip.Invite && !m.Request() && !inside) {
			last = max(last, m.CSeq)
		}
		return false
	})
	return shown(ms, c, func(m *sip.Message) bool {
		return isAck(m) && m.CSeq == last && string(m.FromTag()) == string(c.Facts.First(facts.CallerTag))
	})
}

// exact checks that c reports no message as missing that is in ms.
func exact(t *testing.T, what string, c *event.Call, ms []sip.Message) {
	t.Helper()
	seen := func(is func(*sip.Message) bool) bool { return shown(ms, c, is) }
	for _, law := range []struct {
		name  string
		wrong bool
	}{
		{"the INVITE was seen", c.Missing&event.NoInvite != 0 && seen(isInvite)},
		{"the answer was seen", c.Missing&event.NoFinal != 0 && seen(func(m *sip.Message) bool {
			return isAnswer(m) && seen(func(i *sip.Message) bool {
				return isInvite(i) && i.CSeq == m.CSeq && string(i.FromTag()) == string(m.FromTag())
			})
		})},
		{"the ACK was seen", c.Missing&event.NoAck != 0 && !c.Setup.IsZero() && c.EndCause != event.EndDialogLost && acknowledged(ms, c)},
		{"the BYE was seen", c.Missing&event.NoBye != 0 && seen(isBye) && c.EndCause != event.EndDialogLost},
		{"messages of both sides were seen", c.Missing&event.OneDirection != 0 &&
			seen((*sip.Message).Request) && seen(func(m *sip.Message) bool { return !m.Request() })},
	} {
		if law.wrong {
			t.Errorf("%s: but %s\n%s", what, law.name, lineOf(c))
		}
	}
}

func TestNothingUnseenIsPublished(t *testing.T) {
	t.Parallel()
	for _, s := range allStories() {
		ms := play(t, s.ladder)
		swapped := false
		check := func(what string, ms []sip.Message) {
			cs := outcomes(t, ms, s.wait)
			for _, c := range cs {
				sound(t, s.name+": "+what, c, ms, !swapped)
				settled := slices.ContainsFunc(settledStories, func(o story) bool { return o.name == s.name })
				if !swapped && len(cs) == 1 && c.Forks < 2 && !settled { // there, what is seen may be of no account
					exact(t, s.name+": "+what, c, ms)
				}
			}
		}
		check("as it is", ms)
		check("requests", slices.DeleteFunc(slices.Clone(ms), func(m sip.Message) bool { return !m.Request() }))
		check("responses", slices.DeleteFunc(slices.Clone(ms), func(m sip.Message) bool { return m.Request() }))
		for i := range ms {
			check(fmt.Sprint("from message ", i+1), ms[i:])
			check(fmt.Sprint("to message ", i+1), ms[:i+1])
			check(fmt.Sprint("without message ", i+1), slices.Delete(slices.Clone(ms), i, i+1))
		}
		swapped = true
		for i := 1; i < len(ms); i++ {
			late, other := slices.Clone(ms), slices.Clone(ms)
			late[i-1], late[i] = late[i], late[i-1]
			check(fmt.Sprint("message ", i+1, " shown early"), late)
			other[i-1], other[i] = other[i], other[i-1]
			other[i-1].Time, other[i].Time = other[i].Time, other[i-1].Time
			check(fmt.Sprint("message ", i+1, " sent early"), other)
		}
	}
}
