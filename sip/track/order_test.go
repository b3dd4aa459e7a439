package track

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/sip"
)

// tooLate are stories of which a message can be read too late, with the number of that message from 1, and why.
var tooLate = map[string]int{
	"an UPDATE holds, the address of nobody resumes nothing": 8, // its 2xx looks as if it resumed
	"a transfer to a call that is up":                        6, // the 2xx to REFER does not name the replaced call
	"a call is taken up at its answer, though it had rung":   2, // its ACK is that of no known call
	"a late BYE of a fork that was published ends no other":  6, // its ACK is that of no dialog yet
}

// opensACall reports whether m is the first of its call: what is read before it belongs to none.
func opensACall(ms []sip.Message, i int) bool {
	return i == 0 || isInvite(&ms[i]) || isBye(&ms[i]) && !shownBefore(ms[:i], &ms[i])
}

func shownBefore(ms []sip.Message, m *sip.Message) bool {
	return slices.ContainsFunc(ms, func(o sip.Message) bool {
		return string(o.Value(sip.CallID)) == string(m.Value(sip.CallID))
	})
}

// TestTheOrderOfReadingChangesNoRecord reads each message of each story behind those that were sent within 200 ms of
// it.
func TestTheOrderOfReadingChangesNoRecord(t *testing.T) {
	t.Parallel()
	for _, s := range allStories() {
		ms := play(t, s.ladder)
		want := inWords(outcomes(t, ms, s.wait+time.Hour))
		for i := range ms {
			late := slices.Clone(ms)
			j := i
			for ; j+1 < len(late) && late[j+1].Time.Sub(ms[i].Time) < 200*time.Millisecond; j++ {
				late[j], late[j+1] = late[j+1], late[j]
			}
			if i == j || opensACall(ms, i) || tooLate[s.name] == i+1 {
				continue
			}
			if got := inWords(outcomes(t, late, s.wait+time.Hour)); !slices.Equal(got, want) {
				t.Errorf("%s: message %d late: got\n%s\nwant\n%s", s.name, i+1, strings.Join(got, " "),
					strings.Join(want, " "))
			}
		}
	}
}
