package policy

import (
	"bytes"
	"cmp"
	"encoding/base32"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"sipsieve/sip"
	"sipsieve/store/cpni"
)

// lower is base32 of RFC 4648 in lower case, 26 characters for a pseudonym's 128 bits.
var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// appendValue writes v in the form f, null when it is unknown.
func (u *Purpose) appendValue(b []byte, r *rule, f form, v cpni.Value, at time.Time) []byte {
	switch {
	case f.action == Presence:
		return strconv.AppendBool(b, v.Known())
	case !v.Known():
		return append(b, "null"...)
	case f.action == Category && v.Category() != "":
		return appendText(b, v.Category())
	case keeps[f.action] && !v.Keepable(): // no text of a message, whatever the policy says
		return append(b, "null"...)
	case r.many:
		return u.appendList(b, r, f, v, at)
	case f.action == Keep || f.action == E164:
		return appendKept(b, r.typ, v)
	case f.action == Truncate && r.typ == "time":
		return appendTime(b, time.UnixMicro(v.Number()), f.unit)
	case f.action == Truncate || f.action == Bucket:
		return strconv.AppendInt(b, v.Number()-v.Number()%f.width, 10)
	}
	if v.Word() != "" {
		return u.appendForm(b, r, f, v.Word(), at)
	}
	if r.typ == "int" {
		return u.appendForm(b, r, f, strconv.FormatInt(v.Number(), 10), at)
	}
	return u.appendForm(b, r, f, cpni.Reveal(v.Text()), at)
}

// keeps are the Actions that leave a value, or a part of it, as it is.
var keeps = [actions]bool{Keep: true, E164: true, Area: true, Truncate: true, Bucket: true}

func appendKept(b []byte, kind string, v cpni.Value) []byte {
	switch kind {
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

// appendForm writes one text in a form that replaces it.
func (u *Purpose) appendForm(b []byte, r *rule, f form, text string, at time.Time) []byte {
	switch f.action {
	case Pseudonym, Area, Country:
		return u.appendOfNumber(b, r, f, text, at)
	case Known:
		return appendText(b, cmp.Or(r.list.find(text), "other"))
	case Category:
		return appendText(b, u.numbers.Category(text, text))
	case Family:
		u.text = append(u.text[:0], text...)
		return appendText(b, sip.ReadDevice(u.text).Family)
	case OUI:
		return appendOUI(b, text)
	case IPPrefix:
		return appendPrefix(b, f, text)
	}
	return append(b, "null"...)
}

// appendOfNumber writes what stands for a number, or for another identifier. The literals of hidden and odd numbers
// name nobody and stay: one pseudonym for all of them would make them look like one caller.
func (u *Purpose) appendOfNumber(b []byte, r *rule, f form, text string, at time.Time) []byte {
	switch {
	case text == sip.Anonymous || text == sip.NonE164:
		return appendText(b, text)
	case f.action == Area:
		return appendOrNull(b, u.numbers.Area(text))
	case f.action == Country:
		return appendOrNull(b, u.numbers.Country(text))
	}
	return u.appendPseudonym(b, r, text, at)
}

// appendPseudonym writes epoch, a colon and 26 characters: a consumer can tell which epoch a pseudonym is of.
func (u *Purpose) appendPseudonym(b []byte, r *rule, text string, at time.Time) []byte {
	u.text = append(u.text[:0], text...)
	mac, epoch, err := u.keys.MAC(u.Name, r.typ, at, u.text)
	if err != nil {
		return append(b, "null"...)
	}
	b = append(append(append(b, '"'), epoch...), ':')
	return append(lower.AppendEncode(b, mac[:]), '"')
}

func appendOrNull(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	return appendText(b, text)
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

func appendPrefix(b []byte, f form, text string) []byte {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return append(b, "null"...)
	}
	a, bits := a.Unmap().WithZone(""), f.v4
	if a.Is6() {
		bits = f.v6
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return append(b, "null"...)
	}
	return append(p.AppendTo(append(b, '"')), '"')
}

// appendList writes a list, each element in the form f, without those that it does not fit. Known sorts, so that the
// order is no fingerprint.
func (u *Purpose) appendList(b []byte, r *rule, f form, v cpni.Value, at time.Time) []byte {
	var items [][]byte
	for _, w := range v.Words() {
		items = append(items, u.appendItem(r, f, w, at))
	}
	for _, h := range v.Texts() {
		items = append(items, u.appendItem(r, f, cpni.Reveal(h), at))
	}
	items = slices.DeleteFunc(items, func(item []byte) bool { return string(item) == "null" })
	if f.action == Known {
		slices.SortFunc(items, bytes.Compare)
		items = slices.CompactFunc(items, bytes.Equal)
	}
	return append(append(append(b, '['), bytes.Join(items, []byte{','})...), ']')
}

func (u *Purpose) appendItem(r *rule, f form, text string, at time.Time) []byte {
	if f.action == Keep || f.action == E164 {
		return appendText(nil, text)
	}
	return u.appendForm(nil, r, f, text, at)
}

const hexDigits = "0123456789abcdef"

// appendRune writes r, escaped if it does not show or turns the direction of text: a terminal must not act on it.
func appendRune(b []byte, r rune) []byte {
	if unicode.IsPrint(r) {
		return utf8.AppendRune(b, r)
	}
	for _, unit := range utf16.Encode([]rune{r}) {
		b = append(b, '\\', 'u', hexDigits[unit>>12], hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15])
	}
	return b
}

// appendText writes s as a JSON string (RFC 8259 section 7) without a character that does not show; bytes that are not
// UTF-8 become U+FFFD.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = appendRune(b, r)
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}
