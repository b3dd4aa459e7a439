package facts

import (
	"bytes"
	"strconv"

	"sipsieve/sip"
	"sipsieve/sip/phone"
	"sipsieve/sip/syntax"
)

// Dialled returns the number in a URI's user part (RFC 3966): escapes undone, and without password, parameters and
// digits that are keyed after the answer. Of the parameters a phone-context that begins with + stays behind a number
// that does not: only with it the number differs from those of other areas.
func Dialled(user []byte) []byte {
	if bytes.IndexByte(user, '%') >= 0 {
		user = unescape(user)
	}
	number, params := user, []byte(nil)
	if i := bytes.IndexAny(user, ";,:"); i >= 0 { // behind a colon is a password, RFC 3261 section 19.1.1
		number, params = user[:i], user[i:]
	}
	if i := bytes.IndexAny(number, "pwPW"); i > 0 && IsDialString(number[:i]) {
		number = number[:i]
	}
	context, _ := syntax.Param(params, "phone-context")
	if len(number) == 0 || number[0] == '+' || len(context) < 2 || len(context) > maxContext ||
		context[0] != '+' || !IsDialString(context) {
		return number
	}
	return append(append(bytes.Clone(number), phone.PhoneContext...), context...)
}

// maxContext bounds a phone-context, in bytes: 15 digits with separators.
const maxContext = 24

// IsDialString reports whether v consists of what can be in a telephone number: digits, * and #, +, and separators.
func IsDialString(v []byte) bool {
	for _, c := range v {
		if (c < '0' || c > '9') && bytes.IndexByte([]byte("+-.()*#"), c) < 0 {
			return false
		}
	}
	return true
}

// unescape replaces %XX by the byte that it stands for (RFC 3261 section 25.1); any other % stays.
func unescape(v []byte) []byte {
	var b []byte
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if n, err := strconv.ParseUint(string(v[i+1:i+3]), 16, 8); err == nil {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		b = append(b, v[i])
	}
	return b
}

// leadingNumber returns the number at the beginning of v, of its first nine digits; 0 without one.
func leadingNumber(v []byte) (n uint32) {
	for i := 0; i < len(v) && i < 9 && '0' <= v[i] && v[i] <= '9'; i++ {
		n = n*10 + uint32(v[i]-'0')
	}
	return n
}

// maxSession bounds the seconds of Session-Expires: a week.
const maxSession = 7 * 24 * 3600

// SessionExpires returns the seconds of m's Session-Expires (RFC 4028), a week at most; 0 without one.
func SessionExpires(m *sip.Message) uint32 {
	return min(leadingNumber(m.Value(sip.SessionExpires)), maxSession)
}
