package track

import (
	"bytes"
	"strconv"

	"sipsieve/sip"
	"sipsieve/sip/syntax"
)

// gatherMedia appends what a session description says. Addresses stay those of the first.
func (fs *Facts) gatherMedia(v []byte) {
	if len(v) == 0 {
		return
	}
	s := sip.ReadSession(v)
	for _, w := range s.Types[:s.NTypes] {
		fs.append(MediaType, []byte(w))
	}
	for _, w := range s.Codecs[:s.NCodecs] {
		fs.append(MediaCodec, []byte(w))
	}
	if s.Addr.IsValid() && fs.First(MediaAddress) == nil {
		var room [64]byte
		fs.append(MediaAddress, s.Addr.AppendTo(room[:0]))
	}
	fs.append(MediaProfile, []byte(s.Profile))
	if s.NTypes > 0 {
		fs.append(MediaCrypto, []byte(s.Crypto.String()))
	}
	if s.Candidate && fs.First(CandidateSeen) == nil {
		fs.append(CandidateSeen, []byte("1"))
	}
	if len(s.OriginID) > 0 && fs.First(OriginSession) == nil {
		fs.append(OriginSession, append(append(append([]byte(nil), s.OriginID...), ' '), s.OriginAt...))
	}
}

// dialled returns the number in a URI's user part (RFC 3966): escapes undone, and without password, parameters and
// digits that are keyed after the answer. Of the parameters a phone-context that begins with + stays behind a number
// that does not: only with it can the number be told from others.
func dialled(user []byte) []byte {
	if bytes.IndexByte(user, '%') >= 0 {
		user = unescape(user)
	}
	number, params := user, []byte(nil)
	if i := bytes.IndexAny(user, ";,:"); i >= 0 { // behind a colon is a password, RFC 3261 section 19.1.1
		number, params = user[:i], user[i:]
	}
	if i := bytes.IndexAny(number, "pwPW"); i > 0 && digits(number[:i]) {
		number = number[:i]
	}
	context, _ := syntax.Param(params, "phone-context")
	if len(number) == 0 || number[0] == '+' || len(context) < 2 || len(context) > longestContext ||
		context[0] != '+' || !digits(context) {
		return number
	}
	return append(append(bytes.Clone(number), sip.PhoneContext...), context...)
}

// longestContext bounds a phone-context, in bytes: 15 digits with separators.
const longestContext = 24

// digits reports whether all of v can stand in a telephone number.
func digits(v []byte) bool {
	for _, c := range v {
		if (c < '0' || c > '9') && bytes.IndexByte([]byte("+-.()*#"), c) < 0 {
			return false
		}
	}
	return true
}

func tel(v []byte) bool {
	i := bytes.IndexByte(v, '<') + 1
	return len(v) >= i+4 && bytes.EqualFold(v[i:i+4], []byte("tel:"))
}

// replaced returns the Call-ID of the Replaces that a Refer-To URI embeds (RFC 3891 section 4), nil without one.
func replaced(referTo []byte) []byte {
	for h := range bytes.SplitSeq(uriHeaders(referTo), []byte("&")) {
		name, value, _ := bytes.Cut(h, []byte("="))
		if !bytes.EqualFold(name, []byte("Replaces")) {
			continue
		}
		value, _, _ = bytes.Cut(value, []byte(";"))
		id, _, _ := bytes.Cut(unescape(value), []byte(";"))
		return id
	}
	return nil
}

// unescape undoes %XX (RFC 3261 section 25.1); what is none stays as it is.
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
