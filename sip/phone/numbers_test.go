package phone

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestCallingCodesAreTheLibrarys(t *testing.T) {
	want := map[string]string{}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		regions := phonenumbers.GetRegionCodesForCountryCode(code)
		want[strconv.Itoa(code)] = ""
		if len(regions) == 1 {
			want[strconv.Itoa(code)] = regions[0]
		}
	}
	if !maps.Equal(callingCodes, want) {
		t.Errorf("calling codes = %v, want %v", callingCodes, want)
	}
}

func TestNumbersComeInE164Form(t *testing.T) {
	var n Numbers
	for _, c := range []struct{ user, region, want string }{
		{"+13035550142", "", "+13035550142"},
		{"+1-303-555-0142", "", "+13035550142"},
		{"+1 (303) 555.0142", "", "+13035550142"},
		{"+13035550142;phone-context=x;postd=123", "", "+13035550142"},
		{"+13035550142,,4711", "US", "+13035550142"},
		{"+13035550142p4711", "US", "+13035550142"},
		{"3035550142w4711", "US", "+13035550142"},
		{"13035550142", "", "+13035550142"},
		{"13035550142", "US", "+13035550142"},
		{"3035550142", "US", "+13035550142"},
		{"3035550142", "", NonE164},
		{"12125550142123", "", NonE164},
		{"10115550142", "", NonE164},
		{"011442079460958", "US", "+442079460958"},
		{"011442079460958", "", NonE164},
		{"02079460958", "GB", "+442079460958"},
		{"00442079460958", "DE", "+442079460958"},
		{"+442079460958", "US", "+442079460958"},
		{"+390612345678", "", "+390612345678"},
		{"0612345678", "IT", "+390612345678"},
		{"5550111", "US", NonE164},
		{"555-0111", "US", NonE164},
		{"5550111", "", NonE164},
		{"+15550111", "US", NonE164},
		{"+1555", "", NonE164},
		{"+10115550142", "", NonE164},
		{"+130355501422", "", NonE164},
		{"0000000000", "US", NonE164},
		{"79460123", "GB", NonE164},
		{"2079460958", "GB", "+442079460958"},
		{"+4479460123", "", NonE164},
		{"5551234", "IS", "+3545551234"},
		{"+3545551234", "", "+3545551234"},
		{"12345678", "DE", NonE164},
		{"3012345678", "DE", "+493012345678"},
		{"03012345678", "DE", "+493012345678"},
		{"116117", "DE", NonE164},
		{"110", "DE", NonE164},
		{"10086", "CN", NonE164},
		{"118500", "GB", NonE164},
		{"+5550111", "", NonE164},
		{"+44(0)2079460123", "", "+442079460123"},
		{"+44 (0) 20 7946 0123", "", "+442079460123"},
		{"+4402079460123", "", "+442079460123"},
		{"+44002079460123", "", NonE164},
		{"+440", "", NonE164},
		{"00442079460123", "GB", "+442079460123"},
		{"00440207946 0123", "DE", "+442079460123"},
		{"0044(0)2079460123", "GB", "+442079460123"},
		{"4402079460123", "GB", "+442079460123"},
		{"442079460123", "GB", "+442079460123"},
		{"011440207 9460123", "US", "+442079460123"},
		{"+49(0)3012345678", "US", "+493012345678"},
		{"+33(0)123456789", "", "+33123456789"},
		{"+610212345678", "", "+61212345678"},
		{"+39(0)612345678", "", "+390612345678"},
		{"+2250102030405", "", "+2250102030405"},
		{"+24101020304", "", "+24101020304"},
		{"+78005551234", "", "+78005551234"},
		{"+00442079460123", "GB", NonE164},
		{"+02079460123", "GB", NonE164},
		{"+911", "US", NonE164},
		{"5550142;phone-context=+1303", "", "+13035550142"},
		{"5550142;phone-context=+1", "US", NonE164},
		{"02079460123;phone-context=+44", "US", "+442079460123"},
		{"79460123;phone-context=+4420", "", "+442079460123"},
		{"911;phone-context=+1", "", NonE164},
		{"3035550142;ext=12", "US", "+13035550142"},
		{"3035550142x12", "US", NonE164},
		{"1800FLOWERS", "US", NonE164},
		{"*673035550142", "US", NonE164},
		{"911", "US", NonE164},
		{"112", "DE", NonE164},
		{"+999123456789", "", NonE164},
		{"+1234", "", NonE164},
		{"+1234567890123456", "", NonE164},
		{"alice", "US", NonE164},
		{"1001", "US", NonE164},
		{"+1303555014x", "US", NonE164},
		{"", "US", NonE164},
		{"+", "US", NonE164},
		{"0000", "CO", NonE164},
		{"+0130355501", "", NonE164},
		{strings.Repeat("1", 500), "US", NonE164},
		{"Anonymous", "US", Anonymous},
		{"restricted", "", Anonymous},
		{"unavailable", "", Anonymous},
	} {
		got, ok := n.E164(c.user, c.region)
		if got != c.want || ok != strings.HasPrefix(c.want, "+") {
			t.Errorf("%s in %q: got = %s %t, want %s", c.user, c.region, got, ok, c.want)
		}
	}
}

// TestLengthsAndTrunkPrefixesAreTheLibrarys derives both tables.
func TestLengthsAndTrunkPrefixesAreTheLibrarys(t *testing.T) {
	for text := range callingCodes {
		code, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		var want uint16
		for n, national := 1, uint64(1); n+len(text) <= 15; n, national = n+1, national*10 {
			cc := int32(code)
			number := &phonenumbers.PhoneNumber{CountryCode: &cc, NationalNumber: &national}
			if phonenumbers.IsPossibleNumberWithReason(number) == phonenumbers.IS_POSSIBLE {
				want |= 1 << n
			}
		}
		if got := numbering.lengths[code]; got != want {
			t.Errorf("+%s: lengths = %b, want %b", text, got, want)
		}
		region := phonenumbers.GetRegionCodeForCountryCode(code)
		if got, want := numbering.zero[code], phonenumbers.GetNddPrefixForRegion(region, true) == "0"; got != want {
			t.Errorf("+%s: trunk prefix 0 = %t, want %t", text, got, want)
		}
	}
}

// TestTrunkZeroIsCut writes the example number of every region as +CC(0) and +CC0: the 0 goes where it is the trunk
// prefix, and a number without it stays as it is.
func TestTrunkZeroIsCut(t *testing.T) {
	var n Numbers
	for region := range phonenumbers.GetSupportedRegions() {
		number := phonenumbers.GetExampleNumber(region)
		code, national := number.GetCountryCode(), phonenumbers.GetNationalSignificantNumber(number)
		want := fmt.Sprintf("+%d%s", code, national)
		if got, _ := n.E164(want, ""); got != want {
			t.Errorf("%s: got = %s, want %s", region, got, want)
		}
		if phonenumbers.GetNddPrefixForRegion(region, true) != "0" {
			continue
		}
		for _, form := range []string{"+%d(0)%s", "+%d0%s", "+%d (0) %s"} {
			if got, ok := n.E164(fmt.Sprintf(form, code, national), ""); got != want || !ok {
				t.Errorf("%s: %s gives %s, want %s", region, form, got, want)
			}
		}
	}
}

func TestNumbersThatNeedARegion(t *testing.T) {
	for user, want := range map[string]bool{"2025550111": true, "202-555-0111": true, "5550111": true,
		"00442079460123": true, "4402079460123;x=y": true, "+12025550111": false, "1001": false, "911": false,
		"alice": false, "": false, "5550142;phone-context=+1303": false, "anonymous": false} {
		if got := NeedsRegion(user); got != want {
			t.Errorf("%q: got = %t, want %t", user, got, want)
		}
	}
}

func TestAreaAndCountryOfNumbers(t *testing.T) {
	var n Numbers
	for _, c := range []struct{ e164, area, country string }{
		{"+13035550142", "+1303", "US"},
		{"+14165550142", "+1416", "CA"},
		{"+18765550142", "+1876", "JM"},
		{"+442079460958", "+4420", "GB"},
		{"+493012345678", "+4930", "DE"},
		{"+390612345678", "+3906", "IT"},
		{"+4915112345678", "+49", "DE"},
		{"+3545551234", "+354", "IS"},
		{"+77012345678", "+7", "KZ"},
		{"+80012345678", "+800", "001"},
		{"+18005550142", "+1800", "US"},
		{NonE164, "", ""}, {Anonymous, "", ""}, {"", "", ""}, {"+", "", ""}, {"13035550142", "", ""},
	} {
		area, country := n.Area(c.e164), n.Country(c.e164)
		if area != c.area || country != c.country {
			t.Errorf("%s: got = %s %s, want %s %s", c.e164, area, country, c.area, c.country)
		}
	}
}

func TestAreaCodesAreTheLibrarys(t *testing.T) {
	var n Numbers
	for area := 200; area < 1000; area++ {
		e164 := fmt.Sprintf("+1%d2345678", area)
		number, err := phonenumbers.Parse(e164, "")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := n.Country(e164), phonenumbers.GetRegionCodeForNumber(number); got != want {
			t.Errorf("%d: country = %q, want %q", area, got, want)
		}
		if got, want := n.Category("", e164), categoryOf(phonenumbers.GetNumberType(number)); got != want {
			t.Errorf("%d: category = %q, want %q", area, got, want)
		}
	}
	if len(n.places) != 0 {
		t.Errorf("library asked for %d numbers, want none", len(n.places))
	}
}

// TestCountriesAgreeWithTheLibrary asks for the example numbers of every region.
func TestCountriesAgreeWithTheLibrary(t *testing.T) {
	var n Numbers
	for region := range phonenumbers.GetSupportedRegions() {
		number := phonenumbers.GetExampleNumber(region)
		e164 := phonenumbers.Format(number, phonenumbers.E164)
		if got, want := n.Country(e164), phonenumbers.GetRegionCodeForNumber(number); got != want {
			t.Errorf("%s: country = %q, want %q", region, got, want)
		}
		if got, ok := n.E164(e164, ""); !ok || got != e164 {
			t.Errorf("%s: E.164 = %q, want %q", region, got, e164)
		}
	}
}

func TestCategoriesAndTypesOfCalls(t *testing.T) {
	var n Numbers
	const here = "+13035550142"
	for _, c := range []struct{ dialled, called, category, kind string }{
		{"911", "", "emergency", "emergency"},
		{"112", "", "emergency", "emergency"},
		{"933", "", "emergency", "emergency"},
		{"urn:service:sos.fire", "", "emergency", "emergency"},
		{"URN:service:SOS;cause=302", "", "emergency", "emergency"},
		{"urn:service:sos.police;x=y", "", "emergency", "emergency"},
		{"urn:service:sos?=q", "", "emergency", "emergency"},
		{"urn:service:sosx", "", "other", ""},
		{"+911", "", "emergency", "emergency"},
		{"+112;phone-context=+49", "", "emergency", "emergency"},
		{"9-1-1", "", "emergency", "emergency"},
		{"++911", "", "other", ""},
		{"1911", "", "other", ""},
		{"urn:service:counseling", "", "other", ""},
		{"18002345678", "+18002345678", "toll_free", "toll_free"},
		{"19002345678", "+19002345678", "premium", "premium"},
		{"13035550143", "+13035550143", "other", "toll"},
		{"14165550143", "+14165550143", "other", "international"},
		{"011442079460958", "+442079460958", "other", "international"},
		{"1001", NonE164, "other", ""},
	} {
		if got := n.Category(c.dialled, c.called); got != c.category {
			t.Errorf("%s: category = %s, want %s", c.dialled, got, c.category)
		}
		if got := n.CallType(here, c.dialled, c.called); got != c.kind {
			t.Errorf("%s: type = %s, want %s", c.dialled, got, c.kind)
		}
	}
}

func TestAnswersAreDroppedAtTheirLimit(t *testing.T) {
	var n Numbers
	for i := range 2*maxAnswers + 1 {
		n.E164(fmt.Sprintf("303%07d", 5550000+i), "US")
	}
	if len(n.national) > maxAnswers || n.drops != 2 {
		t.Errorf("kept = %d, dropped = %d, want at most %d and 2", len(n.national), n.drops, maxAnswers)
	}
}

// FuzzE164 states the laws that a result is + and 7 to 15 digits, and that it is its own E.164 form.
func FuzzE164(f *testing.F) {
	f.Add("+1 (303) 555-0142;ext=1", "US")
	f.Add("02079460958", "GB")
	f.Fuzz(func(t *testing.T, user, region string) {
		var n Numbers
		got, ok := n.E164(user, region)
		if !ok {
			if got != NonE164 && got != Anonymous {
				t.Errorf("literal = %q", got)
			}
			return
		}
		if len(got) < 8 || len(got) > 16 || got[0] != '+' || strings.Trim(got[1:], "0123456789") != "" {
			t.Errorf("number = %q", got)
		}
		if again, _ := n.E164(got, ""); again != got {
			t.Errorf("again = %q, want %q", again, got)
		}
		if area := n.Area(got); !strings.HasPrefix(got, area) || len(area) >= len(got) {
			t.Errorf("area = %q of %q", area, got)
		}
	})
}

func BenchmarkE164(b *testing.B) {
	for _, user := range []string{"+13035550142", "3035550142"} {
		b.Run(user, func(b *testing.B) {
			var n Numbers
			b.ReportAllocs()
			for b.Loop() {
				n.E164(user, "US")
			}
		})
	}
	b.Run("country", func(b *testing.B) {
		var n Numbers
		b.ReportAllocs()
		for b.Loop() {
			n.Country("+13035550142")
		}
	})
}
