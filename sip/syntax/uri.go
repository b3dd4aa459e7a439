package syntax

import "bytes"

// A URI is a URI taken apart (RFC 3261 section 19.1.1, RFC 3966), as far as it can be read: it need not be valid.
type URI struct {
	Text   []byte // all of it, without < and >; without them, the parameters of the header belong to it
	Scheme []byte // nil without one
	User   []byte // with password and parameters, escapes as they stand; nil without @
	Host   []byte // with the brackets of IPv6; of a tel URI its number
	Port   []byte // nil without one
}

// ReadURI takes the URI apart that address holds, which is a name-addr or an addr-spec (RFC 3261 section 25.1). What
// has no scheme is read as what follows one; whether a URI stands there at all, Is reports.
func ReadURI(address []byte) (u URI) {
	u.Text = inAngle(address)
	rest := u.Text
	if i := indexOf(rest, ":@;"); i < len(rest) && rest[i] == ':' {
		u.Scheme, rest = rest[:i], rest[i+1:]
	}
	if i := bytes.IndexByte(rest, '@'); i >= 0 {
		u.User, rest = rest[:i], rest[i+1:]
	}
	u.Host = rest[:hostLength(rest)]
	if rest = rest[len(u.Host):]; len(rest) > 0 && rest[0] == ':' {
		u.Port = rest[1 : 1+indexOf(rest[1:], ";? ,")]
	}
	return u
}

// indexOf returns the place of the first byte of text that is one of bytes, the length of text without one.
func indexOf(text []byte, bytes string) int {
	for i, c := range text {
		for j := range len(bytes) {
			if c == bytes[j] {
				return i
			}
		}
	}
	return len(text)
}

// inAngle returns what stands between the first < outside of quotes and the next >: all of address up to > without <.
func inAngle(address []byte) []byte {
	if i := angleIn(address); i >= 0 {
		address = address[i+1:]
	}
	text, _, _ := bytes.Cut(address, []byte{'>'})
	return text
}

// angleIn returns where the < of a name-addr stands, -1 without one.
func angleIn(address []byte) int {
	quoted := false
	for i := 0; i < len(address); i++ {
		switch c := address[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			return i
		}
	}
	return -1
}

// hostLength returns the length of the host at the beginning of rest.
func hostLength(rest []byte) int {
	for i, c := range rest {
		switch {
		case c == ';', c == '?', c == ' ', c == ',', c == ':' && rest[0] != '[':
			return i
		case c == ']':
			return i + 1
		}
	}
	return len(rest)
}

// DisplayName returns what stands before the < of a name-addr, quotes included; nil without <.
func DisplayName(address []byte) []byte {
	if i := angleIn(address); i >= 0 {
		return address[:i]
	}
	return nil
}

// Is reports whether the URI has one of schemes, whatever its case.
func (u *URI) Is(schemes ...string) bool {
	for _, s := range schemes {
		if EqualFold(s, u.Scheme) {
			return true
		}
	}
	return false
}

// Param returns the first parameter of that name that has a value, be it the user's (RFC 4694) or the URI's; nil
// without one.
func (u *URI) Param(name string) []byte {
	rest := u.afterScheme()
	for len(rest) > 0 {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte{';'})
		key, value, _ := bytes.Cut(part, []byte{'='})
		if !EqualFold(name, bytes.TrimSpace(key)) {
			continue
		}
		if value = value[:indexOf(value, "@?> ,")]; len(value) > 0 {
			return value
		}
	}
	return nil
}

// Headers calls yield with name and value, escaped as it stands, of each header that the URI embeds, until it returns
// false.
func (u *URI) Headers(yield func(name, value []byte) bool) {
	_, headers, _ := bytes.Cut(u.Text, []byte{'?'})
	for len(headers) > 0 {
		var one []byte
		one, headers, _ = bytes.Cut(headers, []byte{'&'})
		if name, value, _ := bytes.Cut(one, []byte{'='}); !yield(name, value) {
			return
		}
	}
}

func (u *URI) afterScheme() []byte {
	if u.Scheme == nil {
		return u.Text
	}
	return u.Text[len(u.Scheme)+1:]
}
