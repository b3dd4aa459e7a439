package facts

import (
	"bytes"
	"strconv"

	"sipsieve/sip"
	"sipsieve/sip/syntax"
)

// MaxContacts limits the Contacts of one REGISTER that are read.
const MaxContacts = 8

// A Contact is one value of Contact in a REGISTER or its 2xx. Its slices are borrowed.
type Contact struct {
	User, Host, Port, Instance []byte
	RegID                      []byte // RFC 5626 section 4.2
	Expires                    uint32 // seconds, if HasExpires
	HasExpires                 bool
	Star                       bool // the value is *: all contacts, RFC 3261 section 10.2.2
}

// ReadContact reads a value of Contact. It uses no library, so that a refresh costs little.
func ReadContact(a []byte) (c Contact) {
	if string(a) == "*" {
		return Contact{Star: true}
	}
	if u, ok := callableURI(a); ok {
		c.User, c.Host, c.Port = u.User, u.Host, u.Port
	}
	if id, ok := syntax.Param(a, "+sip.instance"); ok {
		c.Instance = bytes.Trim(id, "<>")
	}
	c.RegID, _ = syntax.Param(a, "reg-id")
	if p, ok := syntax.Param(a, "expires"); ok {
		c.Expires, c.HasExpires = Expiry(p), true
	}
	return c
}

// addTo adds c to the Facts under way, as Facts that Facts.Contacts reads again.
func (c Contact) addTo(g *Gather) {
	expires := []byte("-")
	if c.HasExpires {
		expires = strconv.AppendUint(nil, uint64(c.Expires), 10)
	}
	g.Add(contactMark, expires)
	g.Add(ContactUser, c.User)
	g.Add(ContactHost, c.Host)
	g.Add(ContactPort, c.Port)
	g.Add(InstanceID, c.Instance)
	g.Add(RegID, c.RegID)
}

// set sets the part of c that f is.
func (c *Contact) set(f Fact, v []byte) {
	switch f {
	case contactMark:
		if c.HasExpires = v[0] != '-'; c.HasExpires {
			c.Expires = Expiry(v)
		}
	case ContactUser:
		c.User = v
	case ContactHost:
		c.Host = v
	case ContactPort:
		c.Port = v
	case InstanceID:
		c.Instance = v
	case RegID:
		c.RegID = v
	}
}

// likeness ranks how much c and o have in common, from onlyOne.
func (c Contact) likeness(o Contact) int {
	switch {
	case len(c.Instance) > 0 && bytes.Equal(c.Instance, o.Instance) && bytes.Equal(c.RegID, o.RegID):
		return onlyOne + 3
	case bytes.EqualFold(c.Host, o.Host) && bytes.Equal(c.User, o.User) && bytes.Equal(c.Port, o.Port):
		return onlyOne + 2
	case bytes.EqualFold(c.Host, o.Host) && bytes.Equal(c.User, o.User):
		return onlyOne + 1
	}
	return onlyOne
}

// onlyOne is the rank of a Contact without anything in common with the wanted one: a network may have replaced its
// address.
const onlyOne = 1

// Granted returns the expiry in seconds that the 2xx m grants c: that of the Contact that is c, else of the only
// Contact, else of Expires, else the requested one (RFC 3261 section 10.2.4: the parameter takes precedence over the
// header).
func (c Contact) Granted(m *sip.Message, requested uint32) uint32 {
	var best Contact
	rank, n := 0, 0
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.Contact {
			continue
		}
		syntax.Values(m.At(s), func(a []byte) {
			n++
			if got := ReadContact(a); got.HasExpires && got.likeness(c) > rank {
				best, rank = got, got.likeness(c)
			}
		})
	}
	if rank > onlyOne || rank == onlyOne && n == 1 {
		return best.Expires
	}
	if v := m.Value(sip.Expires); v != nil {
		return Expiry(v)
	}
	return requested
}

// malformedExpiry replaces an expiry that cannot be read, in seconds (RFC 3261 section 20.19).
const malformedExpiry = 3600

// Expiry returns the seconds of Expires, or of the parameter of that name: any value below 2^32.
func Expiry(v []byte) uint32 {
	n, err := strconv.ParseUint(string(bytes.TrimSpace(v)), 10, 32)
	if err != nil {
		return malformedExpiry
	}
	return uint32(n)
}

// readFirstContact adds the first Contact of a call.
func readFirstContact(g *Gather, v []byte) {
	done := false
	syntax.Values(v, func(a []byte) {
		if done {
			return
		}
		done = true
		contact := readAddress(g, a, sip.ParseAddress)
		g.Add(ContactUser, []byte(contact.User))
		g.Add(ContactHost, []byte(contact.Host))
		if contact.Port != 0 {
			g.Add(ContactPort, strconv.AppendInt(nil, int64(contact.Port), 10))
		}
		readParam(g, RegID, a, "reg-id")
		if id, ok := syntax.Param(a, "+sip.instance"); ok {
			g.Add(InstanceID, bytes.Trim(id, "<>"))
		}
		readURIParam(g, TrunkGroup, a, "tgrp")
		readURIParam(g, TrunkContext, a, "trunk-context")
	})
}
