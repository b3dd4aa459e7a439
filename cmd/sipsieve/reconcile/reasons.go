// This file has methods of Comparison because reasons are a table of their own.

package reconcile

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"sipsieve/store"
)

// Reasons of a difference, beside those of a store.Gap and words of a record's missing, status and call_flags.
const (
	ReasonExpired     = "expired"        // the record's retention has ended
	ReasonNotCovered  = "not_covered"    // no ledger of any sensor has the time
	ReasonUnexplained = "unexplained"    // nothing is known
	reasonNoBegin     = "begin_not_seen" // the record has no INVITE or no final response
	reasonNoEnd       = "end_not_seen"   // the record has no BYE
)

// A Gap is a time of which it is known why calls may lack or differ.
type Gap struct {
	From, To time.Time
	Reason   string
	Sensor   string
	Detail   string // such as what was lost; "" for none
}

// gaps are sorted by their beginning.
type gaps struct {
	list  []Gap
	reach []time.Time // the latest end up to each
}

func newGaps(list []Gap) (g gaps) {
	g.list = slices.Clone(list)
	slices.SortFunc(g.list, func(a, b Gap) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), cmp.Compare(a.Reason, b.Reason))
	})
	var reach time.Time
	for _, one := range g.list {
		if one.To.After(reach) {
			reach = one.To
		}
		g.reach = append(g.reach, reach)
	}
	return g
}

// Limits of the gaps of one call.
const (
	mostLooked = 256 // of which the strongest reasons are chosen
	mostGaps   = 4   // that are shown
)

// strongest are the reasons of gaps, those first that explain most: without a sensor nothing was read, in a loss window
// something.
var strongest = []string{string(store.GapDown), string(store.GapRestart), string(store.GapLoss), ReasonNotCovered}

// over returns the gaps that have a moment of [from, to], those of the strongest reasons first, mostGaps at most.
func (g *gaps) over(from, to time.Time) (list []Gap) {
	i := sort.Search(len(g.list), func(i int) bool { return g.list[i].From.After(to) })
	for i--; i >= 0 && !g.reach[i].Before(from) && len(list) < mostLooked; i-- {
		if !g.list[i].To.Before(from) {
			list = append(list, g.list[i])
		}
	}
	slices.SortStableFunc(list, func(a, b Gap) int {
		return cmp.Compare(slices.Index(strongest, a.Reason), slices.Index(strongest, b.Reason))
	})
	return list[:min(len(list), mostGaps)]
}

// Explain gives the times of which it is known why calls lack. It replaces what was given before.
func (c *Comparison) Explain(list []Gap) { c.gaps = newGaps(list) }

// marks are a set of markWords.
type marks uint32

// markWords are the words of a record that may explain a difference, the most telling first.
var markWords = []string{"restart_gap", "loss_window", "clock_step", "evicted", "stream_gap", "one_direction", "truncated",
	"second_fork", "answer_by_ack", "cancel_race", "invite", "final_response", "bye", "ack", "bye_response", "cancel",
	"partial", "correction"}

// told are the words among them that are a reason by themselves, with the words of a report for those that need one.
var told = map[string]string{"restart_gap": "", "loss_window": "", "clock_step": "", "evicted": "",
	"stream_gap": "", "one_direction": "", "truncated": "", "second_fork": "", "answer_by_ack": "", "cancel_race": "",
	"invite": reasonNoBegin, "final_response": reasonNoBegin, "bye": reasonNoEnd}

func marksOf(b *body) (m marks) {
	add := func(word string) {
		if i := slices.Index(markWords, word); i >= 0 {
			m |= 1 << i
		}
	}
	for _, word := range b.Missing {
		add(word)
	}
	for _, word := range b.Flags {
		add(word)
	}
	add(b.Status)
	add(b.Stage)
	return m
}

func (m marks) words() (list []string) {
	for i, word := range markWords {
		if m&(1<<i) != 0 {
			list = append(list, word)
		}
	}
	return list
}

// reasons returns why a call lacks or differs, the likeliest first, and never none. The call lasted from start to end
// (Unix milliseconds); r is its record, nil without one.
func (c *Comparison) reasons(start, end int64, r *record) (list []string, detail string) {
	from, to := time.UnixMilli(start), time.UnixMilli(max(start, end))
	add := func(word string) {
		if !slices.Contains(list, word) {
			list = append(list, word)
		}
	}
	if r != nil {
		for _, word := range r.marks.words() {
			if plain, ok := told[word]; ok {
				add(cmp.Or(plain, word))
			}
		}
	} else if !c.Expired.IsZero() && from.Before(c.Expired) {
		add(ReasonExpired)
	}
	for _, g := range c.gaps.over(from, to) {
		if g.Reason == ReasonNotCovered && r != nil { // which proves that it was covered
			continue
		}
		add(g.Reason)
		detail += separated(detail, g.text())
	}
	if len(list) == 0 {
		add(ReasonUnexplained)
	}
	return list, detail
}

// separated returns text behind what stands before it.
func separated(before, text string) string {
	if before == "" || text == "" {
		return text
	}
	return "; " + text
}

// text returns a gap in a line.
func (g *Gap) text() string {
	text := g.Reason
	if g.Sensor != "" {
		text += " of " + g.Sensor
	}
	text += " " + moment(g.From) + " to " + moment(g.To)
	if g.Detail != "" {
		text += " (" + g.Detail + ")"
	}
	return text
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
