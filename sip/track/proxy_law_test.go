package track

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/sip/event"
)

// atOneHop is what a proxy cannot be seen in: one pair of hosts, its addresses their own, over UDP.
func atOneHop(s story) bool {
	for _, word := range []string{"ipv6", "transport", " is ", "twice", "carol", "From:", "Via:", "callid"} {
		if strings.Contains(s.ladder, word) {
			return false
		}
	}
	return true
}

// essence is what of c does not depend on which hop showed a message first. That an answer had no ACK for 32 s does:
// it is a millisecond younger behind a proxy.
func essence(c *event.Call) string {
	return fmt.Sprint(dispositions[c.Disposition], c.Status, c.Completeness, c.Code, c.Cause, c.EndCause, c.EndSource,
		c.DisconnectBy, c.Flags&^event.NoAckFlag, c.Missing, c.Forks, c.Reinvites, c.Holds, c.Challenges, c.Redirects,
		c.EarlyMedia,
		c.Transfer, c.Setup.IsZero(), c.Answer.IsZero(), c.End.IsZero())
}

// TestAProxyChangesNoRecord shows every story on both hops of a proxy, of one that hides its topology, and of an SBC
// with two addresses.
func TestAProxyChangesNoRecord(t *testing.T) {
	t.Parallel()
	sbc := []string{"192.0.2.1", "192.0.2.2 198.51.100.2", "203.0.113.3"}
	for name, r := range map[string]route{
		"a proxy":                     {hosts: proxied.hosts},
		"a proxy that hides":          {hosts: proxied.hosts, hiding: true},
		"two addresses":               {hosts: sbc},
		"two addresses, and it hides": {hosts: sbc, hiding: true},
	} {
		for _, s := range allStories() {
			if !atOneHop(s) || r.hiding && slices.Contains(notSaved, s.name) { // a BYE alone names no other
				continue
			}
			alone := route{hosts: proxied.hosts[:2]}
			want, got := records(t, alone.passings(t, s.ladder)), records(t, r.passings(t, s.ladder))
			if len(got) != len(want) {
				t.Errorf("%s, %s: %d records, want %d", name, s.name, len(got), len(want))
				continue
			}
			for i := range got {
				longer := got[i].End.Sub(got[i].Answer) - want[i].End.Sub(want[i].Answer)
				if a, b := essence(got[i]), essence(want[i]); a != b || longer.Abs() > 2*time.Millisecond {
					t.Errorf("%s, %s: got\n%s\nwant\n%s", name, s.name, lineOf(got[i]), lineOf(want[i]))
				}
			}
		}
	}
}
