package sheet

import (
	"strings"
	"testing"

	"sipsieve/configs"
	"sipsieve/store/policy"
)

// TestAColumnThatIsExactRefusesACoarseForm takes a purpose that keeps the duration in steps.
func TestAColumnThatIsExactRefusesACoarseForm(t *testing.T) {
	t.Parallel()
	rules, err := policy.Parse("policy.toml", configs.Policy)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range rules.All() {
		if p.Name != "network_ops" {
			continue
		}
		found = true
		c := ratingColumn{field: "duration_ms", exact: true}
		if err := c.keptBy(p); err == nil || !strings.Contains(err.Error(), "keeps duration_ms as bucket:30s: want keep") {
			t.Errorf("error = %v, want that of the form", err)
		}
	}
	if !found {
		t.Error("the shipped policy has no purpose network_ops: the test shows nothing")
	}
}
