package phone

import (
	"strings"

	"sipsieve/sip/syntax"
)

// A plan has the tables by the first digits of a number.
type plan struct {
	codes   [1000]bool   // country codes
	owner   [1000]string // country by country code; "" for a code that several share
	areas   [1000]string // country by area code of the North American plan
	lengths [1000]uint16 // by country code, a bit for each number of digits that may follow it: nationalLengths
	zero    [1000]bool   // by country code, whether its trunk prefix is 0: trunkZero
}

var numbering = newPlan()

func newPlan() (p plan) {
	for code, region := range callingCodes {
		n := atoi(code)
		p.codes[n], p.owner[n] = true, region
	}
	for region, list := range areaCodes {
		for area := range strings.FieldsSeq(list) {
			p.areas[atoi(area)] = region
		}
	}
	for lengths, codes := range nationalLengths {
		for code := range strings.FieldsSeq(codes) {
			for length := range strings.FieldsSeq(lengths) {
				p.lengths[atoi(code)] |= 1 << atoi(length)
			}
		}
	}
	for code := range strings.FieldsSeq(trunkZero) {
		p.zero[atoi(code)] = true
	}
	return p
}

// atoi returns the number that a text of the tables is.
func atoi(text string) int {
	n, _ := syntax.Decimal([]byte(text), 999)
	return n
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
