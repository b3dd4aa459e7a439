package facts

import (
	"bytes"

	"sipsieve/sip"
	"sipsieve/sip/phone"
	"sipsieve/sip/syntax"
)

// readFrom adds the Facts of From.
func readFrom(g *Gather, v []byte) {
	readParty(g, v, CallerNumber, CallerHost)
	if hasDisplayName(v) {
		g.addFlag(CallerName)
	}
	readCallerParams(g, v)
}

// readParty adds number and host of From or To. A caller at anonymous.invalid is anonymous, whatever the user part is
// (RFC 3323 section 4.1.1.3).
func readParty(g *Gather, v []byte, number, host Fact) {
	if urn := urnOf(v); urn != nil {
		if number == CalledNumber {
			g.Add(CalledService, bytes.ToLower(urn[:min(len(urn), maxText)]))
		}
		return
	}
	a := readAddress(g, v, sip.ParseAddress)
	user := Dialled([]byte(a.User))
	if number == CallerNumber && syntax.EqualFold(anonymousHost, []byte(a.Host)) {
		user = []byte(phone.Anonymous)
	}
	g.Add(number, user)
	g.Add(host, []byte(a.Host))
}

const anonymousHost = "anonymous.invalid"

// readAddress returns the parts of the address v by read. An address that read refuses is counted and read as far as
// it can be, so that the call has its numbers.
func readAddress(g *Gather, v []byte, read func([]byte) (sip.Address, error)) sip.Address {
	a, err := read(v)
	if err == nil {
		return a
	}
	g.opaque++
	user, host := userHost(v)
	if u := syntax.ReadURI(v); user == nil && u.Is("tel") {
		user, host = host, nil
	}
	return sip.Address{User: string(user), Host: string(host)}
}

// readCallerParams adds the parameters of the caller's URI.
func readCallerParams(g *Gather, v []byte) {
	readURIParam(g, CallerCategory, v, "cpc")
	readURIParam(g, LineInfo, v, "isup-oli")
	readURIParam(g, Verification, v, "verstat")
}

// readURIParam adds the parameter of that name of the URI in v, if f has no value yet.
func readURIParam(g *Gather, f Fact, v []byte, name string) {
	if g.facts.First(f) == nil {
		g.Add(f, uriParam(v, name))
	}
}

// readRequestURI adds what was dialled.
func readRequestURI(g *Gather, v []byte) {
	uri := bytes.ToLower(v[:min(len(v), maxText)])
	if bytes.HasPrefix(uri, []byte("urn:")) {
		g.Add(DialedService, uri)
		return
	}
	a := readAddress(g, v, sip.ParseURI)
	g.Add(DialedNumber, Dialled([]byte(a.User)))
	g.Add(DialedHost, []byte(a.Host))
	readURIParam(g, RoutingNumber, v, "rn")
	readURIParam(g, CarrierCode, v, "cic")
	if bytes.Contains(uri, []byte(";npdi")) {
		g.addFlag(PortingDip)
	}
}

// readNumbers adds the number of each address in v.
func readNumbers(g *Gather, f Fact, v []byte) {
	syntax.Values(v, func(a []byte) {
		g.Add(f, Dialled([]byte(readAddress(g, a, sip.ParseAddress).User)))
	})
}

// readAsserted adds the Facts of P-Asserted-Identity.
func readAsserted(g *Gather, v []byte) {
	readNumbers(g, AssertedNumber, v)
	readCallerParams(g, v)
}

// readRemoteParty adds the caller that Remote-Party-ID claims, and whether it withholds the number. An entry of another
// party is not read.
func readRemoteParty(g *Gather, v []byte) {
	syntax.Values(v, func(a []byte) {
		if party, ok := syntax.Param(a, "party"); ok && !bytes.EqualFold(party, []byte("calling")) {
			return
		}
		readNumbers(g, ClaimedNumber, a)
		if withholds(a) {
			g.addFlag(ClaimedPrivate)
		}
	})
}

// withholds reports whether the privacy parameter of a Remote-Party-ID or Diversion covers the number (RFC 5806
// section 4: full, name, uri, off). Several words stand with - between them. A word that is not known covers it too.
func withholds(address []byte) bool {
	privacy, ok := syntax.Param(address, "privacy")
	if !ok {
		return false
	}
	for word := range bytes.SplitSeq(bytes.Trim(privacy, "\" \t"), []byte("-")) {
		if !syntax.EqualFold("off", word) && !syntax.EqualFold("name", word) {
			return true
		}
	}
	return false
}

// readReferTo adds to whom, and into which call, a REFER transfers.
func readReferTo(g *Gather, v []byte) {
	readNumbers(g, TransferTarget, v)
	g.Add(ReplacedCall, Replaced(v))
}

// Replaced returns the Call-ID of the Replaces that a Refer-To URI embeds (RFC 3891 section 4), nil without one.
func Replaced(referTo []byte) []byte {
	u := syntax.ReadURI(referTo)
	for name, value := range u.Headers {
		if !syntax.EqualFold("Replaces", name) {
			continue
		}
		value, _, _ = bytes.Cut(value, []byte(";"))
		id, _, _ := bytes.Cut(unescape(value), []byte(";"))
		return id
	}
	return nil
}
