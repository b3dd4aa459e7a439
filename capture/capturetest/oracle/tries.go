package oracle

import (
	"iter"
	"slices"
	"time"
)

// A tries is the attempts that belong together: one call of a caller.
type tries struct {
	*trace
	tag      string // the caller's
	attempts []*attempt
	start    time.Duration
	next     time.Duration // start of the next call of that tag
}

// messages yields the messages of all attempts, each with its attempt.
func (c *tries) messages() iter.Seq2[*attempt, *Message] {
	return func(yield func(*attempt, *Message) bool) {
		for _, a := range c.attempts {
			for _, m := range a.ms {
				if !yield(a, m) {
					return
				}
			}
		}
	}
}

// last returns the last attempt.
func (c *tries) last() *attempt { return c.attempts[len(c.attempts)-1] }

func (c *tries) attempt(m *Message) *attempt { return attemptOf(c.attempts, c.tag, m) }

// mine reports whether h is the caller's hop. Of a call whose INVITE was not seen none is behind another.
func (c *tries) mine(h hop) bool {
	n := len(c.attempts)
	return n == 0 || h == c.attempts[n-1].mine
}

// forks counts the To tags of 101-199 and 2xx on the caller's hop.
func (c *tries) forks() int {
	tags := map[string]bool{}
	for a, m := range c.messages() {
		if m.hop() == a.mine && m.To != "" && (m.provisional() || m.Method == "INVITE" && m.accepts()) {
			tags[m.To] = true
		}
	}
	return len(tags)
}

func (c *tries) challenges() (n int) {
	for _, a := range c.attempts {
		if f := a.final(); f != nil && !a.answered() && (f.Status == 401 || f.Status == 407) {
			n++
		}
	}
	return n
}

// redirects counts the 3xx that a new INVITE of the same call followed.
func (c *tries) redirects() (n int) {
	for _, a := range c.attempts[:len(c.attempts)-1] {
		if f := a.final(); f != nil && f.Status/100 == 3 {
			n++
		}
	}
	return n
}

// tookPart reports whether both addresses of h sent or received something of the INVITEs until t.
func (c *tries) tookPart(h hop, t time.Duration) bool {
	low, high := false, false
	for a, m := range c.messages() {
		if m.Time <= t && !a.acknowledgesAnswer(m) {
			low, high = low || m.hop().has(h.low), high || m.hop().has(h.high)
		}
	}
	return low && high
}

func (c *tries) invitedOn(h hop) bool {
	return slices.ContainsFunc(c.attempts, func(a *attempt) bool { return a.invitedOn(h) })
}

// answeredOn reports whether a 2xx with that tag was seen on h.
func (c *tries) answeredOn(h hop, tag string) bool {
	return slices.ContainsFunc(c.attempts, func(a *attempt) bool {
		return nil != a.find(func(m *Message) bool {
			return m.Method == "INVITE" && m.accepts() && m.hop() == h && m.To == tag
		})
	})
}
