package policy

import (
	"cmp"
	"time"
)

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

// expiry returns the day after r ends, counted from t rounded up to the coarser of one day and unit.
func expiry(t time.Time, unit string, r Retention) Date {
	start := floor(t, "day")
	if unit == "month" {
		start = floor(t, "month")
	}
	if start.Before(t.UTC()) {
		if unit == "month" {
			start = start.AddDate(0, 1, 0)
		} else {
			start = start.AddDate(0, 0, 1)
		}
	}
	end := r.After(start)
	if d := DateOf(end); d.Time().Before(end) {
		return DateOf(d.Time().AddDate(0, 0, 1))
	}
	return DateOf(end)
}
