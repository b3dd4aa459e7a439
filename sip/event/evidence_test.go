package event

import "testing"

func TestCallIDRulesAreRead(t *testing.T) {
	id := []byte("B2B_a84b4c76e66710_b2b-1")
	for rule, want := range map[string]string{"B2B_*": "a84b4c76e66710_b2b-1", "*_b2b-1": "B2B_a84b4c76e66710",
		"B2B_*_b2b-1": "a84b4c76e66710", "*": string(id), "X*": "", "B2B_a84b4c76*": "e66710_b2b-1",
		"B2B_a84b4c76e66710_*": ""} {
		r, err := ParseIDRule(rule)
		if got := string(r.of(id)); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", rule, got, err, want)
		}
	}
	for _, text := range []string{"", "_b2b-1", "*_*"} {
		if _, err := ParseIDRule(text); err == nil {
			t.Errorf("%q is taken for a rule", text)
		}
	}
}

func TestUUIDs(t *testing.T) {
	const uuidA = "ab30317f1a784dc48ff824d0d3715d86"
	for text, want := range map[string]string{uuidA: uuidA, "AB30317F-1A78-4DC4-8FF8-24D0D3715D86": uuidA,
		"00000000000000000000000000000000": "", "ab30317f": "", uuidA + "0": "",
		"gb30317f1a784dc48ff824d0d3715d86": "", "": ""} {
		var room [32]byte
		if got := sessionUUID(&room, []byte(text)); got != (want != "") || got && string(room[:]) != want {
			t.Errorf("%q: %t %q, want %q", text, got, room, want)
		}
	}
}
