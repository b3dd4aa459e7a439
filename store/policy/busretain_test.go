package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTheBusKeepsNothingLongerThanThePolicyDoes(t *testing.T) {
	for _, c := range []struct {
		retain, bus string
		fine        bool
	}{
		{"1 month", "1 month", true}, {"1 month", "28 days", true}, {"1 month", "29 days", false}, {"1 month", "30 days", false},
		{"28 days", "1 month", true}, {"27 days", "1 month", false}, {"12 months", "1 year", true}, {"1 year", "12 months", true},
		{"1 year", "365 days", true}, {"1 year", "366 days", false}, {"18 months", "533 days", true}, {"18 months", "534 days", false},
		{"4 weeks", "28 days", true}, {"4 weeks", "672 hours", true}, {"4 weeks", "673 hours", false}, {"1 day", "24 hours", true},
		{"1 day", "25 hours", false}, {"1 day", "", true}, {"18 months", "", true}, {"18 months", "10 years", false},
	} {
		src := strings.Replace(written("fraud", "sip_code = \"keep\"\n"), `"30 days"`, `"`+c.retain+`"`, 1)
		if c.bus != "" {
			src = strings.Replace(src, "audience", "bus_retain = \""+c.bus+"\"\naudience", 1)
		}
		p, err := Parse("p.toml", []byte(src))
		if (err == nil) != c.fine {
			t.Errorf("%s on the bus, %s kept: error = %v", c.bus, c.retain, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("p.toml:%d: purpose.fraud.bus_retain: ", lineOf(src, "bus_retain"))) {
			t.Errorf("error = %v, want its line", err)
		}
		if err == nil && p.Purposes()[0].BusRetain.Shortest() > p.Purposes()[0].Retain.Shortest() {
			t.Errorf("%s kept: %s on the bus by default", c.retain, p.Purposes()[0].BusRetain)
		}
	}
}

// FuzzShortest: no day of a leap year or of another is there from which a span is shorter than Shortest.
func FuzzShortest(f *testing.F) {
	f.Add(uint8(1), uint8(2), uint16(3), uint16(59))
	f.Add(uint8(0), uint8(1), uint16(0), uint16(31))
	f.Add(uint8(0), uint8(18), uint16(0), uint16(700))
	f.Fuzz(func(t *testing.T, years, months uint8, days, start uint16) {
		s := Retention{Years: int(years % 50), Months: int(months), Days: int(days)}
		from := time.Date(2023, time.January, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(start))
		if got := s.After(from).Sub(from); got < s.Shortest() {
			t.Errorf("%+v from %s: %s, Shortest = %s", s, from, got, s.Shortest())
		}
	})
}
