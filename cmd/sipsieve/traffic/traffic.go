// Package traffic adds up records of calls to the figures by which an operator judges routes: attempts, answer-seizure
// ratio, network effectiveness ratio, average call duration, post-dial delay and minutes.
//
// # Definitions
//
// An attempt is a record of kind call that has ended and whose INVITE was seen. A second phone that answered the same
// INVITE (call_flags second_fork) is no attempt of its own; its minutes count.
//
// A seizure is an attempt that did not end with 3xx, 401 or 407: those are answered by another INVITE (RFC 6076,
// sections 4.6 and 4.7).
//
// ASR, the answer-seizure ratio, is answered seizures of all seizures, in percent (ITU-T E.411; E.425).
//
// NER, the network effectiveness ratio, is seizures that reached the called terminal of all seizures, in percent: those
// that were answered, busy, rang without an answer, or were refused by the terminal (ITU-T E.425). In SIP that is a
// 2xx, 480, 486, 600 or 603 (RFC 6076, section 4.7, session establishment effectiveness ratio), 607, with which the
// called party refuses (RFC 8197), and 408, 487 or no final response if the called terminal rang.
//
// ACD, the average call duration, is the mean time from answer to end of the answered calls whose end is known, in
// seconds. PDD, the post-dial delay, is the mean time from the INVITE to the first response of 101 to 199, in
// milliseconds, of the attempts that got one. One that is kept in buckets is taken at the middle of its bucket.
//
// Minutes in are those of calls that came in, minutes out those of calls that went out: of a trunk by its side, else
// by the field direction, where a transit call is both and an internal one neither.
//
// # Memory
//
// A Report has one Group for each trunk and side, account or hour, MostGroups at most, however many records it adds.
package traffic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sipsieve/store/policy"
)

// MostGroups is how many groups a Report has at most, such as accounts. What belongs to further ones is added up under
// Others.
const MostGroups = 100_000

// Others is the name of the group of what has no group of its own.
const Others = "others"

// None is the name of the group of records that lack the field, such as of calls of no known account.
const None = "none"

// Ways are the values of by.
var Ways = []string{"trunk", "account", "hour"}

// A Report is the traffic of one purpose, grouped by trunk, account or hour.
type Report struct {
	by     string
	sides  [2]bool   // by trunk: whether the purpose keeps trunk_in, trunk_out
	has    []measure // that the purpose keeps the fields of
	groups map[key]*Group
	half   uint64 // ms: half a bucket of the purpose's delays

	// Counts of records that are in no group.
	Open   int // calls that have not ended
	Unseen int // calls whose INVITE was not seen
	Other  int // of other kinds

	// Undirected counts calls with minutes and without a direction, by account or hour: those minutes are neither in nor
	// out. Without trunks in the configuration these are all calls.
	Undirected int
}

// A key is what a group is sorted by.
type key struct{ name, way string }

// A Group is the sum of the attempts of one trunk and side, account or hour.
type Group struct {
	Attempts, Seizures, Answered, Effective uint64
	talk                                    sum // ms, of answered calls
	delay                                   sum // ms
	in, out                                 uint64
}

// A sum is of so many values.
type sum struct{ total, count uint64 }

// New returns an empty Report. measures are those that are asked for, nil for all that p keeps the fields of. The error
// names a field that p does not keep, or keeps too coarsely; missing says why a measure that nobody asked for is left
// out.
func New(by string, p *policy.Purpose, measures []string) (r *Report, missing []string, err error) {
	r = &Report{by: by, groups: map[key]*Group{}}
	if !slices.Contains(Ways, by) {
		return nil, nil, fmt.Errorf("by: want %s", strings.Join(Ways, ", "))
	}
	if err := needs(p, base, basis[by]); err != nil {
		return nil, nil, err
	}
	r.sides = [2]bool{p.Form("trunk_in") != "", p.Form("trunk_out") != ""}
	width, _ := p.Precision("pdd_ms")
	r.half = uint64(width.Milliseconds()) / 2
	for _, one := range measures {
		if !slices.ContainsFunc(allMeasures, func(m measure) bool { return m.name == one }) {
			return nil, nil, fmt.Errorf("measures: want some of %s", strings.Join(Measures(), ","))
		}
	}
	for _, m := range allMeasures {
		asked := slices.Contains(measures, m.name)
		if measures != nil && !asked {
			continue
		}
		switch err := m.keptBy(p, by); {
		case err == nil:
			r.has = append(r.has, m)
		case asked:
			return nil, nil, fmt.Errorf("%s: %w", m.name, err)
		default:
			missing = append(missing, fmt.Sprintf("%s is left out: %v", m.name, err))
		}
	}
	return r, missing, nil
}

// A record is what a Report reads of an excerpt.
type record struct {
	Kind, Stage string
	Disposition string
	Setup       string   `json:"setup_time"`
	Code        int      `json:"sip_code"`
	Ring        *int64   `json:"ring_ms"`
	RingTime    *string  `json:"ring_time"`
	Talk        *uint64  `json:"duration_ms"`
	Delay       *uint64  `json:"pdd_ms"`
	TrunkIn     string   `json:"trunk_in"`
	TrunkOut    string   `json:"trunk_out"`
	Account     string   `json:"account_id"`
	Direction   string   `json:"direction"`
	Flags       []string `json:"call_flags"`
}

// Add adds one excerpt's JSON.
func (r *Report) Add(body []byte) {
	var x record
	if json.Unmarshal(body, &x) != nil || x.Kind != "call" {
		r.Other++
		return
	}
	if x.Delay != nil {
		*x.Delay += r.half
	}
	switch {
	case x.Stage != "stop" && x.Stage != "correction":
		r.Open++
	case x.Setup == "":
		r.Unseen++
	case r.by == "trunk":
		r.addSides(&x)
	default:
		name := cmp.Or(x.Account, None)
		if r.by == "hour" {
			name = hourOf(x.Setup)
		}
		transit := x.Direction == "transit"
		if x.Direction == "" && x.Talk != nil && *x.Talk > 0 && r.hasSides() {
			r.Undirected++
		}
		r.group(key{name: name}).add(&x, transit || x.Direction == "inbound", transit || x.Direction == "outbound")
	}
}

// hasSides reports whether r has minutes in or minutes out.
func (r *Report) hasSides() bool {
	return slices.ContainsFunc(r.has, func(m measure) bool { return m.sides })
}

// addSides adds a call to the group of its trunk on each side that is known to the purpose.
func (r *Report) addSides(x *record) {
	if r.sides[0] {
		r.group(key{cmp.Or(x.TrunkIn, None), "in"}).add(x, true, false)
	}
	if r.sides[1] {
		r.group(key{cmp.Or(x.TrunkOut, None), "out"}).add(x, false, true)
	}
}

// hourOf returns the hour of a time in RFC 3339, UTC.
func hourOf(text string) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return None
	}
	return t.UTC().Truncate(time.Hour).Format(time.RFC3339)
}

// group returns the group of k.
func (r *Report) group(k key) *Group {
	if r.groups[k] == nil {
		if len(r.groups) >= MostGroups {
			k.name = Others
		}
		if r.groups[k] == nil {
			r.groups[k] = &Group{}
		}
	}
	return r.groups[k]
}

// add adds a call that came in, went out, or both.
func (g *Group) add(x *record, in, out bool) {
	if x.Talk != nil {
		if in {
			g.in += *x.Talk
		}
		if out {
			g.out += *x.Talk
		}
		if x.Disposition == "answered" {
			g.talk.add(*x.Talk)
		}
	}
	if slices.Contains(x.Flags, "second_fork") {
		return
	}
	g.Attempts++
	if x.Delay != nil {
		g.delay.add(*x.Delay)
	}
	if x.Disposition == "redirected" || x.Disposition == "auth_failed" {
		return
	}
	g.Seizures++
	if x.Disposition == "answered" {
		g.Answered++
	}
	if x.effective() {
		g.Effective++
	}
}

// effective reports whether the call reached the called terminal.
func (x *record) effective() bool {
	if x.Disposition == "answered" {
		return true
	}
	switch x.Code {
	case 480, 486, 600, 603, 607:
		return true
	case 408, 487, 0:
		return x.Ring != nil || x.RingTime != nil
	}
	return false
}

func (s *sum) add(value uint64) { s.total, s.count = s.total+value, s.count+1 }

// Header returns the names of the columns of Rows.
func (r *Report) Header() []string {
	names := []string{r.by}
	if r.by == "trunk" {
		names = append(names, "way")
	}
	for _, m := range r.has {
		names = append(names, m.column)
	}
	return names
}

// Rows returns the groups by name, each as its cells: texts, whole numbers, numbers of one or two digits behind the
// point (float64), and nil where there is nothing to divide by.
func (r *Report) Rows() (rows [][]any) {
	order := slices.SortedFunc(maps.Keys(r.groups), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.way, b.way))
	})
	for _, k := range order {
		row := []any{k.name}
		if r.by == "trunk" {
			row = append(row, k.way)
		}
		for _, m := range r.has {
			row = append(row, m.value(r.groups[k]))
		}
		rows = append(rows, row)
	}
	return rows
}
