package useragent

import "sipsieve/sip/syntax"

// MAC returns the first hardware address in text: 12 hexadecimal digits, bare or in pairs with : or - between them,
// with no letter or digit before or behind. Twelve decimal digits without separators are a number, not an address.
func MAC(text []byte) (mac [6]byte, ok bool) {
	text = text[:min(len(text), maxText)]
	for i := range text {
		if i > 0 && wordByte(text[i-1]) {
			continue
		}
		if mac, n := macAt(text[i:]); n > 0 && (i+n == len(text) || !wordByte(text[i+n])) {
			return mac, true
		}
	}
	return mac, false
}

// InstanceMAC returns the hardware address in an instance-id (RFC 5626 section 4.1): the node of a UUID of version 1
// (RFC 9562 section 5.1), or of one that has nothing else in it. A node with the multicast bit is a random number and
// no address.
func InstanceMAC(instance []byte) (mac [6]byte, ok bool) {
	const urn, zeros = "urn:uuid:", "00000000-0000-0000-0000-"
	if len(instance) != len(urn)+36 || !syntax.HasPrefixFold(instance, urn) {
		return mac, false
	}
	id := instance[len(urn):]
	if id[14] != '1' && string(id[:len(zeros)]) != zeros {
		return mac, false
	}
	for i := range mac {
		high, low := syntax.HexDigit(id[24+2*i]), syntax.HexDigit(id[25+2*i])
		if high > 15 || low > 15 {
			return [6]byte{}, false
		}
		mac[i] = high<<4 | low
	}
	return mac, mac[0]&1 == 0 && mac != [6]byte{}
}

// macAt returns the address that text begins with, and its length, 0 without one.
func macAt(text []byte) (mac [6]byte, n int) {
	letters := false
	var separator byte
	for i := range mac {
		if i == 1 && len(text) > n && (text[n] == ':' || text[n] == '-') {
			separator = text[n]
		}
		if i > 0 && separator != 0 {
			if len(text) <= n || text[n] != separator {
				return mac, 0
			}
			n++
		}
		if len(text) < n+2 {
			return mac, 0
		}
		high, low := syntax.HexDigit(text[n]), syntax.HexDigit(text[n+1])
		if high > 15 || low > 15 {
			return mac, 0
		}
		letters = letters || high > 9 || low > 9
		mac[i] = high<<4 | low
		n += 2
	}
	if separator == 0 && !letters && mac[0] != 0 {
		return mac, 0
	}
	return mac, n
}
