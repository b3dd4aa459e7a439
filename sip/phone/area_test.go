package phone

import (
	"fmt"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// TestAreaCodeGivesCountryAndCategory compares country and category of North American numbers, which Numbers takes
// from their area codes, with the library's answer for each number.
func TestAreaCodeGivesCountryAndCategory(t *testing.T) {
	var n Numbers
	for area := 200; area < 1000; area++ {
		for _, local := range []string{"2345678", "5550142", "9876543"} {
			e164 := fmt.Sprintf("+1%d%s", area, local)
			number, err := phonenumbers.Parse(e164, "")
			if err != nil || !phonenumbers.IsValidNumber(number) {
				continue
			}
			if got, want := n.Country(e164), phonenumbers.GetRegionCodeForNumber(number); got != want {
				t.Errorf("country of %s = %s, want %s", e164, got, want)
			}
			if got, want := n.Category(e164, e164), categoryOf(phonenumbers.GetNumberType(number)); got != want {
				t.Errorf("category of %s = %s, want %s", e164, got, want)
			}
		}
	}
}
