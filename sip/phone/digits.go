// Package phone reads telephone numbers as they are dialled: their E.164 form, country, area and category.
//
// # Where the answers come from
//
// Numbers that begin with + are read by tables that tests derive from the library (github.com/nyaruka/phonenumbers) and
// compare. National forms and the area codes of other countries need the library itself, which takes 10 to 17 µs:
// Numbers keeps its answers.
//
// # Limits
//
// A user part longer than 64 bytes is no number. Numbers keeps 4096 answers of each kind; when they are full, it drops all
// of them and counts it.
package phone

import (
	"strings"

	"sipsieve/sip/syntax"
)

// Literals that stand for a user part that is no telephone number.
const (
	Anonymous = "anonymous"
	NonE164   = "non_e164"
)

// PhoneContext stands between a local number and the first digits of the numbers it is one of (RFC 3966 section
// 5.1.5), as in 5550142;phone-context=+1303.
const PhoneContext = ";phone-context="

// maxUser bounds, in bytes, a user part that is looked at; a longer one is no number.
const maxUser = 64

// Limits of a number in E.164 form, in digits, the country code included. The longest is ITU-T E.164's.
const (
	shortest = 7
	longest  = 15
)

// NeedsRegion reports whether user could be a national number, which needs the region in which it is dialled: at least 7
// digits without + and without the context of a country code.
func NeedsRegion(user string) bool {
	var buf [maxUser]byte
	digits, plus := plainDigits(buf[:0], user)
	return !plus && len(digits) >= shortest && !strings.Contains(user, PhoneContext+"+")
}

// plainDigits appends the digits of user to dst, none if there is anything else than digits and separators before
// its parameters and post-dial digits. plus: a + stood in front.
func plainDigits(dst []byte, user string) (digits []byte, plus bool) {
	if plus = strings.HasPrefix(user, "+"); plus {
		user = user[1:]
	}
	for i := range len(user) {
		switch c := user[i]; {
		case syntax.IsDigit(c):
			if len(dst) == cap(dst) {
				return nil, plus
			}
			dst = append(dst, c)
		case isSeparator(c):
		case c == ';' || c == ',' || c == 'p' || c == 'w' || c == 'P' || c == 'W':
			return dst, plus
		default:
			return nil, plus
		}
	}
	return dst, plus
}

// isSeparator reports whether c may stand between digits: visual separators (RFC 3966 section 5.1.1) and the space.
func isSeparator(c byte) bool { return c == '-' || c == '.' || c == '(' || c == ')' || c == ' ' }

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
	if n := cc + len(national); n < shortest || n > longest || !dialable(code, national) {
		return NonE164, false
	}
	var buf [1 + longest]byte
	text := append(append(append(buf[:0], '+'), digits[:cc]...), national...)
	return string(text), true
}

// dialable reports whether national can be dialled from outside its area behind the country code. One that is longer
// than any of that code is taken, for exchanges ignore what follows a whole number; in North America it is not.
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

// split returns the digits of a number in E.164 form and how many of them are the country code, 0 for what is none.
func split(e164 string) (digits string, cc int) {
	if len(e164) < 1+shortest || len(e164) > 1+longest || e164[0] != '+' || !syntax.AllDigits(e164[1:]) {
		return "", 0
	}
	return e164[1:], countryCode(e164[1:])
}

// northAmerican reports whether digits are a number of the North American plan, which its area code describes.
func northAmerican(digits string) bool { return len(digits) == 11 && digits[0] == '1' }
