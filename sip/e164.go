package sip

import (
	"math/bits"
	"sipsieve/sip/syntax"
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
// separators are cut. A number that begins with + must have a known country code and 7 to 15 digits in all, and be long
// enough to be dialled from another area; a trunk prefix 0 behind the country code is cut where there is one, as in
// +44(0)20. One without + is a number of region (ISO 3166 alpha-2, upper case), as dialled there; one that can be
// dialled in its own area only, and a short code, are none. Without a region only 1 and a ten digit number of the North
// American plan are taken, for every other form depends on who reads it. A phone-context of a country code takes the
// place of region, and a longer one is put before the digits if that makes a number. When ok is false, text is Anonymous
// or NonE164.
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

// international returns digits, which begin with a country code, in E.164 form.
func international(digits []byte) (string, bool) {
	cc := countryCode(digits)
	if cc == 0 {
		return NonE164, false
	}
	code, national := leading(digits, cc), digits[cc:]
	if numbering.zero[code] && len(national) > 0 && national[0] == '0' {
		national = national[1:]
	}
	if n := cc + len(national); n < shortest || n > 15 || !dialable(code, national) {
		return NonE164, false
	}
	var buf [16]byte
	text := append(append(append(buf[:0], '+'), digits[:cc]...), national...)
	return string(text), true
}

// shortest is the least number of digits of a number in E.164 form, the country code included.
const shortest = 7

// dialable reports whether national can be dialled from outside its area behind the country code. One that is longer
// than any of that code is taken, for exchanges leave out what follows a whole number; in North America it is not.
func dialable(code int, national []byte) bool {
	switch lengths := numbering.lengths[code]; {
	case len(national) == 0, numbering.zero[code] && national[0] == '0':
		return false
	case code == 1:
		return len(national) == 10 && national[0] >= '2'
	default:
		return lengths>>len(national) == 0 || lengths>>len(national)&1 != 0
	}
}

// A plan is what the first digits of a number tell without the library.
type plan struct {
	codes   [1000]bool   // country codes
	owner   [1000]string // whose they are; "" for a shared one
	areas   [1000]string // country by area code of the North American plan
	lengths [1000]uint16 // by country code, nationalLengths: a bit for each
	zero    [1000]bool   // by country code, trunkZero
}

var numbering = newPlan()

func newPlan() (p plan) {
	for code, region := range callingCodes {
		at, _ := syntax.Decimal([]byte(code), 999)
		p.codes[at], p.owner[at] = true, region
	}
	for region, list := range areaCodes {
		for area := range strings.FieldsSeq(list) {
			at, _ := syntax.Decimal([]byte(area), 999)
			p.areas[at] = region
		}
	}
	for lengths, codes := range nationalLengths {
		for code := range strings.FieldsSeq(codes) {
			at, _ := syntax.Decimal([]byte(code), 999)
			for length := range strings.FieldsSeq(lengths) {
				n, _ := syntax.Decimal([]byte(length), 15)
				p.lengths[at] |= 1 << n
			}
		}
	}
	for code := range strings.FieldsSeq(trunkZero) {
		at, _ := syntax.Decimal([]byte(code), 999)
		p.zero[at] = true
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
func leading[T string | []byte](digits T, n int) (number int) {
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
		text = dialledIn(region, digits)
		if len(n.national) >= MaxNumbers || n.national == nil {
			n.forget()
		}
		n.national[form] = text
	}
	return text, text != NonE164
}

// dialledIn returns the number that is reached by dialling digits in region, NonE164 if none is, or one of the caller's
// own area only.
func dialledIn(region, digits string) string {
	number, err := phonenumbers.Parse(digits, region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(number) != phonenumbers.IS_POSSIBLE {
		return NonE164
	}
	if digits[0] != '+' && !phonenumbers.IsValidNumber(number) &&
		(phonenumbers.IsValidShortNumberForRegion(number, region) || ofArea(region, digits, int(number.GetCountryCode()))) {
		return NonE164
	}
	text, _ := international([]byte(phonenumbers.Format(number, phonenumbers.E164)[1:]))
	return text
}

// ofArea reports whether digits, dialled without the trunk prefix of region, may be a number of the caller's own area:
// where numbers have many lengths (Germany, Austria), theirs do not tell.
func ofArea(region, digits string, code int) bool {
	const many = 5
	trunk := phonenumbers.GetNddPrefixForRegion(region, true)
	return bits.OnesCount16(numbering.lengths[code]) >= many && trunk != "" && !strings.HasPrefix(digits, trunk)
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
	if len(e164) < 8 || len(e164) > 16 || e164[0] != '+' || !syntax.AllDigits(e164[1:]) {
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

// NeedsRegion reports whether user could be a number, but only who knows where it is dialled can tell which: at least 7
// digits without + and without the context of a country code.
func NeedsRegion(user string) bool {
	var buf [maxUser]byte
	digits, plus := plainDigits(buf[:0], user)
	return !plus && len(digits) >= shortest && !strings.Contains(user, PhoneContext+"+")
}
