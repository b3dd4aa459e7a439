package facts

import (
	"strings"
	"testing"
)

func TestExpiriesAreReadAsTheyAre(t *testing.T) {
	for text, want := range map[string]uint32{"0": 0, "60": 60, " 0060 ": 60, "604800": 604800, "2678400": 2678400,
		"4294967295": 1<<32 - 1, "4294967296": 3600, "99999999999999999999": 3600, "": 3600, "never": 3600, "-1": 3600,
		"+60": 3600, "60.5": 3600, "60 s": 3600, "0x10": 3600, "Thu, 01 Dec 1994 16:00:00 GMT": 3600} {
		if got := Expiry([]byte(text)); got != want {
			t.Errorf("%q: got = %d, want %d", text, got, want)
		}
		if text == "" || strings.Contains(text, ",") {
			continue
		}
		var g Gather
		ReadContact([]byte("<sip:a@h>;expires=" + text)).addTo(&g)
		read := 0
		for again := range g.facts.Contacts() {
			if read++; !again.HasExpires || again.Expires != want {
				t.Errorf("%q as a parameter: got = %+v, want %d", text, again, want)
			}
		}
		if read != 1 {
			t.Errorf("%q as a parameter: contacts = %d, want 1", text, read)
		}
	}
}
