package risk

import (
	"testing"

	"sipsieve/store/policy"
)

func formOf(typ, transform string, action policy.Action) form {
	return form{policy.Form{Action: action, Transform: transform}, typ, nil}
}

// TestFormsOfOneFieldMeet has pairs of what two purposes show of a field, and whether both may be of one value.
func TestFormsOfOneFieldMeet(t *testing.T) {
	second, minute := formOf("time", "truncate:second", policy.Truncate), formOf("time", "truncate:minute", policy.Truncate)
	exact, wide := formOf("duration", "keep", policy.Keep), formOf("duration", "bucket:30s", policy.Bucket)
	number, area := formOf("tel", "e164", policy.E164), formOf("tel", "area", policy.Area)
	for _, c := range []struct {
		f    form
		text string
		g    form
		with string
		want bool
	}{
		{second, `"2026-01-05T09:00:59Z"`, minute, `"2026-01-05T09:00:00Z"`, true},
		{second, `"2026-01-05T09:01:00Z"`, minute, `"2026-01-05T09:00:00Z"`, false},
		{second, `null`, minute, `"2026-01-05T09:00:00Z"`, false},
		{second, `null`, minute, `null`, true},
		{exact, `59999`, wide, `30000`, true},
		{exact, `60000`, wide, `30000`, false},
		{number, `"+12025550123"`, area, `"+1202"`, true},
		{number, `"+12035550123"`, area, `"+1202"`, false},
		{number, `"anonymous"`, area, `"anonymous"`, true},
		{number, `"anonymous"`, area, `"+1202"`, false},
		{number, `"+12025550123"`, area, `null`, false},
	} {
		read := reader(c.f, c.g, &interner{number: map[string]uint32{}})
		if read == nil {
			t.Fatalf("%s and %s: want to be comparable", c.f.Transform, c.g.Transform)
		}
		if got := read(c.f, c.text).meets(read(c.g, c.with)); got != c.want {
			t.Errorf("%s of %s and %s of %s: agree = %v, want %v", c.text, c.f.Transform, c.with, c.g.Transform, got, c.want)
		}
	}
}

// TestALeastValueMayBeExceeded has a wait of 5 s with a least value of 3 s, and the reverse.
func TestALeastValueMayBeExceeded(t *testing.T) {
	c := comparison{a: []span{{5e6, 6e6}, {1e6, 2e6}}, b: []span{{3e6, 4e6}}, least: [2]bool{false, true}}
	if !c.agree(0, 0) || c.agree(1, 0) {
		t.Errorf("agree = %v, %v, want true, false", c.agree(0, 0), c.agree(1, 0))
	}
	if c.score(0, 0) >= 0 {
		t.Errorf("score = %g, want below that of a pair that meets", c.score(0, 0))
	}
}
