package main

import (
	"regexp"
	"slices"
	"strings"

	"sipsieve/sip"
	"sipsieve/sip/track"
)

// mostLinks bounds the headers, and the rules, by which legs are joined.
const mostLinks = 8

// headerName is a header's name (token, RFC 3261 section 25.1) as configured: in lower case it is compared.
var headerName = regexp.MustCompile("^[A-Za-z0-9.!%*_+`'~-]{1,64}$")

// validateLinks says what is wrong with the settings for joining legs.
func (c *callsConfig) validateLinks(say func(key, format string, args ...any)) {
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
		if _, err := track.ParseIDRule(text); err != nil {
			say("calls.call_id_rules", "entry %d: %v", i+1, err)
		}
	}
}

// linkHeaders returns the headers that name other legs: those of the calls, and those of the trunks.
func (c *config) linkHeaders() []string {
	names := slices.Clone(c.Calls.LinkHeaders)
	for _, t := range c.Trunk {
		if name := strings.ToLower(t.LinkHeader); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// linking returns how legs are joined.
func (c *callsConfig) linking(k track.Keyer) *track.Linking {
	l := &track.Linking{Keyer: k}
	for _, text := range c.CallIDRules {
		if r, err := track.ParseIDRule(text); err == nil {
			l.Rules = append(l.Rules, r)
		}
	}
	return l
}
