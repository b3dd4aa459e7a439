// This file has methods of Comparison and call because the store's side and its match are a job of their own.

package reconcile

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sort"
	"time"
)

// A record is what a comparison keeps of a record of the store.
type record struct {
	id                     string
	start                  int64 // Unix milliseconds: INVITE, else the first other time
	talk                   int64 // milliseconds, unknownTalk
	caller, called, dialed uint64
	marks                  marks
	code                   uint16
	answered               bool
}

// A body is what is read of a record's JSON.
type body struct {
	Kind, ID, Stage, Status, Disposition string
	CallID                               string     `json:"call_id"`
	Caller                               string     `json:"caller_number"`
	Called                               string     `json:"called_number"`
	Dialed                               string     `json:"dialed_number"`
	Setup                                *time.Time `json:"setup_time"`
	Answer                               *time.Time `json:"answer_time"`
	End                                  *time.Time `json:"end_time"`
	Talk                                 *int64     `json:"duration_ms"`
	Code                                 *uint16    `json:"sip_code"`
	Missing                              []string
	Flags                                []string `json:"call_flags"`
}

// Add takes one record of the store, as it was published. Kinds other than call are passed over.
func (c *Comparison) Add(text []byte) error {
	var b body
	if err := json.Unmarshal(text, &b); err != nil {
		return errors.New("a record cannot be read") // json's errors quote what they cannot read
	}
	if b.Kind != "call" {
		return nil
	}
	c.records++
	r := c.recordOf(&b)
	if b.CallID != "" {
		if i := c.named(maphash.String(c.seed, b.CallID), r.start); i >= 0 {
			c.pair(i, r, &c.byCallID)
			return nil
		}
	}
	return c.keepLone(r)
}

func (c *Comparison) recordOf(b *body) record {
	r := record{id: b.ID, talk: unknownTalk, answered: b.Disposition == "answered"}
	for _, t := range []*time.Time{b.End, b.Answer, b.Setup} {
		if t != nil {
			r.start = t.UnixMilli()
		}
	}
	if b.Talk != nil {
		r.talk = *b.Talk
	}
	if b.Code != nil {
		r.code = *b.Code
	}
	if c.Caller {
		r.caller = readNumber(b.Caller)
	}
	if c.Called {
		r.called, r.dialed = readNumber(b.Called), readNumber(b.Dialed)
	}
	r.marks = marksOf(b)
	return r
}

// named returns the call of that name that has no match yet and began nearest to start, -1 for none.
func (c *Comparison) named(name uint64, start int64) int {
	best := -1
	first := sort.Search(len(c.calls), func(i int) bool { return c.calls[i].name >= name })
	for i := first; i < len(c.calls) && c.calls[i].name == name; i++ {
		if !c.calls[i].matched && (best < 0 || distance(c.calls[i].start, start) < distance(c.calls[best].start, start)) {
			best = i
		}
	}
	if i, ok := c.alias[name]; ok && best < 0 && !c.calls[i].matched {
		best = int(i)
	}
	return best
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// keepLone keeps a record that no call of the SBC's has the Call-ID of.
func (c *Comparison) keepLone(r record) error {
	if !r.answered && c.Settings.Calls == CallsAnswered {
		c.unanswered++
		return nil
	}
	if len(c.lone) >= MostLone {
		return fmt.Errorf("records without a match: %w", ErrTooMany)
	}
	c.lone = append(c.lone, r)
	return nil
}

// A pair is a call and its record that differ.
type pair struct {
	call   uint32
	what   differing
	record record
}

// pair matches a call and a record. If one of them is in the window it counts them, and keeps them if they differ.
func (c *Comparison) pair(i int, r record, count *int) {
	sbc := &c.calls[i]
	sbc.matched = true
	if !c.within(sbc.start) && !c.within(r.start) {
		sbc.outside = true
		return
	}
	*count++
	c.talk[0] += max(int64(sbc.talk), 0)
	c.talk[1] += max(r.talk, 0)
	if what := c.compare(sbc, &r); what != 0 {
		c.pairs = append(c.pairs, pair{uint32(i), what, r})
	}
}

// matchNumbers matches what is left by numbers and time: the nearest in time first come, for each record.
func (c *Comparison) matchNumbers() {
	if !c.Called {
		return
	}
	var left []uint32
	for i := range c.calls {
		if r := &c.calls[i]; !r.matched && r.called != 0 {
			left = append(left, uint32(i))
		}
	}
	slices.SortFunc(left, func(a, b uint32) int {
		x, y := &c.calls[a], &c.calls[b]
		return cmp.Or(cmp.Compare(numberEnd(x.called), numberEnd(y.called)), cmp.Compare(x.start, y.start))
	})
	slices.SortFunc(c.lone, func(a, b record) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.id, b.id)) })
	c.lone = slices.DeleteFunc(c.lone, func(r record) bool {
		i := c.dialled(left, &r)
		if i < 0 {
			return false
		}
		c.pair(i, r, &c.byNumbers)
		return true
	})
}

// dialled returns the call among left that has the numbers of r and began nearest to it, -1 for none.
func (c *Comparison) dialled(left []uint32, r *record) int {
	best := -1
	within := c.Within.Milliseconds()
	for _, number := range []uint64{r.called, r.dialed} {
		if number == 0 || best >= 0 {
			continue
		}
		first := sort.Search(len(left), func(i int) bool {
			x := &c.calls[left[i]]
			return cmp.Or(cmp.Compare(numberEnd(x.called), numberEnd(number)), cmp.Compare(x.start, r.start-within)) >= 0
		})
		for _, i := range left[first:] {
			x := &c.calls[i]
			if numberEnd(x.called) != numberEnd(number) || x.start > r.start+within {
				break
			}
			if !x.matched && x.sameOutcome(r) && sameNumber(x.called, number) && sameNumber(x.caller, r.caller) &&
				(best < 0 || distance(x.start, r.start) < distance(c.calls[best].start, r.start)) {
				best = int(i)
			}
		}
	}
	return best
}

// sameOutcome reports whether both were answered or both were not, as far as is known.
func (r *call) sameOutcome(o *record) bool {
	return r.state == stateUnknown || (r.state == stateAnswered) == o.answered
}

// differing is a set of what differs.
type differing uint8

const (
	differAnswered differing = 1 << iota
	differDuration
	differCode
	differCaller
	differCalled
)

// differingWords are the words of a report, in the order of the bits.
var differingWords = []string{"answered", "duration", "code", "caller", "called"}

// compare returns what differs between a call and its record. What one side does not have is no difference, but for the
// end of an answered call.
func (c *Comparison) compare(sbc *call, r *record) (what differing) {
	switch {
	case !sbc.sameOutcome(r):
		what |= differAnswered
	case !r.answered:
		if c.Code && sbc.code != 0 && sbc.code != r.code {
			what |= differCode
		}
	case c.Talk && sbc.talk >= 0:
		if r.talk < 0 || distance(int64(sbc.talk), r.talk) > (c.Tolerance+c.Grain).Milliseconds() {
			what |= differDuration
		}
	}
	if !sameNumber(sbc.caller, r.caller) {
		what |= differCaller
	}
	if !sameNumber(sbc.called, r.called) && !sameNumber(sbc.called, cmp.Or(r.dialed, r.called)) {
		what |= differCalled
	}
	return what
}
