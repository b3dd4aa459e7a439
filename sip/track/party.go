package track

import (
	"bytes"
	"strconv"

	"sipsieve/sip"
	"sipsieve/sip/syntax"
)

// party appends the number and the host of From or To. Who calls from anonymous.invalid is anonymous, whatever the
// user part is (RFC 3323 section 4.1.1.3).
func (fs *Facts) party(v []byte, number, host Fact) {
	if urn := urnOf(v); urn != nil {
		if number == CalledNumber {
			fs.append(CalledService, bytes.ToLower(urn[:min(len(urn), mostText)]))
		}
		return
	}
	a := fs.address(v, sip.ParseAddress)
	user := dialled([]byte(a.User))
	if number == CallerNumber && foldedEqual([]byte(a.Host), nobody) {
		user = []byte(sip.Anonymous)
	}
	fs.append(number, user)
	fs.append(host, []byte(a.Host))
}

const nobody = "anonymous.invalid"

// urnOf returns the urn that the address v holds, nil if it holds another URI.
func urnOf(v []byte) []byte {
	uri, _, _ := bytes.Cut(v, []byte(";")) // without <> what follows is the header's
	if _, angle := displayName(v); angle >= 0 {
		uri, _, _ = bytes.Cut(v[angle+1:], []byte(">"))
	}
	if uri = bytes.TrimSpace(uri); len(uri) < len("urn:") || !foldedEqual(uri[:len("urn:")], "urn:") {
		return nil
	}
	return uri
}

// callerParams appends what a URI of the caller's says besides the number.
func (fs *Facts) callerParams(v []byte) {
	fs.uriParam(CallerCategory, v, "cpc")
	fs.uriParam(LineInfo, v, "isup-oli")
	fs.uriParam(Verification, v, "verstat")
}

// address reads v. One that cannot be read is counted and kept as far as the eye can see: the call is not lost for it.
func (fs *Facts) address(v []byte, read func([]byte) (sip.Address, error)) sip.Address {
	a, err := read(v)
	if err == nil {
		return a
	}
	fs.opaque++
	user, host := readable(v)
	if user == nil && tel(v) {
		user, host = host, nil
	}
	return sip.Address{User: string(user), Host: string(host)}
}

// readable returns user and host of the address v, nothing if no URI stands where one must.
func readable(v []byte) (user, host []byte) {
	uri := uriOf(v)
	if uri == nil {
		return nil, nil
	}
	return userHost(uri)
}

// uriOf returns the URI in the address v, its end included, nil if none stands where one must: what stands there
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
	if ok && (foldedEqual(scheme, "sip") || foldedEqual(scheme, "sips") || foldedEqual(scheme, "tel")) {
		return uri
	}
	return nil
}

func foldedEqual(b []byte, word string) bool {
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

// named reports whether a display name stands before the URI in v.
func named(v []byte) bool {
	name, _ := displayName(v)
	return len(bytes.Trim(name, "\" \t")) > 0
}

func (fs *Facts) requestURI(v []byte) {
	uri := bytes.ToLower(v[:min(len(v), mostText)])
	if bytes.HasPrefix(uri, []byte("urn:")) {
		fs.append(DialedService, uri)
		return
	}
	a := fs.address(v, sip.ParseURI)
	fs.append(DialedNumber, dialled([]byte(a.User)))
	fs.append(DialedHost, []byte(a.Host))
	fs.uriParam(RoutingNumber, v, "rn")
	fs.uriParam(CarrierCode, v, "cic")
	if bytes.Contains(uri, []byte(";npdi")) {
		fs.append(PortingDip, []byte("1"))
	}
}

// numbers appends the number of each address in v.
func (fs *Facts) numbers(f Fact, v []byte) {
	syntax.Values(v, func(a []byte) {
		fs.append(f, dialled([]byte(fs.address(a, sip.ParseAddress).User)))
	})
}

// remoteParty appends the caller that Remote-Party-ID claims; one of another party is not read. privacy=full and uri
// ask that it be withheld.
func (fs *Facts) remoteParty(v []byte) {
	syntax.Values(v, func(a []byte) {
		if party, ok := syntax.Param(a, "party"); ok && !bytes.EqualFold(party, []byte("calling")) {
			return
		}
		fs.numbers(ClaimedNumber, a)
		if p, _ := syntax.Param(a, "privacy"); withholds(p) {
			fs.append(ClaimedPrivate, []byte("1"))
		}
	})
}

// withholds reports whether a privacy parameter of Remote-Party-ID or Diversion covers the number (RFC 5806
// section 4: full, name, uri, off). Several words stand with - between them.
func withholds(privacy []byte) bool {
	for word := range bytes.SplitSeq(privacy, []byte("-")) {
		if bytes.EqualFold(word, []byte("full")) || bytes.EqualFold(word, []byte("uri")) {
			return true
		}
	}
	return false
}

// diversion appends the topmost Diversion, which is the newest, and how often the call was diverted: the sum of all
// counters, 1 for an entry without one (RFC 5806 section 4).
func (fs *Facts) diversion(m *sip.Message) {
	count := 0
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.Diversion {
			continue
		}
		syntax.Values(m.At(s), func(a []byte) {
			if count == 0 {
				fs.newestDiversion(a)
			}
			count += max(1, diversions(a))
		})
	}
	if count > 0 {
		fs.append(DivertedCount, strconv.AppendInt(nil, int64(count), 10))
	}
}

func (fs *Facts) newestDiversion(a []byte) {
	fs.numbers(DivertedNumber, a)
	fs.param(DivertedReason, a, "reason")
	if p, _ := syntax.Param(a, "privacy"); withholds(p) {
		fs.append(DivertedPrivate, []byte("1"))
	}
}

// mostDiversions bounds what one counter may add.
const mostDiversions = 99

func diversions(a []byte) int {
	p, _ := syntax.Param(a, "counter")
	return min(int(seconds(p)), mostDiversions)
}

// An entry is one of History-Info.
type entry struct {
	at, number []byte
}

// history appends the numbers of History-Info by their index, the first target first (RFC 7044 section 5.1). An
// entry whose own Privacy withholds it is anonymous.
func (fs *Facts) history(m *sip.Message) {
	var room [16]entry
	entries := room[:0]
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.HistoryInfo {
			continue
		}
		syntax.Values(m.At(s), func(a []byte) {
			if len(entries) == cap(room[:]) {
				return
			}
			e := entry{number: dialled([]byte(fs.address(a, sip.ParseAddress).User))}
			if withheldEntry(a) {
				e.number = []byte(sip.Anonymous)
			}
			e.at, _ = syntax.Param(a, "index")
			entries = append(entries, e)
		})
	}
	for i := range entries { // a few, and mostly in their order already
		for j := i; j > 0 && earlier(entries[j].at, entries[j-1].at); j-- {
			entries[j], entries[j-1] = entries[j-1], entries[j]
		}
	}
	for _, e := range entries {
		fs.append(HistoryNumber, e.number)
	}
}

// withheldEntry reports whether the headers in the URI of a History-Info entry hold a Privacy that covers it.
func withheldEntry(a []byte) bool {
	for h := range bytes.SplitSeq(uriHeaders(a), []byte("&")) {
		name, value, _ := bytes.Cut(h, []byte("="))
		if !bytes.EqualFold(name, []byte("Privacy")) {
			continue
		}
		value = bytes.ToLower(unescape(value))
		for _, word := range []string{"history", "header", "session"} {
			if bytes.Contains(value, []byte(word)) {
				return true
			}
		}
	}
	return false
}

// uriHeaders returns the headers that the URI in address a embeds, nil without any (RFC 3261 section 19.1.1).
func uriHeaders(a []byte) []byte {
	_, headers, _ := bytes.Cut(a, []byte("?"))
	if i := bytes.IndexByte(headers, '>'); i >= 0 {
		headers = headers[:i]
	}
	return headers
}

// earlier reports whether the index a, such as 1.2.1, stands before b.
func earlier(a, b []byte) bool {
	for len(a) > 0 && len(b) > 0 {
		var x, y []byte
		x, a, _ = bytes.Cut(a, []byte("."))
		y, b, _ = bytes.Cut(b, []byte("."))
		if m, n := seconds(x), seconds(y); m != n {
			return m < n
		}
	}
	return len(a) < len(b)
}

// contact appends the first Contact.
func (fs *Facts) contact(v []byte) {
	done := false
	syntax.Values(v, func(a []byte) {
		if done {
			return
		}
		done = true
		contact := fs.address(a, sip.ParseAddress)
		fs.append(ContactUser, []byte(contact.User))
		fs.append(ContactHost, []byte(contact.Host))
		if contact.Port != 0 {
			fs.append(ContactPort, strconv.AppendInt(nil, int64(contact.Port), 10))
		}
		fs.param(RegID, a, "reg-id")
		if id, ok := syntax.Param(a, "+sip.instance"); ok {
			fs.append(InstanceID, bytes.Trim(id, "<>"))
		}
		fs.uriParam(TrunkGroup, a, "tgrp")
		fs.uriParam(TrunkContext, a, "trunk-context")
	})
}

// uriParam appends a parameter of the URI in v, if f is not there yet.
func (fs *Facts) uriParam(f Fact, v []byte, name string) {
	_, uri, _ := bytes.Cut(uriOf(v), []byte{':'})
	if i := bytes.IndexByte(uri, '>'); i >= 0 {
		uri = uri[:i]
	}
	for len(uri) > 0 && fs.First(f) == nil {
		var part []byte
		part, uri, _ = bytes.Cut(uri, []byte(";"))
		key, value, _ := bytes.Cut(part, []byte("="))
		if bytes.EqualFold(bytes.TrimSpace(key), []byte(name)) {
			if i := bytes.IndexAny(value, "@?> ,"); i >= 0 {
				value = value[:i]
			}
			fs.append(f, value)
		}
	}
}
