package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A field is what a column of an SBC's record may be.
type field uint8

const (
	callID   field = iota
	setup          // INVITE
	answer         // 2xx or ACK
	end            // BYE
	stamp          // when the row was written: at the final response or the BYE
	duration       // answer to end
	code           // the final response's
	method         // of the transaction that the row is of
	caller
	called
	kind // of the row: stop, attempt and the like
	fields
)

var fieldNames = [fields]string{"call_id", "setup", "answer", "end", "time", "duration", "code", "method", "caller",
	"called", "record"}

// A column is where a field stands: the first of names that a row has. Names of a number, such as #6, are places from
// 1. parts are joined with a space, such as a date and a time.
type column struct {
	names [][]string      // alternatives, each of its parts
	unit  []time.Duration // of a duration, for each alternative
	words []string        // of a record: those that are calls
}

// A Profile is the form of an SBC's records.
type Profile struct {
	Name      string
	Tolerance time.Duration // that its rounding of durations needs
	Layout    string        // of its times, as package time writes them; "" for those that are usual
	columns   [fields]column
	folds     bool // a call has several rows
}

// The tolerance of a profile is a second, which is what the difference of two times that are cut to the second may
// lack, and half a second between the wire and what the SBC takes for the answer, such as the ACK.
const cutTolerance = 1500 * time.Millisecond

// profiles are the forms that are known: columns of tables, and names in a log.
var profiles = map[string]map[field][]string{
	// acc and acc_cdrs (database and syslog), and the table cdrs that its documentation derives of acc.
	"kamailio": {
		callID:   {"call_id", "callid", "sip_call_id", "call-id", "ci"},
		answer:   {"start_time", "call_start_time"},
		end:      {"end_time"},
		stamp:    {"exact", "time_hires", "time_attr", "timestamp", "time"},
		duration: {"duration"},
		code:     {"code", "sip_code"},
		method:   {"method"},
		caller:   {"caller", "src_user", "src_username", "from_user", "src", "from_uri"},
		called:   {"callee", "dst_ouser", "dst_ousername", "dst_user", "dst_username", "ruser", "to_user", "dst", "to_uri"},
	},
	// acc with the flag cdr (database and syslog): time is that of the answer where there is a duration.
	"opensips": {
		callID:   {"call_id", "callid"},
		setup:    {"created"},
		answer:   {"call_start_time"},
		stamp:    {"timestamp", "time"},
		duration: {"ms_duration=1ms", "duration"},
		code:     {"code", "sip_code"},
		method:   {"method"},
		caller:   {"caller", "caller_id", "src_user", "from_user", "from_uri", "src"},
		called:   {"callee", "callee_id", "dst_user", "to_user", "ruri", "dst"},
	},
	// A table with a row for each call, by the names that FreeSWITCH, Asterisk, Oracle and Cisco write.
	"generic": {
		callID:   {"call_id", "callid", "call-id", "sip_call_id", "sip-call-id", "acme-session-ingress-callid"},
		setup:    {"setup", "setup_time", "start", "start_time", "start_stamp", "calldate", "invite_time", "h323-setup-time"},
		answer:   {"answer", "answer_time", "answer_stamp", "connect_time", "h323-connect-time"},
		end:      {"end", "end_time", "end_stamp", "disconnect_time", "h323-disconnect-time"},
		duration: {"duration_ms=1ms", "billsec", "acct-session-time", "duration"},
		code:     {"code", "sip_code", "sip_status", "sip-status", "response_code", "h323-disconnect-cause-sip"},
		caller:   {"caller", "caller_number", "caller_id_number", "calling", "calling_number", "src", "calling-station-id"},
		called:   {"called", "called_number", "destination_number", "callee", "dst", "called-station-id"},
		kind:     {"record", "record_type", "acct-status-type"},
	},
}

// ProfileNames lists the profiles.
func ProfileNames() []string { return []string{"kamailio", "opensips", "generic"} }

// NewProfile returns a profile by its name, with what columns says of its columns instead: FIELD=NAME, with commas
// between. A NAME is a column's name or #N, its number from 1; parts with + between are joined with a space. A unit of a
// duration follows a colon (duration=#14:10ms), and so do the words of the rows that are calls (record=#1:STOP|ATTEMPT).
func NewProfile(name, columns string) (*Profile, error) {
	known, ok := profiles[name]
	if !ok {
		return nil, errors.New("profile: want " + strings.Join(ProfileNames(), ", "))
	}
	p := &Profile{Name: name, Tolerance: cutTolerance, folds: name != "generic"}
	for f, names := range known {
		for _, one := range names {
			text, unit, _ := strings.Cut(one, "=")
			p.columns[f].add(text, unit)
		}
	}
	for one := range strings.SplitSeq(columns, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		if err := p.set(one); err != nil {
			return nil, fmt.Errorf("columns: %w", err)
		}
	}
	return p, nil
}

// set takes one FIELD=NAME.
func (p *Profile) set(text string) error {
	name, what, ok := strings.Cut(text, "=")
	f := slices.Index(fieldNames[:], strings.TrimSpace(name))
	if what = strings.TrimSpace(what); !ok || f < 0 || what == "" {
		return errors.New("want FIELD=NAME, FIELD one of " + strings.Join(fieldNames[:], ", "))
	}
	c := &p.columns[f]
	*c = column{}
	argument := ""
	if f == int(duration) || f == int(kind) {
		what, argument, _ = strings.Cut(what, ":")
	}
	if f == int(kind) && argument != "" {
		c.words = strings.Split(argument, "|")
		argument = ""
	}
	return c.add(what, argument)
}

// add takes one more alternative.
func (c *column) add(text, unit string) error {
	width := time.Second
	if unit != "" {
		w, err := time.ParseDuration(unit)
		if err != nil || w <= 0 {
			return errors.New("duration: want a unit such as 1s, 1ms or 10ms after the colon")
		}
		width = w
	}
	var parts []string
	for part := range strings.SplitSeq(text, "+") {
		parts = append(parts, normal(part))
	}
	c.names, c.unit = append(c.names, parts), append(c.unit, width)
	return nil
}

// normal is the form in which names of columns are compared.
func normal(name string) string {
	return strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`+"`"))
}

// placed returns the place of a column that is named by its number, from 0; -1 for any other.
func placed(name string) int {
	text, ok := strings.CutPrefix(name, "#")
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 1 {
		return -1
	}
	return n - 1
}

// byNumber reports whether all columns that were given are numbers: then there is no header.
func (p *Profile) byNumber() bool {
	return slices.ContainsFunc(p.columns[callID].names, allPlaced) || slices.ContainsFunc(p.columns[setup].names, allPlaced)
}

func allPlaced(parts []string) bool {
	return !slices.ContainsFunc(parts, func(name string) bool { return placed(name) < 0 })
}

// notCalls are words of a record that is not the end of a call: its start, an interim record, the SBC itself. Numbers
// are those of RADIUS (RFC 2866 section 5.1).
var notCalls = []string{"start", "interim", "interim-update", "intermediate", "accounting-on", "accounting-off", "switchover",
	"1", "3", "7", "8"}

// isCall reports whether a row of that record word is a call.
func (c *column) isCall(word string) bool {
	same := func(w string) bool { return strings.EqualFold(w, word) }
	if len(c.words) > 0 {
		return slices.ContainsFunc(c.words, same)
	}
	return !slices.ContainsFunc(notCalls, same)
}
