package oracle

import (
	"cmp"
	"slices"
	"time"
)

// A dialogs is a call with the To tags and the answers that were seen of it.
type dialogs struct {
	tries
	tags    map[hop]map[string]time.Duration // when each was seen first
	answers []answer
}

// An answer is one fork that was answered.
type answer struct {
	tag     string // on the caller's hop
	at      time.Duration
	code    int // 0 when an ACK proves it
	expires int
	unseen  bool // neither the 2xx nor an ACK was seen: at is Never
}

// other is the fork of a dialog that was seen on a hop behind the caller's and is none of the caller's forks.
const other = "\x00other"

// seeTags takes note of the To tags of each hop.
func (c *dialogs) seeTags() {
	c.tags = map[hop]map[string]time.Duration{}
	for _, m := range c.messages() {
		if m.provisional() && m.To != "" || m.Method == "INVITE" && m.accepts() {
			c.sawTag(m)
		}
	}
	for a, m := range c.messages() { // the ACK that proves an answer where no response with a tag was seen
		if a.acknowledgesAnswer(m) && len(c.tags[m.hop()]) == 0 && c.tookPart(m.hop(), m.Time) {
			c.sawTag(m)
		}
	}
}

func (c *dialogs) sawTag(m *Message) {
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
func (c *dialogs) findAnswers() {
	for a, m := range c.messages() {
		if m.hop() == a.mine && m.Method == "INVITE" && m.accepts() {
			c.addAnswer(answer{tag: m.To, at: m.Time, code: m.Status, expires: m.Expires})
		}
	}
	if len(c.answers) == 0 {
		c.answerFromBehind()
	}
	for _, near := range []bool{true, false} {
		for a, m := range c.messages() {
			if (m.hop() == a.mine) == near && a.acknowledgesAnswer(m) && c.proves(m, near) {
				c.addAnswer(answer{tag: m.To, at: m.Time})
			}
		}
	}
	slices.SortStableFunc(c.answers, func(a, b answer) int { return cmp.Compare(a.at, b.at) })
}

// proves reports whether the ACK m shows an answer that no 2xx shows.
func (c *dialogs) proves(m *Message, near bool) bool {
	_, known := c.tags[m.hop()][m.To]
	switch {
	case !known:
		return false
	case !near || c.answeredBehind():
		return len(c.answers) == 0
	}
	return true
}

// answeredBehind reports whether the answer was seen on a hop behind the caller's only.
func (c *dialogs) answeredBehind() bool {
	return len(c.answers) == 1 && c.answers[0].code != 0 && !slices.ContainsFunc(c.attempts, func(a *attempt) bool {
		return nil != a.find(func(m *Message) bool { return m.hop() == a.mine && m.Method == "INVITE" && m.accepts() })
	})
}

func (c *dialogs) addAnswer(a answer) {
	if !slices.ContainsFunc(c.answers, func(o answer) bool { return o.tag == a.tag }) {
		c.answers = append(c.answers, a)
	}
}

// answerFromBehind takes the answer from a hop behind the caller's.
func (c *dialogs) answerFromBehind() {
	var first *Message
	var on *attempt
	for a, m := range c.messages() {
		if m.Method == "INVITE" && m.accepts() && (first == nil || m.Time < first.Time) {
			first, on = m, a
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

// near returns the To tags of the caller's hop.
func (c *dialogs) near() (tags []string) {
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
func (c *dialogs) resolve(m *Message, accepted bool) string {
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
		// Not settled: a dialog of which no response and no ACK was seen. An accepted BYE in it is the end.
		return tag
	}
	return ""
}

func (c *dialogs) anyTagBefore(h hop, t time.Duration) bool {
	for _, first := range c.tags[h] {
		if first <= t {
			return true
		}
	}
	return false
}

// link returns the caller's fork that the dialog with that To tag on h is: the same tag, and where tags are rewritten
// the answered fork for the dialog behind that answered it.
//
// Not settled: which of several dialogs behind a hop that rewrites tags is the caller's. An answer goes on to the
// caller at once: it is the first one answered there, and not answered later than the caller's.
func (c *dialogs) link(h hop, tag string) string {
	near := c.near()
	if c.mine(h) || slices.Contains(near, tag) {
		return tag
	}
	if len(c.answers) == 0 {
		shown, near := c.lastTags(func(on hop) bool { return on == h }), c.lastTags(c.mine) // those of tries before are over
		switch {
		case len(shown) != 1 || shown[0] != tag || len(near) > 1:
			return other
		case len(near) == 1 && c.apart(tag, near[0]):
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

// lastTags returns the To tags of the last attempt on some hops.
func (c *dialogs) lastTags(on func(hop) bool) (tags []string) {
	for _, m := range c.last().ms {
		if m.To != "" && (m.provisional() || m.Method == "INVITE" && m.accepts()) && on(m.hop()) && !slices.Contains(tags, m.To) {
			tags = append(tags, m.To)
		}
	}
	return tags
}

// apart reports whether a and b are two forks of the last attempt, not one whose tag is rewritten: one host got responses
// with both. A BYE to one of several early forks ends that fork only.
func (c *dialogs) apart(a, b string) bool {
	got := map[Host]int{}
	for _, m := range c.last().ms {
		switch {
		case !m.provisional() && (m.Method != "INVITE" || !m.accepts()):
		case m.To == a:
			got[m.Dst] |= 1
		case m.To == b:
			got[m.Dst] |= 2
		}
	}
	for _, both := range got {
		if both == 3 {
			return true
		}
	}
	return false
}

// firstTag returns the To tag that was seen first on any hop.
func (c *dialogs) firstTag() (tag string) {
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
func (c *dialogs) confirmedFirst(h hop) string {
	tag, at, anywhere := "", time.Duration(0), false
	limit := time.Duration(1 << 62)
	if c.invitedOn(h) && c.answers[0].code != 0 {
		limit = c.answers[0].at
	}
	for a, m := range c.messages() {
		answers := m.Method == "INVITE" && m.accepts() && m.Time <= limit
		acks := a.acknowledgesAnswer(m) && !c.answeredOn(m.hop(), m.To) // else its own 2xx has the time
		if m.hop() == a.mine || !answers && !acks {
			continue
		}
		anywhere = true
		if m.hop() == h && (tag == "" || m.Time < at) {
			tag, at = m.To, m.Time
		}
	}
	if !anywhere && len(c.tags[h]) == 1 {
		for t := range c.tags[h] {
			return t
		}
	}
	return tag
}

// hasTagOf reports whether one of m's tags was seen as a To tag of c.
func (c *dialogs) hasTagOf(m *Message) bool {
	for _, seen := range c.tags {
		_, from := seen[m.From]
		_, to := seen[m.To]
		if from || to {
			return true
		}
	}
	return false
}

// side is who sent m.
func (c *dialogs) side(m *Message) string {
	if m.From == c.tag || m.To != c.tag && !c.isCallee(m.From) {
		return caller
	}
	return callee
}

// isCallee reports whether tag is a callee's.
func (c *dialogs) isCallee(tag string) bool {
	for _, seen := range c.tags {
		if _, ok := seen[tag]; ok {
			return true
		}
	}
	return false
}
