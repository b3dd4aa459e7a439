package facts

import "bytes"

// readable returns user and host of the address v, nothing if no sip, sips or tel URI is where one must be.
func readable(v []byte) (user, host []byte) {
	uri := uriOf(v)
	if uri == nil {
		return nil, nil
	}
	return UserHost(uri)
}

// uriOf returns the URI in the address v, its end included, nil if none is where one must be: what is there instead
// could be a name.
func uriOf(v []byte) []byte {
	uri := v
	if bytes.HasPrefix(v, []byte{'"'}) || bytes.IndexByte(v, '<') >= 0 {
		_, angle := displayName(v)
		if angle < 0 {
			return nil
		}
		uri = v[angle+1:]
	}
	scheme, _, ok := bytes.Cut(uri[:min(len(uri), len("sips:"))], []byte{':'})
	if ok && (equalFold(scheme, "sip") || equalFold(scheme, "sips") || equalFold(scheme, "tel")) {
		return uri
	}
	return nil
}

// urnOf returns the urn that the address v holds, nil if it holds another URI.
func urnOf(v []byte) []byte {
	uri, _, _ := bytes.Cut(v, []byte(";")) // without <> what follows is the header's
	if _, angle := displayName(v); angle >= 0 {
		uri, _, _ = bytes.Cut(v[angle+1:], []byte(">"))
	}
	if uri = bytes.TrimSpace(uri); len(uri) < len("urn:") || !equalFold(uri[:len("urn:")], "urn:") {
		return nil
	}
	return uri
}

// equalFold reports whether b is word, whatever the case of ASCII letters.
func equalFold(b []byte, word string) bool {
	return len(b) == len(word) && bytes.EqualFold(b, []byte(word))
}

// displayName returns what stands before the < of a name-addr, and where that is; -1 without one.
func displayName(v []byte) (name []byte, angle int) {
	quoted := false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			return v[:i], i
		}
	}
	return nil, -1
}

// hasDisplayName reports whether a display name stands before the URI in v.
func hasDisplayName(v []byte) bool {
	name, _ := displayName(v)
	return len(bytes.Trim(name, "\" \t")) > 0
}

// uriHeaders returns the headers that the URI in address a embeds, nil without any (RFC 3261 section 19.1.1).
func uriHeaders(a []byte) []byte {
	_, headers, _ := bytes.Cut(a, []byte("?"))
	if i := bytes.IndexByte(headers, '>'); i >= 0 {
		headers = headers[:i]
	}
	return headers
}

// isTel reports whether the URI in v is a tel URI.
func isTel(v []byte) bool {
	i := bytes.IndexByte(v, '<') + 1
	return len(v) >= i+4 && bytes.EqualFold(v[i:i+4], []byte("tel:"))
}

// uriParam returns the first parameter of that name of the URI in v that has a value, nil without one.
func uriParam(v []byte, name string) []byte {
	_, uri, _ := bytes.Cut(uriOf(v), []byte{':'})
	if i := bytes.IndexByte(uri, '>'); i >= 0 {
		uri = uri[:i]
	}
	for part := range bytes.SplitSeq(uri, []byte(";")) {
		key, value, _ := bytes.Cut(part, []byte("="))
		if !bytes.EqualFold(bytes.TrimSpace(key), []byte(name)) {
			continue
		}
		if i := bytes.IndexAny(value, "@?> ,"); i >= 0 {
			value = value[:i]
		}
		if len(value) > 0 {
			return value
		}
	}
	return nil
}

// UserOf returns the user of the first URI in v as Facts have it: of a tel URI its number.
func UserOf(v []byte) []byte {
	user, host := UserHost(v)
	if user == nil && isTel(v) {
		user = host
	}
	return Dialled(user)
}

// UserHost returns the user and the host of the first URI in address, as they stand there.
func UserHost(address []byte) (user, host []byte) {
	uri := uriIn(address)
	end := len(uri)
	for i, c := range uri {
		if c == '@' && user == nil {
			user, host = uri[:i], uri[i+1:]
			end = len(host)
		}
	}
	if user == nil {
		host = uri
	}
	for i, c := range host[:end] {
		if c == ';' || c == '?' || c == ':' && host[0] != '[' || c == ' ' || c == ',' {
			return user, host[:i]
		}
		if c == ']' {
			return user, host[:i+1]
		}
	}
	return user, host
}

// uriIn returns the URI in a name-addr or addr-spec (RFC 3261 section 25.1), without scheme and brackets.
func uriIn(address []byte) []byte {
	quoted, open := false, -1
	for i := 0; i < len(address) && open < 0; i++ {
		switch c := address[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			open = i + 1
		}
	}
	uri := address[max(open, 0):]
	for i, c := range uri {
		if c == '>' {
			uri = uri[:i]
			break
		}
	}
	for i, c := range uri {
		if c == ':' {
			return uri[i+1:]
		}
		if c == '@' || c == ';' {
			break
		}
	}
	return uri
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
