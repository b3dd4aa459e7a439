package risk

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"sipsieve/store/policy"
)

// A form is what a purpose keeps under a column.
type form struct {
	policy.Form
	typ  string
	list []string
}

// Steps are the forms of a time and of a duration, each coarser than the one before.
var (
	timeSteps     = []string{"second", "minute", "hour", "day"}
	durationSteps = []string{"1s", "6s", "30s", "60s", "300s", "1800s"}
)

// next returns the next coarser form of f as a policy writes it, and its step in microseconds, or as a number; "" if there
// is none.
func (f form) next() (name string, step int64) {
	now := max(width(argument(f.Transform)), 1)
	switch f.typ {
	case "time":
		for _, unit := range timeSteps {
			if w := width(unit); w > now {
				return "truncate:" + unit, 1000 * w
			}
		}
	case "duration":
		for _, d := range durationSteps {
			if w := width(d); w > now {
				return "bucket:" + d, 1000 * w
			}
		}
	case "int":
		return "bucket:" + strconv.FormatInt(10*now, 10), 10 * now
	}
	return "", 0
}

// amount reports whether the values of f are times, durations or numbers.
func (f form) amount() bool { return f.typ == "time" || f.typ == "duration" || f.typ == "int" }

// read returns the span of a time, a duration or a number that was cut as f says.
func (f form) read(text string) span {
	if text == "null" {
		return nothing
	}
	arg := argument(f.Transform)
	if f.typ == "time" {
		t, err := time.Parse(time.RFC3339, strings.Trim(text, `"`))
		if err != nil {
			return anything
		}
		return span{t.UnixMicro(), after(t, arg).UnixMicro()}
	}
	var n int64
	if json.Unmarshal([]byte(text), &n) != nil {
		return anything
	}
	if f.typ == "int" {
		return span{n, n + max(width(arg), 1)}
	}
	return span{1000 * n, 1000 * (n + max(width(arg), 1))}
}

// argument returns what stands behind the colon of a transform.
func argument(transform string) string {
	_, arg, _ := strings.Cut(transform, ":")
	return arg
}

// after returns the end of the unit that begins at t.
func after(t time.Time, unit string) time.Time {
	switch unit {
	case "":
		return t.Add(time.Microsecond)
	case "month":
		return t.AddDate(0, 1, 0)
	}
	return t.Add(time.Duration(width(unit)) * time.Millisecond)
}

// width returns the argument of truncate or bucket: in milliseconds, or a number without a unit; 0 if it is none.
func width(arg string) (n int64) {
	if ms, ok := unitWidths[arg]; ok {
		return ms
	}
	if d, err := time.ParseDuration(arg); err == nil {
		return d.Milliseconds()
	}
	_ = json.Unmarshal([]byte(arg), &n)
	return n
}

// unitWidths are the units of truncate in milliseconds; of a duration a month has 30 days.
var unitWidths = map[string]int64{"second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000,
	"month": 2_592_000_000}
