package sip

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

func TestNumbersForgetAtTheirLimit(t *testing.T) {
	var n Numbers
	for i := range 2*MaxNumbers + 1 {
		n.E164(fmt.Sprintf("303%07d", 5550000+i), "US")
	}
	if len(n.national) > MaxNumbers || n.Forgot != 2 {
		t.Errorf("remembered = %d, forgot = %d, want at most %d and 2", len(n.national), n.Forgot, MaxNumbers)
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
