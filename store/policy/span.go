package policy

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Span is a length of time in calendar units, such as 18 months. It is added by AddDate in UTC.
type Span struct {
	Years, Months, Days int
	Hours               int
}

// maxSpan keeps dates within four digits of a year.
const maxSpan = 100 * 365 * 24 * time.Hour

// ParseSpan reads a whole number and a unit: hours, days, weeks, months or years.
func ParseSpan(text string) (s Span, err error) {
	count, unit, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 9999 {
		return s, fmt.Errorf("want a whole number from 1 to 9999 and a unit, such as 30 days")
	}
	switch strings.TrimSuffix(unit, "s") {
	case "hour":
		s.Hours = n
	case "day":
		s.Days = n
	case "week":
		s.Days = 7 * n
	case "month":
		s.Months = n
	case "year":
		s.Years = n
	default:
		return s, fmt.Errorf("want hours, days, weeks, months or years")
	}
	if s.Duration() > maxSpan {
		return Span{}, fmt.Errorf("want 100 years or less")
	}
	return s, nil
}

// After returns the end of s when it begins at t.
func (s Span) After(t time.Time) time.Time {
	return t.UTC().AddDate(s.Years, s.Months, s.Days).Add(time.Duration(s.Hours) * time.Hour)
}

// Duration returns s with months of 30 and years of 365 days.
func (s Span) Duration() time.Duration {
	return time.Duration(s.Hours)*time.Hour + time.Duration(s.Days+30*s.Months+365*s.Years)*24*time.Hour
}

// Shortest returns the least that s can be by the calendar: a month of 28 days, a year of 365.
func (s Span) Shortest() time.Duration {
	days := s.Days + 28*s.Months + 365*s.Years
	if s.Months >= 12 { // twelve months are a year, wherever they begin
		days = s.Days + 365*(s.Years+s.Months/12) + 28*(s.Months%12)
	}
	return time.Duration(s.Hours)*time.Hour + time.Duration(days)*24*time.Hour
}

// A Date is a day of the UTC calendar.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the UTC day of t.
func DateOf(t time.Time) (d Date) {
	d.Year, d.Month, d.Day = t.UTC().Date()
	return d
}

// String returns d as 2026-11-24.
func (d Date) String() string { return string(d.append(nil)) }

// Compare orders days: negative if d is before o, 0 if they are one day.
func (d Date) Compare(o Date) int {
	return cmp.Or(cmp.Compare(d.Year, o.Year), cmp.Compare(d.Month, o.Month), cmp.Compare(d.Day, o.Day))
}

// Time returns the beginning of d.
func (d Date) Time() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

func (d Date) append(dst []byte) []byte { return d.Time().AppendFormat(dst, time.DateOnly) }

// units are the arguments of truncate, coarser ones later.
var units = []string{"second", "minute", "hour", "day", "month"}

// unitMillis are the units in milliseconds; of a duration a month has 30 days.
var unitMillis = []int64{1000, 60_000, 3_600_000, 86_400_000, 30 * 86_400_000}

// floor returns t rounded down to a unit.
func floor(t time.Time, unit string) time.Time {
	t = t.UTC()
	switch unit {
	case "second":
		return t.Truncate(time.Second)
	case "minute":
		return t.Truncate(time.Minute)
	case "hour":
		return t.Truncate(time.Hour)
	case "day":
		return DateOf(t).Time()
	case "month":
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	return t
}

// expiry returns the day after s ends, counted from at rounded up to the coarser of one day and unit.
func expiry(at time.Time, unit string, s Span) Date {
	start := floor(at, "day")
	if unit == "month" {
		start = floor(at, "month")
	}
	if start.Before(at.UTC()) {
		if unit == "month" {
			start = start.AddDate(0, 1, 0)
		} else {
			start = start.AddDate(0, 0, 1)
		}
	}
	end := s.After(start)
	if d := DateOf(end); d.Time().Before(end) {
		return DateOf(d.Time().AddDate(0, 0, 1))
	}
	return DateOf(end)
}
