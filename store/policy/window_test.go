package policy

import (
	"strings"
	"testing"
	"time"

	"sipsieve/store/cpni"
)

// TestAWindowIsTheUnitOfTheFinestTime has the times that a purpose keeps, and how long its excerpts are gathered.
func TestAWindowIsTheUnitOfTheFinestTime(t *testing.T) {
	good := shipped(t)
	for _, c := range []struct {
		purpose, old, made string
		want               time.Duration
	}{
		{"billing", "", "", 0},
		{"fraud", "", "", 0},
		{"emergency", "", "", 0},
		{"network_ops", "", "", time.Minute},
		{"network_ops", `setup_time           = "truncate:minute"`, `setup_time = "truncate:hour"`, time.Minute}, // event_time
		{"network_ops", `event_time           = "truncate:minute"`, `event_time = { form = "truncate:second", because = "a test" }`, 0},
		{"network_ops", `last_seen            = "truncate:hour"`, `last_seen = { form = "keep", because = "a test" }`, 0},
		{"network_ops", `kinds     = ["call", "registration", "device"]`, `kinds = ["device"]`, time.Minute},
		{"network_ops", `pdd_ms               = "bucket:500ms"`, `pdd_ms = { form = "keep", because = "a test" }`, time.Minute},
		{"legal", `setup_time           = "truncate:second"
end_time             = "truncate:second"
duration_ms          = "truncate:second"`, `setup_time = "truncate:day"`, time.Hour},
		{"legal", `setup_time           = "truncate:second"
end_time             = "truncate:second"
duration_ms          = "truncate:second"`, `duration_ms = "truncate:second"`, time.Hour},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("the shipped policy has no %q", c.old)
		}
		begin := strings.Index(good, "[purpose."+c.purpose+"]")
		src := good[:begin] + strings.Replace(good[begin:], c.old, c.made, 1)
		p, err := Parse("policy.toml", []byte(src))
		if err != nil {
			t.Fatalf("%s with %q: %v", c.purpose, c.made, err)
		}
		for _, u := range p.All() {
			if u.Name == c.purpose && u.Window() != c.want {
				t.Errorf("%s with %q: window = %v, want %v", c.purpose, c.made, u.Window(), c.want)
			}
		}
	}
}

// TestALossIsAsWideAsTheWindows publishes a loss of a purpose with a window of a minute and of one without.
func TestALossIsAsWideAsTheWindows(t *testing.T) {
	p, err := Parse("policy.toml", []byte(shipped(t)))
	if err == nil {
		err = p.Bind(demoKeys)
	}
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 1, 5, 9, 0, 7, 0, time.UTC)
	for _, c := range []struct {
		purpose  string
		to       time.Time
		from, by string
	}{
		{"billing", from, "09:00:07", "09:00:07"},
		{"network_ops", from, "09:00:00", "09:01:00"},
		{"network_ops", from.Add(time.Minute), "09:00:00", "09:02:00"},
		{"network_ops", from.Add(53 * time.Second), "09:00:00", "09:01:00"},
	} {
		r := cpni.OfLoss(cpni.Loss{From: from, To: c.to, Count: 3, Reason: "overflow"})
		r.Site, r.Sensor, r.Source = "site", "sensor", "interface"
		u, _ := p.Purpose(c.purpose)
		x, ok := u.Minimise(nil, &r)
		want := `,"from":"2026-01-05T` + c.from + `Z","to":"2026-01-05T` + c.by + `Z","count":3,"reason":"overflow"}`
		if !ok || !strings.HasSuffix(string(x.Body()), want) {
			t.Errorf("%s: %s, want an end of %s", c.purpose, x.Body(), want)
		}
	}
}
