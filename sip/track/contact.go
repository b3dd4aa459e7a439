package track

import (
	"bytes"
	"strconv"

	"github.com/dchest/siphash"

	"sipsieve/sip"
	"sipsieve/sip/syntax"
)

// mostContacts bounds the Contacts of one REGISTER that are followed.
const mostContacts = 8

// A contact is one value of Contact in a REGISTER or its 2xx. What it points to is borrowed.
type contact struct {
	user, host, port, instance, flow []byte // flow is reg-id, RFC 5626 section 4.2
	expires                          uint32 // seconds
	told                             bool   // expires stood there
	star                             bool   // all of them, RFC 3261 section 10.2.2
}

// readContact reads a value of Contact. It asks no library: a refresh must cost little.
func readContact(a []byte) (c contact) {
	if string(a) == "*" {
		return contact{star: true}
	}
	c.user, c.host, c.port = contactURI(uriOf(a))
	if id, ok := syntax.Param(a, "+sip.instance"); ok {
		c.instance = bytes.Trim(id, "<>")
	}
	c.flow, _ = syntax.Param(a, "reg-id")
	if p, ok := syntax.Param(a, "expires"); ok {
		c.expires, c.told = expiry(p), true
	}
	return c
}

// malformedExpiry takes the place of an expiry that cannot be read, in seconds (RFC 3261 section 20.19).
const malformedExpiry = 3600

// expiry reads the seconds of Expires, or of the parameter of that name: any value below 2^32.
func expiry(v []byte) uint32 {
	n, err := strconv.ParseUint(string(bytes.TrimSpace(v)), 10, 32)
	if err != nil {
		return malformedExpiry
	}
	return uint32(n)
}

// contactURI takes a URI apart.
func contactURI(uri []byte) (user, host, port []byte) {
	_, uri, _ = bytes.Cut(uri, []byte{':'})
	if i := bytes.IndexAny(uri, "> ,"); i >= 0 {
		uri = uri[:i]
	}
	if i := bytes.IndexByte(uri, '@'); i >= 0 {
		user, uri = uri[:i], uri[i+1:]
	}
	if i := bytes.IndexAny(uri, ";?"); i >= 0 {
		uri = uri[:i]
	}
	end := bytes.IndexByte(uri, ':')
	if len(uri) > 0 && uri[0] == '[' {
		end = bytes.IndexByte(uri, ']') + 1
	}
	if end < 0 || end > len(uri) {
		return user, uri, nil
	}
	return user, uri[:end], bytes.TrimPrefix(uri[end:], []byte{':'})
}

// appendContact adds c to fs as Facts that contacts can read again.
func (fs *Facts) appendContact(c contact) {
	mark := []byte("-")
	if c.told {
		mark = strconv.AppendUint(nil, uint64(c.expires), 10)
	}
	fs.append(contactMark, mark)
	fs.append(ContactUser, c.user)
	fs.append(ContactHost, c.host)
	fs.append(ContactPort, c.port)
	fs.append(InstanceID, c.instance)
	fs.append(RegID, c.flow)
}

// split returns the Facts that all contacts of a REGISTER share, and those of each contact.
func (fs Facts) split() (shared Facts, contacts []byte) {
	for t := fs.text; len(t) >= 3; {
		if Fact(t[0]) == contactMark {
			return Facts{text: fs.text[:len(fs.text)-len(t)]}, t
		}
		t = t[3+(int(t[1])|int(t[2])<<8):]
	}
	return fs, nil
}

// nextContact returns the first contact of what split returned, its Facts, and what follows.
func nextContact(contacts []byte) (c contact, own Facts, rest []byte) {
	for t := contacts; len(t) >= 3; {
		n := 3 + (int(t[1]) | int(t[2])<<8)
		v := t[3:n]
		switch Fact(t[0]) {
		case contactMark:
			if len(t) < len(contacts) {
				return c, own, t
			}
			if c.told = v[0] != '-'; c.told {
				c.expires = expiry(v)
			}
		case ContactUser:
			c.user = v
		case ContactHost:
			c.host = v
		case ContactPort:
			c.port = v
		case InstanceID:
			c.instance = v
		case RegID:
			c.flow = v
		}
		if Fact(t[0]) != contactMark {
			own = Facts{text: contacts[len(contacts)-len(t)-len(own.text) : len(contacts)-len(t)+n]}
		}
		t = t[n:]
	}
	return c, own, nil
}

// A mark tells texts about one address-of-record apart, 0 for no text.
func markOf(record Key, parts ...[]byte) uint64 {
	var room [256]byte
	text := room[:0]
	for _, p := range parts {
		text = append(append(text, p...), 0)
	}
	if len(text) == len(parts) {
		return 0
	}
	for i, c := range text {
		text[i] = lower(c)
	}
	k := record.short()
	return siphash.Hash(k, ^k, text) | 1
}

// granted returns the seconds that the 2xx m gives c: those of the Contact that is c, of the only one that there is,
// else Expires, else otherwise (RFC 3261 section 10.2.4: a parameter goes before the header).
func granted(m *sip.Message, c contact, otherwise uint32) uint32 {
	var best contact
	rank, n := 0, 0
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.Contact {
			continue
		}
		syntax.Values(m.At(s), func(a []byte) {
			n++
			if got := readContact(a); got.told && alike(got, c) > rank {
				best, rank = got, alike(got, c)
			}
		})
	}
	if rank > onlyOne || rank == onlyOne && n == 1 {
		return best.expires
	}
	if v := m.Value(sip.Expires); v != nil {
		return expiry(v)
	}
	return otherwise
}

// onlyOne is the rank of a Contact that has nothing in common with the one that is looked for: a network may have
// written its own address into it.
const onlyOne = 1

// alike ranks how much a and b have in common, from onlyOne.
func alike(a, b contact) int {
	switch {
	case len(a.instance) > 0 && bytes.Equal(a.instance, b.instance) && bytes.Equal(a.flow, b.flow):
		return onlyOne + 3
	case bytes.EqualFold(a.host, b.host) && bytes.Equal(a.user, b.user) && bytes.Equal(a.port, b.port):
		return onlyOne + 2
	case bytes.EqualFold(a.host, b.host) && bytes.Equal(a.user, b.user):
		return onlyOne + 1
	}
	return onlyOne
}
