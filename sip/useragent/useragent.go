// Package useragent reads which equipment a User-Agent or Server text names (RFC 3261 sections 20.41 and 20.35).
//
// # Closed lists
//
// Vendor, model and kind are words of the tables devices.tsv and models.tsv, never of the text, for people write their
// names there. The firmware alone is a part of the text: its shape, FirmwarePattern, is that of no telephone number.
//
// # To add equipment
//
// Put a line into devices.tsv, and its models into models.tsv. TestTheTableOfDevicesIsWellFormed refuses a line with a
// mistake.
package useragent

import (
	"bytes"
	"strings"

	"sipsieve/sip/syntax"
)

// A Device is the equipment that a text names.
type Device struct {
	Vendor   string // other for a text that is not on the list
	Model    string // other for one that is not on the vendor's list, "" for a text without a model
	Firmware string // of the shape of FirmwarePattern; "" for a text without one
	Kind     string // phone, softphone, ata, pbx, gateway, sbc, scanner, unknown
	Family   string // vendor, model and major version, as "yealink T46S 66"
	Scanner  bool   // a tool that scans for open systems
}

// other is the vendor or the model of a text that names none of the list.
const other = "other"

// unknown is the kind of a text that is not on the list.
const unknown = "unknown"

// maxText bounds what is read of a text, in bytes.
const maxText = 256

// Read returns the equipment that text names. One that is not on the list has the vendor other and the kind unknown.
func Read(text []byte) Device {
	text = bytes.TrimSpace(text[:min(len(text), maxText)])
	r, rest, ok := ruleFor(text)
	if !ok {
		return Device{Vendor: other, Kind: unknown, Family: other}
	}
	d := Device{Vendor: r.vendor, Model: r.model, Kind: r.kind, Scanner: r.kind == "scanner"}
	switch r.model {
	case noModel:
		d.Model = ""
	case listedModel:
		d.Model, rest = modelIn(r.vendor, rest)
	}
	if r.model != listedModel || d.Model != "" && d.Model != other {
		d.Firmware = firmwareIn(rest, r.model == listedModel, r.layout)
	}
	d.Family = d.family()
	return d
}

func (d *Device) family() string {
	parts := [3]string{d.Vendor, d.Model}
	if d.Model == other {
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

// ruleFor returns the rule with the longest beginning of text, and what follows that.
func ruleFor(text []byte) (r rule, rest []byte, ok bool) {
	if len(text) == 0 {
		return r, nil, false
	}
	for _, r := range rules[syntax.Lower(text[0])] {
		if syntax.HasPrefixFold(text, r.begins) {
			return r, text[len(r.begins):], true
		}
	}
	return r, nil, false
}

// modelIn returns the longest model of vendor that rest begins with, whatever its case and not within a number, and what
// follows it; other if rest begins with none, "" if nothing is left.
func modelIn(vendor string, rest []byte) (string, []byte) {
	if rest = bytes.TrimLeft(rest, " "); len(rest) == 0 {
		return "", nil
	}
	var upper [maxText]byte
	n := 0
	for n < min(len(rest), models.longest) && (wordByte(rest[n]) || rest[n] == '-') {
		upper[n] = rest[n]
		if upper[n] >= 'a' {
			upper[n] -= 'a' - 'A'
		}
		n++
	}
	for ; n > 0; n-- {
		if n < len(rest) && syntax.IsDigit(rest[n]) && syntax.IsDigit(rest[n-1]) {
			continue
		}
		if model, ok := models.of[vendor][string(upper[:n])]; ok {
			return model, rest[n:]
		}
	}
	return other, rest
}

func wordByte(c byte) bool { return syntax.IsDigit(c) || syntax.IsLetter(c) }
