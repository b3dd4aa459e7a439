package sip

import (
	"bytes"
	_ "embed"
	"slices"
	"strings"
)

// A Device is what a User-Agent or Server text (RFC 3261 sections 20.41 and 20.35) says, in words of a closed list.
// Nothing else of the text is in it: the model holds letters, digits and -, the firmware digits and dots.
type Device struct {
	Vendor   string // "other" for a text that is not on the list
	Model    string // "" when not told
	Firmware string // "" when not told
	Kind     string // phone, softphone, ata, pbx, gateway, sbc, scanner, unknown
	Family   string // vendor, model and major version, as "yealink T46S 66"
	Scanner  bool   // a tool that looks for open systems
}

// Limits of what is read of a User-Agent text, in bytes.
const (
	maxAgent    = 256
	maxModel    = 12
	maxFirmware = 24
)

//go:embed devices.tsv
var deviceTable string

// A deviceRule is one line of devices.tsv.
type deviceRule struct{ begins, vendor, model, kind string }

// deviceRules are the rules by the first letter of what they look for, longest first.
var deviceRules = readRules(deviceTable)

func readRules(table string) (rules [256][]deviceRule) {
	for line := range strings.Lines(table) {
		if line = strings.TrimRight(line, "\n"); line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		rules[f[0][0]] = append(rules[f[0][0]], deviceRule{f[0], f[1], f[2], f[3]})
	}
	for i := range rules {
		slices.SortFunc(rules[i], func(a, b deviceRule) int { return len(b.begins) - len(a.begins) })
	}
	return rules
}

// ReadDevice reads userAgent. A text that is not on the list gives the vendor other and the kind unknown.
func ReadDevice(userAgent []byte) Device {
	text := bytes.TrimSpace(userAgent[:min(len(userAgent), maxAgent)])
	rule, rest, ok := ruleFor(text)
	if !ok {
		return Device{Vendor: "other", Kind: "unknown", Family: "other"}
	}
	d := Device{Vendor: rule.vendor, Model: rule.model, Kind: rule.kind, Scanner: rule.kind == "scanner"}
	switch rule.model {
	case "-":
		d.Model = ""
	case "*":
		d.Model, rest = modelIn(rest)
	}
	if rule.model != "*" || d.Model != "" {
		d.Firmware = firmwareIn(rest, rule.model == "*")
	}
	d.Family = d.family()
	return d
}

func ruleFor(text []byte) (rule deviceRule, rest []byte, ok bool) {
	if len(text) == 0 {
		return rule, nil, false
	}
	for _, r := range deviceRules[lower(text[0])] {
		if len(text) >= len(r.begins) && equalFold(r.begins, text[:len(r.begins)]) {
			return r, text[len(r.begins):], true
		}
	}
	return rule, nil, false
}

// modelIn returns the model that rest begins with, upper case, "" if that token is none, and what follows it.
func modelIn(rest []byte) (string, []byte) {
	n := 0
	for n < len(rest) && (wordByte(rest[n]) || rest[n] == '-' && n+1 < len(rest) && wordByte(rest[n+1])) {
		n++
	}
	token := rest[:n]
	if at := bytes.IndexByte(token, '-'); at > 0 && bytes.ContainsAny(token[:at], "0123456789") {
		n, token = at, token[:at] // T46S-66.85.0.5: the version begins behind the dash
	}
	if n > maxModel || !bytes.ContainsAny(token, "0123456789") || longNumber(token) {
		return "", rest[n:]
	}
	return strings.ToUpper(string(token)), rest[n:]
}

// longNumber reports whether token holds more than five digits in a row: a serial or telephone number, no model.
func longNumber(token []byte) bool {
	run := 0
	for _, c := range token {
		if run++; c < '0' || c > '9' {
			run = 0
		}
		if run > 5 {
			return true
		}
	}
	return false
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// behindModel bounds, in bytes, how far behind a model its firmware begins: a hardware revision may stand between.
const behindModel = 8

// firmwareIn returns the first version in text that has three parts, or else the first: digits and dots, no part of
// more than five digits. Four parts that could be an IPv4 address are a version only close behind a model (trusted)
// or the letter v. It is "" without one.
func firmwareIn(text []byte, trusted bool) (found string) {
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && (text[end] == '.' || text[end] >= '0' && text[end] <= '9') {
			end++
		}
		if end == i {
			i++
			continue
		}
		version := bytes.Trim(text[i:end], ".")
		sure := trusted && i <= behindModel || i > 0 && lower(text[i-1]) == 'v'
		named := i > 0 && text[i-1] == '@' || end < len(text) && text[end] == '@'
		parts := bytes.Count(version, []byte{'.'}) + 1
		if versionLike(version) && !named && (sure || !ipv4(version).IsValid()) && (found == "" || parts > 2) {
			found = string(version)
			if parts > 2 {
				return found
			}
		}
		i = end
	}
	return found
}

func versionLike(text []byte) bool {
	return bytes.IndexByte(text, '.') > 0 && len(text) <= maxFirmware && !longNumber(text)
}

func (d *Device) family() string {
	parts := [3]string{d.Vendor, d.Model}
	parts[2], _, _ = strings.Cut(d.Firmware, ".")
	var b strings.Builder
	for _, p := range parts {
		if p != "" && b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p)
	}
	return b.String()
}

// MACOf returns the first hardware address in text: 12 hexadecimal digits, bare or in pairs with : or - between them,
// with no letter or digit before or behind. Twelve decimal digits without separators are a number, not an address.
func MACOf(text []byte) (mac [6]byte, ok bool) {
	text = text[:min(len(text), maxAgent)]
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

// MACOfInstance returns the hardware address in an instance-id (RFC 5626 section 4.1): the node of a UUID of version 1
// (RFC 9562 section 5.1), or of one that has nothing else in it. A node that was made up has the multicast bit, and
// is no address.
func MACOfInstance(instance []byte) (mac [6]byte, ok bool) {
	const urn, zeros = "urn:uuid:", "00000000-0000-0000-0000-"
	if len(instance) != len(urn)+36 || !equalFold(urn, instance[:len(urn)]) {
		return mac, false
	}
	id := instance[len(urn):]
	if id[14] != '1' && string(id[:len(zeros)]) != zeros {
		return mac, false
	}
	for i := range mac {
		high, low := hexDigit(id[24+2*i]), hexDigit(id[25+2*i])
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
		high, low := hexDigit(text[n]), hexDigit(text[n+1])
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

// hexDigit returns the value of c, 255 for what is no hexadecimal digit.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
