package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Retention is a length of time in calendar units, such as 18 months. It is added by AddDate in UTC.
type Retention struct {
	Years, Months, Days int
	Hours               int
}

// maxDays of retention, 100 years, keep dates within four digits of a year, and a time.Duration from its end.
const maxDays = 100 * 365

// ParseRetention reads a whole number and a unit: hours, days, weeks, months or years.
func ParseRetention(text string) (r Retention, err error) {
	count, unit, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 9999 {
		return r, fmt.Errorf("want a whole number from 1 to 9999 and a unit, such as 30 days")
	}
	switch strings.TrimSuffix(unit, "s") {
	case "hour":
		r.Hours = n
	case "day":
		r.Days = n
	case "week":
		r.Days = 7 * n
	case "month":
		r.Months = n
	case "year":
		r.Years = n
	default:
		return r, fmt.Errorf("want hours, days, weeks, months or years")
	}
	if r.Days+30*r.Months+365*r.Years > maxDays {
		return Retention{}, fmt.Errorf("want 100 years or less")
	}
	return r, nil
}

// After returns the end of r when it begins at t.
func (r Retention) After(t time.Time) time.Time {
	return t.UTC().AddDate(r.Years, r.Months, r.Days).Add(time.Duration(r.Hours) * time.Hour)
}

// Duration returns r with months of 30 and years of 365 days.
func (r Retention) Duration() time.Duration {
	return time.Duration(r.Hours)*time.Hour + time.Duration(r.Days+30*r.Months+365*r.Years)*24*time.Hour
}

// Shortest returns the least that r can be by the calendar: a month of 28 days, a year of 365.
func (r Retention) Shortest() time.Duration {
	days := r.Days + 28*r.Months + 365*r.Years
	if r.Months >= 12 { // twelve months are a year, wherever they begin
		days = r.Days + 365*(r.Years+r.Months/12) + 28*(r.Months%12)
	}
	return time.Duration(r.Hours)*time.Hour + time.Duration(days)*24*time.Hour
}

// String returns r as a policy writes it.
func (r Retention) String() string {
	for _, u := range []struct {
		n    int
		name string
	}{{r.Years, "year"}, {r.Months, "month"}, {r.Days, "day"}, {r.Hours, "hour"}} {
		switch {
		case u.n == 1:
			return "1 " + u.name
		case u.n > 1:
			return fmt.Sprintf("%d %ss", u.n, u.name)
		}
	}
	return "not at all"
}
