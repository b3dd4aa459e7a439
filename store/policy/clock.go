package policy

import "time"

// A clock writes times in UTC. It remembers the day that it wrote last.
type clock struct {
	day  int64 // since 1970
	text string
}

const secondsOfDay = 24 * 60 * 60

// append writes the time of us microseconds since 1970, rounded down to a unit, to the microsecond if that is "".
func (c *clock) append(b []byte, us int64, unit string) []byte {
	if us < 0 {
		return appendTime(b, time.UnixMicro(us), unit)
	}
	seconds := us / 1e6
	day, s := seconds/secondsOfDay, seconds%secondsOfDay
	if c.text == "" || c.day != day {
		c.day, c.text = day, time.Unix(seconds, 0).UTC().Format(time.DateOnly)
	}
	b = append(append(b, '"'), c.text...)
	hour, minute, second := s/3600, s/60%60, s%60
	switch unit {
	case "month":
		b = append(b[:len(b)-2], "01"...)
		hour, minute, second = 0, 0, 0
	case "day":
		hour, minute, second = 0, 0, 0
	case "hour":
		minute, second = 0, 0
	case "minute":
		second = 0
	}
	b = append(b, 'T')
	b = append(twoDigits(b, hour), ':')
	b = append(twoDigits(b, minute), ':')
	b = twoDigits(b, second)
	if unit == "" {
		rest := us % 1e6
		b = twoDigits(twoDigits(twoDigits(append(b, '.'), rest/1e4), rest/100%100), rest%100)
	}
	return append(b, `Z"`...)
}

func twoDigits(b []byte, n int64) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) }
