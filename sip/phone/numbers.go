package phone

import "strings"

// maxAnswers bounds the answers of each kind that Numbers keeps.
const maxAnswers = 4096

// Numbers reads telephone numbers, and keeps the answers of the library for those that need it. The zero Numbers is
// ready; one goroutine at a time uses it.
type Numbers struct {
	national map[nationalForm]string // E.164 form
	places   map[string]place        // by E.164 form, in North America by + and its first four digits
	drops    uint64                  // how often maxAnswers was reached
}

type nationalForm struct{ user, region string }

// E164 returns user as + and digits. Parameters, post-dial digits (behind p, w, a comma or a semicolon) and visual
// separators are cut.
//
// A number that begins with + must have a known country code and 7 to 15 digits in all, and be long enough to be dialled
// from another area; a trunk prefix 0 behind the country code is cut where there is one, as in +44(0)20.
//
// One without + is a number of region (ISO 3166 alpha-2, upper case), as dialled there; one that can be dialled in its
// own area only, and a short code, are none. Without a region only 1 and a ten digit number of the North American plan
// are taken, for every other form depends on where it is dialled. A phone-context of a country code takes the place of
// region, and a longer one is put before the digits if that makes a number.
//
// When ok is false, text is Anonymous or NonE164.
func (n *Numbers) E164(user, region string) (text string, ok bool) {
	if isAnonymous(user) {
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
	case region == "" || isEmergency(string(digits)):
		return NonE164, false
	}
	return n.fromNational(string(digits), region)
}

// fromContext reads digits as a number of the context that user has. A short code, such as 911, has no context.
func (n *Numbers) fromContext(digits, user string) (string, bool) {
	_, context, _ := strings.Cut(user, PhoneContext)
	var buf [maxUser]byte
	first, _ := plainDigits(buf[:0], context)
	cc := countryCode(first)
	switch {
	case cc == 0 || isEmergency(digits):
		return NonE164, false
	case cc == len(first):
		return n.fromNational(digits, mainRegion(leading(first, cc)))
	}
	return n.fromNational("+"+string(first)+digits, "ZZ")
}

// fromNational reads digits as dialled in region.
func (n *Numbers) fromNational(digits, region string) (string, bool) {
	form := nationalForm{digits, region}
	text, known := n.national[form]
	if !known {
		text = dialledIn(region, digits)
		if len(n.national) >= maxAnswers || n.national == nil {
			n.drop()
		}
		n.national[form] = text
	}
	return text, text != NonE164
}

func (n *Numbers) drop() {
	if n.national != nil {
		n.drops++
	}
	n.national, n.places = map[nationalForm]string{}, map[string]place{}
}

// place returns the place of e164, from the library once for each number, in North America once for each area code.
func (n *Numbers) place(e164 string) place {
	key := e164
	if strings.HasPrefix(e164, "+1") && len(e164) == 12 {
		key = e164[:5]
	}
	p, known := n.places[key]
	if known {
		return p
	}
	if len(key) < len(e164) {
		p = placeOf(key + "2345678")
	}
	if p.country == "" {
		p, key = placeOf(e164), e164
	}
	if len(n.places) >= maxAnswers || n.places == nil {
		n.drop()
	}
	n.places[key] = p
	return p
}

// Country returns the ISO 3166 alpha-2 code of a number in E.164 form, "001" for a country code that is no country's
// (ITU-T E.164 section 6.2.2), "" for what is no number, or one of an area code that is not in use. Toll-free and premium
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

// Category returns a word of a closed list for what was dialled: emergency (911, 112, 933 and urn:service:sos),
// toll_free, premium, shared_cost, other. e164 is what E164 made of dialled; "" without one.
func (n *Numbers) Category(dialled, e164 string) string {
	if isEmergency(ShortCode(dialled)) || IsEmergencyService(dialled) {
		return emergency
	}
	digits, cc := split(e164)
	switch {
	case cc == 0:
		return other
	case northAmerican(digits):
		return areaCategory(digits[1:4])
	}
	return n.place(e164).category
}

// CallType returns emergency, toll_free, premium, international or toll. The last two need both numbers: toll is a
// call inside one country. Which of those is local or on_net needs a dial plan, so neither is returned; "" is unknown.
// caller and called are E.164 forms.
func (n *Numbers) CallType(caller, dialled, called string) string {
	switch c := n.Category(dialled, called); c {
	case emergency, tollFree, premium:
		return c
	}
	callerCountry, calledCountry := n.Country(caller), n.Country(called)
	switch {
	case callerCountry == "" || calledCountry == "":
		return ""
	case callerCountry == calledCountry:
		return "toll"
	}
	return "international"
}
