package policy

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"sipsieve/sip/phone"
	"sipsieve/sip/useragent"
	"sipsieve/store/cpni"
)

// A cell is one value to be written: by which rule, after which transform, and the time of its record, from which
// the epoch of a pseudonym follows.
type cell struct {
	*rule
	transform
	value cpni.Value
	time  time.Time
}

// A transformer writes values of one purpose. It belongs to one goroutine.
type transformer struct {
	purpose string
	keys    Keys
	numbers phone.Numbers
	text    []byte // of one value
}

// append writes c, null when its value is unknown.
func (t *transformer) append(b []byte, c cell) []byte {
	v := &c.value
	switch {
	case c.action == Presence:
		return strconv.AppendBool(b, v.Known())
	case !v.Known():
		return append(b, "null"...)
	case c.action == Category && v.Category() != "":
		return appendText(b, v.Category())
	case keeps[c.action] && !v.Keepable(): // no text of a message, under any policy
		return append(b, "null"...)
	case c.many:
		return t.appendList(b, c)
	case c.action == Keep || c.action == E164:
		return appendKept(b, c)
	case c.action == Truncate && c.typ == "time":
		return appendTime(b, time.UnixMicro(v.Number()), c.unit)
	case c.action == Truncate || c.action == Bucket:
		return strconv.AppendInt(b, v.Number()-v.Number()%c.width, 10)
	}
	if v.Word() != "" {
		return t.appendText(b, c, v.Word())
	}
	if c.typ == "int" {
		return t.appendText(b, c, strconv.FormatInt(v.Number(), 10))
	}
	return t.appendText(b, c, cpni.Reveal(v.Text()))
}

// appendList writes a list, each element after the transform, without those that it does not fit. Known sorts, so that
// the order is no fingerprint.
func (t *transformer) appendList(b []byte, c cell) []byte {
	var items [][]byte
	item := func(text string) {
		if c.action == Keep || c.action == E164 {
			items = append(items, appendText(nil, text))
		} else if one := t.appendText(nil, c, text); string(one) != "null" {
			items = append(items, one)
		}
	}
	for _, w := range c.value.Words() {
		item(w)
	}
	for _, h := range c.value.Texts() {
		item(cpni.Reveal(h))
	}
	if c.action == Known {
		slices.SortFunc(items, bytes.Compare)
		items = slices.CompactFunc(items, bytes.Equal)
	}
	return append(append(append(b, '['), bytes.Join(items, []byte{','})...), ']')
}

// appendText writes one text after a transform that replaces it.
func (t *transformer) appendText(b []byte, c cell, text string) []byte {
	switch c.action {
	case Pseudonym, Area, Country:
		return t.appendOfNumber(b, c, text)
	case Known:
		return appendText(b, cmp.Or(c.list.find(text), "other"))
	case Category:
		return appendText(b, t.numbers.Category(text, text))
	case Family:
		t.text = append(t.text[:0], text...)
		return appendText(b, useragent.Read(t.text).Family)
	case OUI:
		return appendOUI(b, text)
	case IPPrefix:
		return appendPrefix(b, c.transform, text)
	}
	return append(b, "null"...)
}

// appendOfNumber writes what stands for a number, or for another identifier. The literals of hidden and odd numbers
// name nobody and stay: one pseudonym for all of them would make them look like one caller.
func (t *transformer) appendOfNumber(b []byte, c cell, text string) []byte {
	switch {
	case text == phone.Anonymous || text == phone.NonE164:
		return appendText(b, text)
	case c.action == Area:
		return appendOrNull(b, t.numbers.Area(text))
	case c.action == Country:
		return appendOrNull(b, t.numbers.Country(text))
	}
	return t.appendPseudonym(b, c, text)
}

// appendPseudonym writes epoch, a colon and 26 characters: a consumer sees which epoch a pseudonym is of.
func (t *transformer) appendPseudonym(b []byte, c cell, text string) []byte {
	t.text = append(t.text[:0], text...)
	mac, epoch, err := t.keys.MAC(t.purpose, c.typ, c.time, t.text)
	if err != nil {
		return append(b, "null"...)
	}
	b = append(append(append(b, '"'), epoch...), ':')
	return append(lower.AppendEncode(b, mac[:]), '"')
}

// keeps are the Actions that leave a value, or a part of it, as it is.
var keeps = [actions]bool{Keep: true, E164: true, Area: true, Truncate: true, Bucket: true}

// appendKept writes a value as it is.
func appendKept(b []byte, c cell) []byte {
	v := &c.value
	switch c.typ {
	case "time":
		return appendTime(b, time.UnixMicro(v.Number()), "")
	case "int", "duration":
		return strconv.AppendInt(b, v.Number(), 10)
	case "bool":
		return strconv.AppendBool(b, v.Number() != 0)
	case "enum", "country":
		return appendText(b, cmp.Or(v.Word(), "other")) // never text of a message
	}
	return appendText(b, cpni.Reveal(v.Text()))
}

// appendOUI writes the first three octets of twelve hexadecimal digits; a locally administered address is private.
func appendOUI(b []byte, mac string) []byte {
	first, err := strconv.ParseUint(mac[:min(2, len(mac))], 16, 8)
	switch {
	case err != nil || len(mac) != 12:
		return append(b, "null"...)
	case first&2 != 0:
		return append(b, `"private"`...)
	}
	return appendText(b, mac[:2]+":"+mac[2:4]+":"+mac[4:6])
}

// appendPrefix writes the first bits of an address, null if text is none.
func appendPrefix(b []byte, t transform, text string) []byte {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return append(b, "null"...)
	}
	a, bits := a.Unmap().WithZone(""), t.v4
	if a.Is6() {
		bits = t.v6
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return append(b, "null"...)
	}
	return append(p.AppendTo(append(b, '"')), '"')
}
