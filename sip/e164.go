package sip

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Literals that stand for a user part that is no telephone number.
const (
	Anonymous = "anonymous"
	NonE164   = "non_e164"
)

// PhoneContext stands between a local number and the first digits of the numbers it is one of (RFC 3966 section
// 5.1.5), as in 5550142;phone-context=+1303.
const PhoneContext = ";phone-context="

// MaxNumbers bounds the answers that Numbers remembers. When it is full it forgets all of them and counts it.
const MaxNumbers = 4096

// maxUser bounds, in bytes, a user part that is looked at; a longer one is no number.
const maxUser = 64

// Numbers knows telephone numbers, and remembers what the library said of those that need it. The zero Numbers is
// ready; it belongs to one goroutine.
type Numbers struct {
	national map[nationalForm]string
	places   map[string]place
	Forgot   uint64 // how often MaxNumbers was reached
}

type nationalForm struct{ user, region string }

type place struct {
	country  string
	area     int // digits of the area code behind the country code
	category string
}

// E164 returns user as + and digits. Parameters, post-dial digits (behind p, w, a comma or a semicolon) and visual
// separators are cut. A number that begins with + must have a known country code and 7 to 15 digits in all; one
// without is a number of region (ISO 3166 alpha-2, upper case), as dialled there. Without a region only 1 and a ten
// digit number of the North American plan are taken, for every other form depends on who reads it. A phone-context
// of a country code takes the place of region, and a longer one is put before the digits if that makes a number.
// When ok is false, text is Anonymous or NonE164.
func (n *Numbers) E164(user, region string) (text string, ok bool) {
	if anonymous(user) {
		return Anonymous, false
	}
	var buf [maxUser]byte
	digits, plus := plainDigits(buf[:0], user)
	switch {
	case len(digits) == 0:
		return NonE164, false
	case plus:
		return international(digits)
	case strings.Contains(user, PhoneContext+"+"):
		return n.fromContext(string(digits), user)
	case region == "" && len(digits) == 11 && digits[0] == '1' && digits[1] >= '2' && digits[4] >= '2':
		return international(digits)
	case region == "" || emergencyNumber(string(digits)):
		return NonE164, false
	}
	return n.fromNational(string(digits), region)
}

// plainDigits appends the digits of user to dst, none if there is anything else than digits and separators before
// its parameters and post-dial digits. plus says that + stood in front.
func plainDigits(dst []byte, user string) (digits []byte, plus bool) {
	if plus = strings.HasPrefix(user, "+"); plus {
		user = user[1:]
	}
	for i := range len(user) {
		switch c := user[i]; {
		case c >= '0' && c <= '9':
			if len(dst) == cap(dst) {
				return nil, plus
			}
			dst = append(dst, c)
		case c == '-' || c == '.' || c == '(' || c == ')' || c == ' ':
		case c == ';' || c == ',' || c == 'p' || c == 'w' || c == 'P' || c == 'W':
			return dst, plus
		default:
			return nil, plus
		}
	}
	return dst, plus
}

func international(digits []byte) (string, bool) {
	if len(digits) < 7 || len(digits) > 15 || countryCode(digits) == 0 {
		return NonE164, false
	}
	var buf [16]byte
	buf[0] = '+'
	return string(buf[:1+copy(buf[1:], digits)]), true
}

// A plan is what the first digits of a number tell without the library.
type plan struct {
	codes [1000]bool   // country codes
	owner [1000]string // whose they are; "" for a shared one
	areas [1000]string // country by area code of the North American plan
}

var numbering = newPlan()

func newPlan() (p plan) {
	for code, region := range callingCodes {
		at, _ := decimal([]byte(code), 999)
		p.codes[at], p.owner[at] = true, region
	}
	for region, list := range areaCodes {
		for area := range strings.FieldsSeq(list) {
			at, _ := decimal([]byte(area), 999)
			p.areas[at] = region
		}
	}
	return p
}

// countryCode returns how many of digits are the country code, 0 if there is none. No code begins another.
func countryCode[T string | []byte](digits T) int {
	if len(digits) == 0 || digits[0] == '0' {
		return 0
	}
	code := 0
	for n := range min(3, len(digits)) {
		if code = code*10 + int(digits[n]-'0'); code < 1000 && numbering.codes[code] {
			return n + 1
		}
	}
	return 0
}

// leading returns the number that the first n of digits make.
func leading(digits string, n int) (number int) {
	for i := range n {
		number = number*10 + int(digits[i]-'0')
	}
	return number
}

// fromContext reads digits as a number of the context that user has. A short code, such as 911, is one everywhere.
func (n *Numbers) fromContext(digits, user string) (string, bool) {
	_, context, _ := strings.Cut(user, PhoneContext)
	var buf [maxUser]byte
	first, _ := plainDigits(buf[:0], context)
	cc := countryCode(first)
	switch {
	case cc == 0 || emergencyNumber(digits):
		return NonE164, false
	case cc == len(first): // of countries that share a code the main one: they dial alike
		return n.fromNational(digits, phonenumbers.GetRegionCodeForCountryCode(leading(string(first), cc)))
	}
	return n.fromNational("+"+string(first)+digits, "ZZ")
}

// fromNational asks the library about digits, as dialled in region.
func (n *Numbers) fromNational(digits, region string) (string, bool) {
	form := nationalForm{digits, region}
	text, known := n.national[form]
	if !known {
		text = NonE164
		number, err := phonenumbers.Parse(digits, region)
		if err == nil && phonenumbers.IsPossibleNumber(number) {
			text, _ = international([]byte(phonenumbers.Format(number, phonenumbers.E164)[1:]))
		}
		if len(n.national) >= MaxNumbers || n.national == nil {
			n.forget()
		}
		n.national[form] = text
	}
	return text, text != NonE164
}

func (n *Numbers) forget() {
	if n.national != nil {
		n.Forgot++
	}
	n.national, n.places = map[nationalForm]string{}, map[string]place{}
}

// place returns what the library says of e164, asked once for each number, in North America once for each area code.
func (n *Numbers) place(e164 string) place {
	key := e164
	if strings.HasPrefix(e164, "+1") && len(e164) == 12 { // North America: the area code tells it all
		key = e164[:5]
	}
	p, known := n.places[key]
	if known {
		return p
	}
	if len(key) < len(e164) {
		p = ask(key + "2345678")
	}
	if p.country == "" {
		p, key = ask(e164), e164
	}
	if len(n.places) >= MaxNumbers || n.places == nil {
		n.forget()
	}
	n.places[key] = p
	return p
}

// ask asks the library about e164.
func ask(e164 string) (p place) {
	p.category = "other"
	number, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return p
	}
	p.country = phonenumbers.GetRegionCodeForNumber(number)
	p.area = phonenumbers.GetLengthOfGeographicalAreaCode(number)
	p.category = categoryOf(phonenumbers.GetNumberType(number))
	return p
}

func categoryOf(t phonenumbers.PhoneNumberType) string {
	switch t {
	case phonenumbers.TOLL_FREE:
		return "toll_free"
	case phonenumbers.PREMIUM_RATE:
		return "premium"
	case phonenumbers.SHARED_COST:
		return "shared_cost"
	}
	return "other"
}

// split returns the digits of a number in E.164 form and how many of them are the country code, 0 for what is none.
func split(e164 string) (digits string, cc int) {
	if len(e164) < 8 || len(e164) > 16 || e164[0] != '+' || !allDigits([]byte(e164[1:])) {
		return "", 0
	}
	return e164[1:], countryCode(e164[1:])
}

// northAmerican reports whether digits are a number of the North American plan: its area code tells the rest.
func northAmerican(digits string) bool { return len(digits) == 11 && digits[0] == '1' }

// Country returns the ISO 3166 alpha-2 code of a number in E.164 form, "001" for a country code that is no country's
// (ITU-T E.164 section 6.2.2), "" for what is no number, or one of an area code that nobody has. Toll-free and premium
// numbers of the North American plan are of the US, as for the library.
func (n *Numbers) Country(e164 string) string {
	digits, cc := split(e164)
	switch {
	case cc == 0:
		return ""
	case northAmerican(digits):
		return numbering.areas[leading(digits[1:], 3)]
	}
	if region := numbering.owner[leading(digits, cc)]; region != "" {
		return region
	}
	return n.place(e164).country
}

// Area returns the country code of a number in E.164 form and its area code, if numbers of that kind have one:
// +1303 of +13035550142. It is "" for what is no number.
func (n *Numbers) Area(e164 string) string {
	digits, cc := split(e164)
	switch {
	case cc == 0:
		return ""
	case northAmerican(digits):
		return e164[:5]
	}
	return e164[:1+cc+n.place(e164).area]
}

// EmergencyService reports whether urn is that of an emergency service: urn:service:sos and those below it
// (RFC 5031 section 4.2).
func EmergencyService(urn string) bool {
	const sos = "urn:service:sos"
	return len(urn) >= len(sos) && strings.EqualFold(urn[:len(sos)], sos) && (len(urn) == len(sos) || urn[len(sos)] == '.')
}

// emergencyNumber reports whether digits, as dialled, are 911, 112 or 933 (the test of 911).
func emergencyNumber(digits string) bool {
	return digits == "911" || digits == "112" || digits == "933"
}

// Category returns a word of a closed list for what was dialled: emergency (911, 112, 933 and urn:service:sos),
// toll_free, premium, shared_cost, other. e164 is what E164 made of dialled; "" without one.
func (n *Numbers) Category(dialled, e164 string) string {
	dialled, _, _ = strings.Cut(dialled, ";")
	switch {
	case emergencyNumber(dialled) || EmergencyService(dialled):
		return "emergency"
	}
	digits, cc := split(e164)
	switch {
	case cc == 0:
		return "other"
	case northAmerican(digits):
		return areaCategory(digits[1:4])
	}
	return n.place(e164).category
}

// areaCategory is the category of a number of the North American plan, by its area code.
func areaCategory(area string) string {
	switch area {
	case "800", "833", "844", "855", "866", "877", "888":
		return "toll_free"
	case "900":
		return "premium"
	}
	return "other"
}

// CallType returns emergency, toll_free, premium, international or toll. The last two need both numbers: toll is a
// call inside one country. Which of those is local or on_net only a dial plan can tell, so neither is returned; "" is
// unknown. caller and called are E.164 forms.
func (n *Numbers) CallType(caller, dialled, called string) string {
	switch c := n.Category(dialled, called); c {
	case "emergency", "toll_free", "premium":
		return c
	}
	from, to := n.Country(caller), n.Country(called)
	switch {
	case from == "" || to == "":
		return ""
	case from == to:
		return "toll"
	}
	return "international"
}

// anonymous reports whether user stands for a caller who hides: RFC 3323 section 4.1.1.3 and usage of carriers.
func anonymous(user string) bool {
	if user == "" || user[0] < 'A' {
		return false
	}
	for _, w := range [...]string{"anonymous", "restricted", "unavailable", "private", "unknown", "withheld"} {
		if strings.EqualFold(user, w) {
			return true
		}
	}
	return false
}
