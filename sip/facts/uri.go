package facts

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// callableURI returns the URI in the address v. It is not ok if that is no sip, sips or tel URI: then what is there
// could be a name.
func callableURI(v []byte) (u syntax.URI, ok bool) {
	u = syntax.ReadURI(v)
	return u, u.Is("sip", "sips", "tel")
}

// userHost returns user and host of the address v, nothing without a callable URI.
func userHost(v []byte) (user, host []byte) {
	if u, ok := callableURI(v); ok {
		return u.User, u.Host
	}
	return nil, nil
}

// uriParam returns the first parameter of that name, of user or URI, that has a value; nil without a callable URI.
func uriParam(v []byte, name string) []byte {
	if u, ok := callableURI(v); ok {
		return u.Param(name)
	}
	return nil
}

// urnOf returns the URN in the address v, nil without one.
func urnOf(v []byte) []byte {
	u := syntax.ReadURI(v)
	if !u.Is("urn") {
		return nil
	}
	text := u.Text
	if syntax.DisplayName(v) == nil { // without <> what follows a semicolon is the header's
		text, _, _ = bytes.Cut(text, []byte(";"))
	}
	return bytes.TrimSpace(text)
}

// hasDisplayName reports whether a display name that is not empty is before the URI in v.
func hasDisplayName(v []byte) bool { return len(bytes.Trim(syntax.DisplayName(v), "\" \t")) > 0 }

// UserOf returns the number in the first URI of v as Facts have it: of a tel URI the number itself, else the user.
func UserOf(v []byte) []byte {
	u := syntax.ReadURI(v)
	if u.User == nil && u.Is("tel") {
		return Dialled(u.Host)
	}
	return Dialled(u.User)
}
