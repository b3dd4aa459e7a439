package traffic

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sipsieve/store/policy"
)

// A need is a field that a figure is made of, and the forms in which it may be kept; nil for any. Of fields with a
// comma between, one is enough.
type need struct {
	fields string
	forms  []string
}

// Forms of a duration and of a time that are fine enough. A duration in buckets is rounded down, so that its mean
// would be too short.
var (
	fine  = []string{"keep", "truncate:second"}
	exact = []string{"keep"}
	// A delay is taken at the middle of its bucket, which is right in the mean.
	delays = []string{"keep", "truncate:second", "bucket:100ms", "bucket:200ms", "bucket:250ms", "bucket:500ms", "bucket:1s"}
	hours  = []string{"keep", "truncate:second", "truncate:minute", "truncate:hour"}
)

// base are what every report needs: whether there was an INVITE, and how it ended.
var base = []need{{"setup_time", nil}, {"disposition", nil}}

// basis are what the groups are made of.
var basis = map[string][]need{"trunk": {{"trunk_in,trunk_out", nil}}, "account": {{"account_id", nil}},
	"hour": {{"setup_time", hours}}}

// A measure is a figure of a group.
type measure struct {
	name, column string // column has the unit
	needs        []need
	sides        bool // by direction, which is known of a trunk without the field
	value        func(*Group) any
}

// allMeasures are in the order of their columns.
var allMeasures = []measure{
	{name: "attempts", column: "attempts", value: func(g *Group) any { return g.Attempts }},
	{name: "seizures", column: "seizures", value: func(g *Group) any { return g.Seizures }},
	{name: "answered", column: "answered", value: func(g *Group) any { return g.Answered }},
	{name: "asr", column: "asr_percent", value: func(g *Group) any { return percent(g.Answered, g.Seizures) }},
	{name: "ner", column: "ner_percent", needs: []need{{"sip_code", exact}, {"ring_ms,ring_time", nil}},
		value: func(g *Group) any { return percent(g.Effective, g.Seizures) }},
	{name: "acd", column: "acd_s", needs: []need{{"duration_ms", fine}},
		value: func(g *Group) any { return g.talk.mean(1000, 1) }},
	{name: "pdd", column: "pdd_ms", needs: []need{{"pdd_ms", delays}},
		value: func(g *Group) any { return g.delay.mean(1, 0) }},
	{name: "minutes_in", column: "minutes_in", needs: []need{{"duration_ms", fine}}, sides: true,
		value: func(g *Group) any { return rounded(float64(g.in)/60000, 2) }},
	{name: "minutes_out", column: "minutes_out", needs: []need{{"duration_ms", fine}}, sides: true,
		value: func(g *Group) any { return rounded(float64(g.out)/60000, 2) }},
}

// Measures returns the names of all measures, in the order of their columns.
func Measures() (names []string) {
	for _, m := range allMeasures {
		names = append(names, m.name)
	}
	return names
}

// keptBy returns why p does not keep what m is made of.
func (m *measure) keptBy(p *policy.Purpose, by string) error {
	if m.sides && by != "trunk" {
		return needs(p, m.needs, []need{{"direction", exact}})
	}
	return needs(p, m.needs)
}

// needs returns why p does not keep what lists name.
func needs(p *policy.Purpose, lists ...[]need) error {
	for _, one := range slices.Concat(lists...) {
		var errs []error
		fields := strings.Split(one.fields, ",")
		for _, field := range fields {
			if err := one.keptBy(p, field); err != nil {
				errs = append(errs, err)
			}
		}
		if len(errs) == len(fields) {
			return errs[0]
		}
	}
	return nil
}

// keptBy returns why p does not keep the field as n needs it.
func (n need) keptBy(p *policy.Purpose, field string) error {
	switch form := p.Form(field); {
	case form == "":
		return fmt.Errorf("the purpose %s does not keep %s", p.Name, strings.ReplaceAll(n.fields, ",", " or "))
	case n.forms != nil && !slices.Contains(n.forms, form):
		return fmt.Errorf("the purpose %s keeps %s as %s: want %s", p.Name, field, form, strings.Join(n.forms, ", "))
	}
	return nil
}

// percent returns part of whole in percent, to one digit behind the point; nil of nothing.
func percent(part, whole uint64) any {
	if whole == 0 {
		return nil
	}
	return rounded(100*float64(part)/float64(whole), 1)
}

// mean returns the mean in units of so many, to some digits behind the point; nil of nothing.
func (s sum) mean(unit float64, digits int) any {
	if s.count == 0 {
		return nil
	}
	return rounded(float64(s.total)/float64(s.count)/unit, digits)
}

// rounded returns value to some digits behind the point, halves away from zero.
func rounded(value float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(value*scale) / scale
}
