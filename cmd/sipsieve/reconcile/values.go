package reconcile

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// layouts are the forms of a time that are tried, the first that fits. A fraction of a second may follow the seconds.
var layouts = []string{
	"2006-01-02 15:04:05",             // databases
	time.RFC3339,                      // with a zone
	"2006-01-02T15:04:05",             // ISO 8601 without one
	"2006-01-02 15:04:05Z07:00",       // PostgreSQL
	"2006-01-02 15:04:05Z07",          // PostgreSQL, whole hours
	"01/02/2006 15:04:05",             // Ribbon: month first
	"20060102150405",                  // 14 digits
	"15:04:05 MST Jan 02 2006",        // Oracle, Cisco (h323-setup-time); weekday below
	"15:04:05 MST Mon Jan 2 2006",     // Cisco
	"Mon Jan 2 15:04:05 2006",         // ctime
	"Mon Jan 2 15:04:05 MST 2006",     // date
	"Mon, 02 Jan 2006 15:04:05 Z0700", // RFC 5322
}

// earliest is the first time that is taken for that of a call: a default such as 2000-01-01 is none.
var earliest = time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC)

// latest bounds times: Unix milliseconds and microseconds read as seconds lie behind it.
var latest = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// readTime reads a time: a form of layouts, or own if there is one, in zone if it names none; or Unix seconds,
// milliseconds or microseconds.
func readTime(text, own string, zone *time.Location) (time.Time, bool) {
	if own != "" {
		t, err := time.ParseInLocation(own, text, zone)
		return t, err == nil && plausible(t)
	}
	if len(text) != 14 || strings.Contains(text, ".") {
		if t, ok := unixTime(text); ok {
			return t, true
		}
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, plausible(t)
		}
	}
	return time.Time{}, false
}

func plausible(t time.Time) bool { return !t.Before(earliest) && t.Before(latest) }

// unixTime reads seconds since 1970 with a fraction, or whole milliseconds or microseconds.
func unixTime(text string) (time.Time, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) {
		return time.Time{}, false
	}
	for range 3 {
		if f < float64(latest.Unix()) {
			t := time.UnixMilli(int64(math.Round(f * 1e3)))
			return t, plausible(t)
		}
		f /= 1e3
	}
	return time.Time{}, false
}

// readSpan reads a duration: a number of units, h:m:s or m:s.
func readSpan(text string, unit time.Duration) (time.Duration, bool) {
	sum := 0.0
	parts := strings.Split(text, ":")
	if len(parts) > 3 {
		return 0, false
	}
	for _, part := range parts {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil || !(f >= 0) {
			return 0, false
		}
		sum = sum*60 + f
	}
	if len(parts) > 1 {
		unit = time.Second
	}
	if sum *= float64(unit); sum > float64(longestTalk) {
		return 0, false
	}
	return time.Duration(sum), true
}

// longestTalk bounds a duration: 24 days, what fits milliseconds in 31 bits.
const longestTalk = math.MaxInt32 * time.Millisecond

// readNumber returns the digits of a telephone number, of a SIP or tel URI its user part, as one number; 0 if there is no
// number of 15 digits at most. Leading zeros count for nothing, which are a trunk prefix.
func readNumber(text string) (n uint64) {
	if i := strings.LastIndexByte(text, '<'); i >= 0 {
		text = text[i+1:]
	}
	for _, scheme := range []string{"sip:", "sips:", "tel:"} {
		if len(text) >= len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
			text = text[len(scheme):]
			break
		}
	}
	if end := strings.IndexAny(text, "@;>"); end >= 0 {
		text = text[:end]
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			if n = n*10 + uint64(c-'0'); n >= 1e18 {
				return 0
			}
		case strings.IndexByte("+-. ()", c) < 0:
			return 0
		}
	}
	return n
}

// shortNumber bounds the numbers of which one may be the end of the other: with and without country code.
const shortNumber = 1e6

// sameNumber reports whether a and b are one number, of which one may lack its country code or have a prefix. Nothing is
// known of a number 0.
func sameNumber(a, b uint64) bool {
	if a > b {
		a, b = b, a
	}
	if a == b || a == 0 {
		return true
	}
	if a < shortNumber {
		return false
	}
	power := uint64(1)
	for power <= a {
		power *= 10
	}
	return b%power == a
}

// numberEnd is what two forms of one number have in common.
func numberEnd(n uint64) uint32 { return uint32(n % (shortNumber * 10)) }

// readCode reads a SIP response code, 0 if text is none.
func readCode(text string) uint16 {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n < 100 || n > 699 {
		return 0
	}
	return uint16(n)
}
