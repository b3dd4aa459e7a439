// This file has methods of Comparison, call and record because a report shows them all in the same words.

package reconcile

import (
	"cmp"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kinds of a difference.
const (
	OnlySBC   = "only_sbc"
	OnlySieve = "only_sieve"
	Differs   = "differs"
)

// Totals are the sums of a comparison: SBC = Matched + OnlySBC, Sieve = Matched + OnlySieve, Matched = Equal + Differing.
type Totals struct {
	Complete    bool                      `json:"complete"` // false: records of a damaged partition are missing
	From        string                    `json:"from"`
	To          string                    `json:"to"`
	Calls       string                    `json:"calls"` // all, or answered
	ToleranceMS int64                     `json:"tolerance_ms"`
	SBC         int                       `json:"sbc_calls"`
	Sieve       int                       `json:"sieve_calls"`
	SBCTalk     int64                     `json:"sbc_talk_ms"`
	SieveTalk   int64                     `json:"sieve_talk_ms"`
	Matched     int                       `json:"matched"`
	MatchedBy   map[string]int            `json:"matched_by"`
	Equal       int                       `json:"equal"`
	Differing   int                       `json:"differing"`
	DifferingBy map[string]int            `json:"differing_by"` // a call may differ in several
	OnlySBC     int                       `json:"only_sbc"`
	OnlySieve   int                       `json:"only_sieve"`
	Reasons     map[string]map[string]int `json:"reasons"` // by kind and first reason
	NotCompared map[string]int            `json:"not_compared"`
	NotListed   int                       `json:"not_listed"` // differences beyond MostListed
	Lines       Lines                     `json:"lines"`
}

// A Difference is one line of a report.
type Difference struct {
	Kind    string   `json:"kind"` // only_sbc, only_sieve, differs
	What    string   `json:"what,omitempty"`
	Start   string   `json:"start"`
	CallID  string   `json:"call_id,omitempty"` // as the SBC has it
	File    int      `json:"file,omitempty"`    // of the SBC's, from 1
	Line    int      `json:"line,omitempty"`
	ID      string   `json:"id,omitempty"` // of the record
	SBC     string   `json:"sbc"`
	Sieve   string   `json:"sieve"`
	Reasons []string `json:"reasons"`
	Detail  string   `json:"detail,omitempty"`
	Marks   []string `json:"marks,omitempty"` // of the record

	place uint64
}

// A Report is the outcome of a comparison.
type Report struct {
	Totals
	c *Comparison
}

// Same reports whether the two sides are equal: no difference, and no line of the SBC's that could not be read.
func (r *Report) Same() bool {
	return r.Differing+r.OnlySBC+r.OnlySieve == 0 && len(r.Lines.Refused) == 0
}

// Report ends a comparison.
func (c *Comparison) Report() *Report {
	c.matchNumbers()
	from, to := c.Window()
	t := Totals{Complete: true, From: moment(from), To: moment(to), Calls: cmp.Or(c.Settings.Calls, CallsAll), ToleranceMS: c.Tolerance.Milliseconds(),
		MatchedBy: map[string]int{"call_id": c.byCallID, "numbers": c.byNumbers}, DifferingBy: map[string]int{},
		Reasons: map[string]map[string]int{}, NotCompared: map[string]int{}, Lines: c.lines}
	t.NotCompared["unanswered_records"] = c.unanswered
	for i := range c.calls {
		switch sbc := &c.calls[i]; {
		case sbc.outside || !sbc.matched && !c.within(sbc.start):
			t.NotCompared["sbc_outside_window"]++
		case sbc.matched:
			t.Matched++
		case c.Settings.Calls == CallsAnswered && sbc.state == stateFailed:
			t.NotCompared["sbc_unanswered"]++
		default:
			t.OnlySBC++
			c.talk[0] += max(int64(sbc.talk), 0)
		}
	}
	for i := range c.lone {
		if c.within(c.lone[i].start) {
			t.OnlySieve++
			c.talk[1] += max(c.lone[i].talk, 0)
		} else {
			t.NotCompared["records_outside_window"]++
		}
	}
	t.Differing = len(c.pairs)
	t.Equal = t.Matched - t.Differing
	t.SBC, t.Sieve = t.Matched+t.OnlySBC, t.Matched+t.OnlySieve
	t.SBCTalk, t.SieveTalk = c.talk[0], c.talk[1]
	r := &Report{t, c}
	r.countReasons()
	return r
}

// countReasons counts the first reason of each difference, and what differs.
func (r *Report) countReasons() {
	n := 0
	for d := range r.all() {
		if d.What != "" {
			r.DifferingBy[d.What]++
		}
		if r.Reasons[d.Kind] == nil {
			r.Reasons[d.Kind] = map[string]int{}
		}
		r.Reasons[d.Kind][d.Reasons[0]]++
		n++
	}
	r.NotListed = max(n-MostListed, 0)
}

// all yields every difference: what only the SBC has, what only the store has, and what differs, a line for each field.
func (r *Report) all() iter.Seq[Difference] {
	return func(yield func(Difference) bool) {
		_ = r.onlySBC(yield) && r.onlySieve(yield) && r.differing(yield)
	}
}

// onlySBC yields the calls that only the SBC has, by file and line.
func (r *Report) onlySBC(yield func(Difference) bool) bool {
	c := r.c
	var list []uint32
	for i := range c.calls {
		sbc := &c.calls[i]
		if !sbc.matched && c.within(sbc.start) && !(c.Settings.Calls == CallsAnswered && sbc.state == stateFailed) {
			list = append(list, uint32(i))
		}
	}
	slices.SortFunc(list, func(a, b uint32) int { return cmp.Compare(c.calls[a].place, c.calls[b].place) })
	for _, i := range list {
		sbc := &c.calls[i]
		d := sbc.difference(OnlySBC)
		d.SBC = sbc.text()
		d.Reasons, d.Detail = c.reasons(sbc.start, sbc.start+max(int64(sbc.talk), 0), nil)
		if !yield(d) {
			return false
		}
	}
	return true
}

// onlySieve yields the records that only the store has, by time.
func (r *Report) onlySieve(yield func(Difference) bool) bool {
	c := r.c
	slices.SortFunc(c.lone, func(a, b record) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.id, b.id)) })
	for i := range c.lone {
		one := &c.lone[i]
		if !c.within(one.start) {
			continue
		}
		d := Difference{Kind: OnlySieve, Start: moment(time.UnixMilli(one.start)), ID: one.id, Sieve: one.text(),
			Marks: one.marks.words()}
		d.Reasons, d.Detail = c.reasons(one.start, one.start+max(one.talk, 0), one)
		if !yield(d) {
			return false
		}
	}
	return true
}

// differing yields what differs, by file and line.
func (r *Report) differing(yield func(Difference) bool) bool {
	c := r.c
	slices.SortFunc(c.pairs, func(a, b pair) int { return cmp.Compare(c.calls[a.call].place, c.calls[b.call].place) })
	for i := range c.pairs {
		p := &c.pairs[i]
		sbc, one := &c.calls[p.call], &p.record
		d := sbc.difference(Differs)
		d.ID, d.Marks = one.id, one.marks.words()
		d.Reasons, d.Detail = c.reasons(min(sbc.start, one.start),
			max(sbc.start+max(int64(sbc.talk), 0), one.start+max(one.talk, 0)), one)
		for bit, word := range differingWords {
			if p.what&(1<<bit) == 0 {
				continue
			}
			d.What, d.SBC, d.Sieve = word, sbc.word(1<<bit), one.word(1<<bit)
			if !yield(d) {
				return false
			}
		}
	}
	return true
}

// difference returns a difference of a call of the SBC's.
func (r *call) difference(kind string) Difference {
	return Difference{Kind: kind, Start: moment(time.UnixMilli(r.start)), File: int(r.place >> 48), Line: int(r.line), place: r.place}
}

// text returns the outcome of a call: its duration, or its code.
func (r *call) text() string {
	if r.state == stateAnswered || r.talk > 0 {
		return r.word(differDuration)
	}
	return r.word(differCode)
}

func (r *record) text() string {
	if r.answered {
		return r.word(differDuration)
	}
	return r.word(differCode)
}

// word returns one value of a call, "" if it has none.
func (r *call) word(what differing) string {
	return valueText(what, r.state == stateAnswered, int64(r.talk), r.code, [2]uint64{r.caller, r.called})
}

// word returns one value of a record, "" if it has none.
func (r *record) word(what differing) string {
	return valueText(what, r.answered, r.talk, r.code, [2]uint64{r.caller, r.called})
}

func valueText(what differing, answered bool, talk int64, code uint16, numbers [2]uint64) string {
	number := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(n, 10)
	}
	switch what {
	case differAnswered:
		return map[bool]string{true: "answered", false: strings.TrimSpace("failed " + number(uint64(code)))}[answered]
	case differDuration:
		if talk < 0 {
			return ""
		}
		return strconv.FormatFloat(float64(talk)/1e3, 'f', 3, 64) + "s"
	case differCode:
		return number(uint64(code))
	case differCaller:
		return number(numbers[0])
	}
	return number(numbers[1])
}

// Differences yields what a report lists, MostListed at most. files are those that were read, in their order, for the
// Call-IDs; nil for a file that cannot be read again.
func (r *Report) Differences(files []io.ReaderAt) iter.Seq[Difference] {
	return func(yield func(Difference) bool) {
		n := 0
		for d := range r.all() {
			if n++; n > MostListed {
				return
			}
			if d.File > 0 && d.File <= len(files) && files[d.File-1] != nil {
				d.CallID = r.c.callIDAt(files[d.File-1], d.place)
			}
			if !yield(d) {
				return
			}
		}
	}
}
