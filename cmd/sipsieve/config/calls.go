package config

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
)

// Calls are the limits of what is remembered, and how the legs of a B2BUA are joined.
type Calls struct {
	Limit       int      `toml:"limit"`         // most calls tracked at once
	Bindings    int      `toml:"bindings"`      // most registrations tracked at once
	Ring        string   `toml:"ring"`          // longest wait for a final response
	MaxCall     string   `toml:"max_call"`      // longest call without a session timer
	Interim     string   `toml:"interim"`       // interval of interim records of an answered call; 0s for none
	PerSource   int      `toml:"per_source"`    // most unanswered calls of one /24 or /48 at once; 0 for no limit
	PerSecond   int      `toml:"per_second"`    // most new calls a second of one /24 or /48 beyond that; 0 for no limit
	Reorder     string   `toml:"reorder"`       // memory of the reorder buffer of live sources
	Emergency   []string `toml:"emergency"`     // emergency numbers as dialled, besides 911, 112 and 933
	LinkHeaders []string `toml:"link_headers"`  // headers with the Call-ID of the other leg, set by a B2BUA
	Journal     bool     `toml:"journal"`       // open calls survive a restart, sealed in the state folder
	CallIDRules []string `toml:"call_id_rules"` // patterns of the other leg's Call-ID: "B2B_*", "*_b2b-1"
}

// mostLinks bounds the headers, and the rules, by which legs are joined.
const mostLinks = 8

var (
	// headerName is a header's name (token, RFC 3261 section 25.1) as configured: in lower case it is compared.
	headerName = regexp.MustCompile("^[A-Za-z0-9.!%*_+`'~-]{1,64}$")
	shortCode  = regexp.MustCompile(`^[0-9*#]{2,6}$`)
)

func defaultCalls() Calls {
	l := track.DefaultLimits()
	return Calls{Limit: l.Calls, Bindings: l.Bindings, Ring: "4m", MaxCall: "4h", Interim: "0s", PerSource: l.PerSource,
		PerSecond: l.PerSecond, Reorder: "64MiB", Journal: true}
}

// validate reports everything that is wrong with c, and folds the names of link headers to lower case.
func (c *Calls) validate(say complaint) {
	if _, err := c.limits(); err != nil {
		say("calls", "%v", err)
	}
	if _, err := c.ReorderLimit(); err != nil {
		say("calls.reorder", "%v", err)
	}
	if len(c.LinkHeaders) > mostLinks || len(c.CallIDRules) > mostLinks {
		say("calls", "link_headers, call_id_rules: want %d each at most", mostLinks)
	}
	for i, name := range c.LinkHeaders {
		switch c.LinkHeaders[i] = strings.ToLower(name); {
		case !headerName.MatchString(name):
			say("calls.link_headers", "entry %d: want the name of a header, such as X-Call-ID", i+1)
		case sip.Known(name):
			say("calls.link_headers", "entry %d: this header has a meaning of its own and joins no legs by its value", i+1)
		}
	}
	for i, text := range c.CallIDRules {
		if _, err := event.ParseIDRule(text); err != nil {
			say("calls.call_id_rules", "entry %d: %v", i+1, err)
		}
	}
	for _, n := range c.Emergency {
		if !shortCode.MatchString(n) {
			say("calls.emergency", "want short codes as dialled, such as \"110\": 2 to 6 digits")
			break
		}
	}
}

// limits returns what a Tracker may remember.
func (c *Calls) limits() (track.Limits, error) {
	l := track.Limits{Calls: c.Limit, Bindings: c.Bindings, PerSource: c.PerSource, PerSecond: c.PerSecond}
	var errs [3]error
	l.Ring, errs[0] = time.ParseDuration(c.Ring)
	l.Talk, errs[1] = time.ParseDuration(c.MaxCall)
	l.Interim, errs[2] = time.ParseDuration(c.Interim)
	switch {
	case errors.Join(errs[:]...) != nil, l.Ring < time.Second, l.Talk < time.Second, l.Interim < 0:
		return l, errors.New("ring, max_call, interim: want times such as 4m or 4h")
	case l.Calls < 1, l.Bindings < 1, l.PerSource < 0, l.PerSecond < 0:
		return l, errors.New("limit, bindings: want 1 or more; per_source, per_second: want 0 or more")
	}
	return l, nil
}

// ReorderLimit returns Reorder in bytes.
func (c *Calls) ReorderLimit() (int64, error) { return parseSize(c.Reorder) }

// linking returns how legs are joined by Call-ID. c is valid.
func (c *Calls) linking(k event.Keyer) *event.Linking {
	l := &event.Linking{Keyer: k}
	for _, text := range c.CallIDRules {
		if r, err := event.ParseIDRule(text); err == nil {
			l.Rules = append(l.Rules, r)
		}
	}
	return l
}
