package oracle

import (
	"cmp"
	"slices"
	"time"
)

// An answer is one fork that was answered.
type answer struct {
	tag     string // on the caller's hop
	at      time.Duration
	code    int // 0 when an ACK proves it
	expires int
	unseen  bool // neither the 2xx nor an ACK was seen: at is Never
}

// A txn is one request inside a dialog, seen on one hop or on several, and what became of it.
type txn struct {
	method   string
	side     string // who sent it
	on       hop    // of the first copy
	fork     string // To tag on the caller's hop; other for a dialog that none of the forks is
	seq      int
	request  *Message      // the first copy; nil when none was seen
	at       time.Duration // of request, else of the 2xx
	accepted time.Duration // first 2xx; Never without one
	refusal  *Message      // first other final response, unless it was accepted
	refused  time.Duration
	expires  int
	sdp      string // direction of the request
	reply    string // of the 2xx
}

// other is the fork of a dialog that was seen on a hop behind the caller's and is none of the caller's forks.
const other = "\x00other"

// seeDialogs finds the forks, the answers and the requests inside dialogs.
func (c *call) seeDialogs() {
	c.tags = map[hop]map[string]time.Duration{}
	for _, a := range c.attempts {
		for _, m := range a.ms {
			if m.provisional() && m.To != "" || m.Method == "INVITE" && m.accepts() {
				c.sawTag(m)
			}
		}
	}
	for _, a := range c.attempts { // the ACK that proves an answer where no response with a tag was seen
		for _, m := range a.ms {
			if a.acknowledgesAnswer(m) && len(c.tags[m.hop()]) == 0 && c.tookPart(m.hop(), m.Time) {
				c.sawTag(m)
			}
		}
	}
	c.findAnswers()
	c.findTransactions()
	c.answerUnseen()
}

// answerUnseen takes an accepted re-INVITE or UPDATE for the proof of an answer of which neither the 2xx nor the ACK
// was seen, when nothing else decides.
func (c *call) answerUnseen() {
	last := c.attempts[len(c.attempts)-1]
	if len(c.answers) > 0 || last.final() != nil || last.cancel() != nil {
		return
	}
	for _, t := range c.txns {
		if (t.method == "INVITE" || t.method == "UPDATE") && t.accepted != Never && t.fork != other {
			c.addAnswer(answer{tag: t.fork, at: Never, unseen: true})
			if c.tags[t.on] == nil { // Not settled: from then on the dialog has been seen there
				c.tags[t.on] = map[string]time.Duration{t.fork: t.accepted}
			}
			c.txns, c.mineToo, c.orphans = nil, nil, nil
			c.findTransactions()
			return
		}
	}
}

func (c *call) sawTag(m *Message) {
	seen := c.tags[m.hop()]
	if seen == nil {
		seen = map[string]time.Duration{}
		c.tags[m.hop()] = seen
	}
	if t, ok := seen[m.To]; !ok || m.Time < t {
		seen[m.To] = m.Time
	}
}

// findAnswers lists the answered forks in the order of their answers.
//
// Answers and second forks are those of the caller's hop. Without a 2xx there the first 2xx of another hop is the
// answer ("None there: the last final on any hop"), without any the ACK.
func (c *call) findAnswers() {
	for _, a := range c.attempts {
		for _, m := range a.ms {
			if m.hop() == a.mine && m.Method == "INVITE" && m.accepts() {
				c.addAnswer(answer{tag: m.To, at: m.Time, code: m.Status, expires: m.Expires})
			}
		}
	}
	if len(c.answers) == 0 {
		c.answerElsewhere()
	}
	for _, near := range []bool{true, false} {
		for _, a := range c.attempts {
			for _, m := range a.ms {
				if (m.hop() == a.mine) == near && a.acknowledgesAnswer(m) && c.proves(m, near) {
					c.addAnswer(answer{tag: m.To, at: m.Time})
				}
			}
		}
	}
	slices.SortStableFunc(c.answers, func(a, b answer) int { return cmp.Compare(a.at, b.at) })
}

// proves reports whether the ACK m shows an answer that no 2xx shows.
func (c *call) proves(m *Message, near bool) bool {
	_, known := c.tags[m.hop()][m.To]
	switch {
	case !known:
		return false
	case !near || c.elsewhere():
		return len(c.answers) == 0
	}
	return true
}

// elsewhere reports whether the answer was seen on a hop behind the caller's only.
func (c *call) elsewhere() bool {
	return len(c.answers) == 1 && c.answers[0].code != 0 && !slices.ContainsFunc(c.attempts, func(a *attempt) bool {
		return nil != a.find(func(m *Message) bool { return m.hop() == a.mine && m.Method == "INVITE" && m.accepts() })
	})
}

func (c *call) addAnswer(a answer) {
	if !slices.ContainsFunc(c.answers, func(o answer) bool { return o.tag == a.tag }) {
		c.answers = append(c.answers, a)
	}
}

// answerElsewhere takes the answer from a hop behind the caller's.
func (c *call) answerElsewhere() {
	var first *Message
	var on *attempt
	for _, a := range c.attempts {
		for _, m := range a.ms {
			if m.Method == "INVITE" && m.accepts() && (first == nil || m.Time < first.Time) {
				first, on = m, a
			}
		}
	}
	if first == nil {
		return
	}
	tag := first.To
	near := c.tags[on.mine]
	ack := on.find(func(m *Message) bool { return m.hop() == on.mine && on.acknowledgesAnswer(m) })
	if _, same := near[tag]; !same {
		switch {
		case ack != nil:
			tag = ack.To
		case len(near) == 1:
			for t := range near {
				tag = t
			}
		}
	}
	c.addAnswer(answer{tag: tag, at: first.Time, code: first.Status, expires: first.Expires})
}

// mine reports whether h is the caller's hop. Of a call whose INVITE was not seen none is behind another.
func (c *call) mine(h hop) bool {
	n := len(c.attempts)
	return n == 0 || h == c.attempts[n-1].mine
}

// near returns the To tags of the caller's hop.
func (c *call) near() (tags []string) {
	for h, seen := range c.tags {
		for t := range seen {
			if c.mine(h) && !slices.Contains(tags, t) {
				tags = append(tags, t)
			}
		}
	}
	slices.Sort(tags)
	return tags
}

// resolve returns the fork to which a request with m's tags on m's hop belongs, "" for none. accepted is whether its
// reply is 2xx.
func (c *call) resolve(m *Message, accepted bool) string {
	h, tag := m.hop(), ""
	switch c.tag {
	case m.From:
		tag = m.To
	case m.To:
		tag = m.From
	}
	if first, ok := c.tags[h][tag]; ok && tag != "" && first <= m.Time {
		return c.link(h, tag)
	}
	if c.anyTagBefore(h, m.Time) || !c.tookPart(h, m.Time) {
		return ""
	}
	known := tag != "" || m.From == c.tag || m.To == c.tag
	for on, seen := range c.tags {
		if first, ok := seen[tag]; ok && tag != "" && first <= m.Time {
			return c.link(on, tag)
		}
		_, from := seen[m.From]
		_, to := seen[m.To]
		known = known || from || to
	}
	switch {
	case !known || !accepted:
	case len(c.answers) == 1 && c.answers[0].at <= m.Time:
		return c.answers[0].tag
	case len(c.answers) == 0 && len(c.tags) == 0 && (m.Method == "BYE" || m.Method == "INVITE" || m.Method == "UPDATE"):
		// Not settled: a dialog of which no response and no ACK was seen. An accepted BYE in it can but be the end.
		return tag
	}
	return ""
}

func (c *call) anyTagBefore(h hop, t time.Duration) bool {
	for _, first := range c.tags[h] {
		if first <= t {
			return true
		}
	}
	return false
}

// tookPart reports whether both addresses of h sent or received something of the INVITEs until t.
func (c *call) tookPart(h hop, t time.Duration) bool {
	low, high := false, false
	for _, a := range c.attempts {
		for _, m := range a.ms {
			if m.Time <= t && !a.acknowledgesAnswer(m) {
				low, high = low || m.hop().has(h.low), high || m.hop().has(h.high)
			}
		}
	}
	return low && high
}

// link returns the caller's fork that the dialog with that To tag on h is: the same tag, and where tags are rewritten
// the answered fork for the dialog behind that answered it.
//
// Not settled: which of several dialogs behind a hop that rewrites tags is the caller's. An answer goes on to the
// caller at once: it is the first one answered there, and not answered later than the caller's.
func (c *call) link(h hop, tag string) string {
	near := c.near()
	if c.mine(h) || slices.Contains(near, tag) {
		return tag
	}
	if len(c.answers) == 0 {
		switch {
		case len(c.tags[h]) != 1 || len(near) > 1:
			return other
		case len(near) == 1:
			return near[0]
		}
		return c.firstTag()
	}
	if len(c.answers) > 1 || c.confirmedFirst(h) != tag {
		return other
	}
	return c.answers[0].tag
}

// firstTag returns the To tag that was seen first on any hop.
func (c *call) firstTag() (tag string) {
	at := time.Duration(1 << 62)
	for _, seen := range c.tags {
		for t, first := range seen {
			if first < at || first == at && t < tag {
				tag, at = t, first
			}
		}
	}
	return tag
}

// confirmedFirst returns the tag of the dialog on h that is the caller's answer: of those confirmed there the first. On
// a hop behind the caller's its 2xx is not later than the caller's; in front of it are hops whose INVITE was lost.
func (c *call) confirmedFirst(h hop) string {
	tag, at, anywhere := "", time.Duration(0), false
	limit := time.Duration(1 << 62)
	if c.invitedOn(h) && c.answers[0].code != 0 {
		limit = c.answers[0].at
	}
	for _, a := range c.attempts {
		for _, m := range a.ms {
			answers := m.Method == "INVITE" && m.accepts() && m.Time <= limit
			acks := a.acknowledgesAnswer(m) && !c.answeredOn(m.hop(), m.To) // else its own 2xx says when
			if m.hop() == a.mine || !answers && !acks {
				continue
			}
			anywhere = true
			if m.hop() == h && (tag == "" || m.Time < at) {
				tag, at = m.To, m.Time
			}
		}
	}
	if !anywhere && len(c.tags[h]) == 1 {
		for t := range c.tags[h] {
			return t
		}
	}
	return tag
}

func (c *call) invitedOn(h hop) bool {
	return slices.ContainsFunc(c.attempts, func(a *attempt) bool { return a.invitedOn(h) })
}

// answeredOn reports whether a 2xx with that tag was seen on h.
func (c *call) answeredOn(h hop, tag string) bool {
	return slices.ContainsFunc(c.attempts, func(a *attempt) bool {
		return nil != a.find(func(m *Message) bool {
			return m.Method == "INVITE" && m.accepts() && m.hop() == h && m.To == tag
		})
	})
}
