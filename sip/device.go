package sip

import (
	"bytes"
	_ "embed"
	"maps"
	"sipsieve/sip/syntax"
	"slices"
	"strings"
)

// A Device is what a User-Agent or Server text (RFC 3261 sections 20.41 and 20.35) says, in words of closed lists:
// those of devices.tsv and models.tsv. Only the firmware is of the text, and it has the shape of FirmwarePattern.
type Device struct {
	Vendor   string // OtherDevice for a text that is not on the list
	Model    string // OtherDevice for one that is not on the vendor's list, "" when not told
	Firmware string // "" when not told
	Kind     string // phone, softphone, ata, pbx, gateway, sbc, scanner, unknown
	Family   string // vendor, model and major version, as "yealink T46S 66"
	Scanner  bool   // a tool that looks for open systems
}

// OtherDevice is the vendor or the model of a text that names none of the list.
const OtherDevice = "other"

// Limits of what is read of a User-Agent text, in bytes.
const (
	maxAgent = 256
	maxModel = 12
)

//go:embed models.tsv
var modelTable string

// deviceModels are the models by their vendor.
var deviceModels = readModels(modelTable)

func readModels(table string) map[string]map[string]string {
	models := map[string]map[string]string{}
	for line := range strings.Lines(table) {
		vendor, list, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		if !ok || line[0] == '#' {
			continue
		}
		if models[vendor] == nil {
			models[vendor] = map[string]string{}
		}
		for model := range strings.FieldsSeq(list) {
			models[vendor][model] = model
		}
	}
	return models
}

// DeviceWords returns every vendor, model and kind that a Device can have, sorted.
func DeviceWords() (vendors, models, kinds []string) {
	vendors, models, kinds = []string{OtherDevice}, []string{OtherDevice}, []string{"unknown"}
	for _, rules := range deviceRules {
		for _, r := range rules {
			vendors, kinds = append(vendors, r.vendor), append(kinds, r.kind)
			if r.model != "*" && r.model != "-" {
				models = append(models, r.model)
			}
		}
	}
	for _, list := range deviceModels {
		models = slices.AppendSeq(models, maps.Keys(list))
	}
	for _, list := range []*[]string{&vendors, &models, &kinds} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return vendors, models, kinds
}

//go:embed devices.tsv
var deviceTable string

// A deviceRule is one line of devices.tsv.
type deviceRule struct{ begins, vendor, model, kind, layout string }

// deviceRules are the rules by the first letter of what they look for, longest first.
var deviceRules = readRules(deviceTable)

func readRules(table string) (rules [256][]deviceRule) {
	for line := range strings.Lines(table) {
		if line = strings.TrimRight(line, "\n"); line == "" || line[0] == '#' {
			continue
		}
		f := append(strings.Split(line, "\t"), "")
		rules[f[0][0]] = append(rules[f[0][0]], deviceRule{f[0], f[1], f[2], f[3], f[4]})
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
		return Device{Vendor: OtherDevice, Kind: "unknown", Family: OtherDevice}
	}
	d := Device{Vendor: rule.vendor, Model: rule.model, Kind: rule.kind, Scanner: rule.kind == "scanner"}
	switch rule.model {
	case "-":
		d.Model = ""
	case "*":
		d.Model, rest = modelIn(rule.vendor, rest)
	}
	if rule.model != "*" || d.Model != "" && d.Model != OtherDevice {
		d.Firmware = firmwareIn(rest, rule.model == "*", rule.layout)
	}
	d.Family = d.family()
	return d
}

func ruleFor(text []byte) (rule deviceRule, rest []byte, ok bool) {
	if len(text) == 0 {
		return rule, nil, false
	}
	for _, r := range deviceRules[syntax.Lower(text[0])] {
		if syntax.HasPrefixFold(text, r.begins) {
			return r, text[len(r.begins):], true
		}
	}
	return rule, nil, false
}

// modelIn returns the longest model of vendor that rest begins with, in any letters and not within a number, and what
// follows it; OtherDevice if rest begins with none, "" if nothing is left.
func modelIn(vendor string, rest []byte) (string, []byte) {
	if rest = bytes.TrimLeft(rest, " "); len(rest) == 0 {
		return "", nil
	}
	var room [maxModel]byte
	n := 0
	for n < min(len(rest), maxModel) && (wordByte(rest[n]) || rest[n] == '-') {
		room[n] = upper(rest[n])
		n++
	}
	for ; n > 0; n-- {
		if n < len(rest) && syntax.IsDigit(rest[n]) && syntax.IsDigit(rest[n-1]) {
			continue
		}
		if model, ok := deviceModels[vendor][string(room[:n])]; ok {
			return model, rest[n:]
		}
	}
	return OtherDevice, rest
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (d *Device) family() string {
	parts := [3]string{d.Vendor, d.Model}
	if d.Model == OtherDevice {
		parts[1] = ""
	}
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
