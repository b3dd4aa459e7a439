package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLongestExpiryIsThatOfTheLongestRetention(t *testing.T) {
	var src strings.Builder
	src.WriteString("version = 1\ndefault = \"drop\"\nowner = \"o\"\nreviewed = 2026-11-20\n")
	for name, retain := range map[string]string{"billing": "18 months", "fraud": "90 days", "network_ops": "12 weeks"} {
		fmt.Fprintf(&src, "[purpose.%s]\nwhy = \"w\"\nbasis = \"222(d)(1)\"\nretain = %q\nretain_why = \"w\"\naudience = [\"a\"]\n"+
			"kinds = [\"call\"]\n[purpose.%s.fields]\ndisposition = \"keep\"\n", name, retain, name)
	}
	p, err := Parse("p.toml", []byte(src.String()))
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	if got, want := p.LongestExpiry(noon), (Date{Year: 2028, Month: time.May, Day: 21}); got != want {
		t.Errorf("longest expiry = %v, want %v", got, want)
	}
}
