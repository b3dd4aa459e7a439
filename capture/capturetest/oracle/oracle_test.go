package oracle

import "testing"

// TestOracleAgreesWithTheStories holds the oracle against truth from elsewhere.
func TestOracleAgreesWithTheStories(t *testing.T) {
	stories, err := Stories()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stories {
		if d := s.Differs(Records(s.Call.Messages, s.Call.Until)); d != "" {
			t.Errorf("%s:\n%s", s.Name, d)
		}
	}
}
