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

// A transformer writes values of one purpose. It belongs to one goroutine.
type transformer struct {
	keys    Keys
	time    time.Time // of the record, from which the epoch of a pseudonym follows
	numbers phone.Numbers
	clock   clock
	text    []byte      // of one value
	made    []pseudonym // of the record; nothing of it is left when the record is done
}

// A pseudonym is one that was made for the record.
type pseudonym struct {
	kind, text string // what it stands for
	epoch      string
	mac        [26]byte
}

// begin prepares t for the values of r.
func (t *transformer) begin(r *cpni.Record) { t.time = r.Time() }

// end forgets the values of the record.
func (t *transformer) end() {
	clear(t.made)
	t.made = t.made[:0]
	clear(t.text)
}

// A writer writes a known value in the form of a column.
type writer func(*transformer, []byte, *column, *cpni.Value) []byte

// writerOf returns what writes the values of r after t.
func writerOf(r *rule, t transform) writer {
	switch {
	case t.action == Category:
		return (*transformer).appendCategory
	case r.many:
		return (*transformer).appendList
	case t.action == Keep || t.action == E164:
		return keptWriter(r.typ)
	case t.action == Truncate && r.typ == "time":
		return (*transformer).appendMoment
	case t.action == Truncate || t.action == Bucket:
		return (*transformer).appendStep
	}
	return (*transformer).appendOther
}

// keptWriter returns what writes values of a type of the register as they are.
func keptWriter(typ string) writer {
	switch typ {
	case "time":
		return (*transformer).appendMoment
	case "int", "duration":
		return (*transformer).appendNumber
	case "bool":
		return (*transformer).appendBool
	case "enum", "country":
		return (*transformer).appendWord
	}
	return (*transformer).appendRevealed
}

// append writes v in the form of c, null when it is unknown.
func (t *transformer) append(b []byte, c *column, v *cpni.Value) []byte {
	switch {
	case c.action == Presence:
		return strconv.AppendBool(b, v.Known())
	case !v.Known() || keeps[c.action] && !v.Keepable(): // no text of a message leaves, under any policy
		return append(b, "null"...)
	}
	return c.write(t, b, c, v)
}

// keeps are the Actions that leave a value, or a part of it, as it is.
var keeps = [actions]bool{Keep: true, E164: true, Area: true, Truncate: true, Bucket: true}

func (t *transformer) appendMoment(b []byte, c *column, v *cpni.Value) []byte {
	return t.clock.append(b, v.Number(), c.unit)
}

func (t *transformer) appendNumber(b []byte, _ *column, v *cpni.Value) []byte {
	return strconv.AppendInt(b, v.Number(), 10)
}

// appendStep writes a number rounded down to the width of c.
func (t *transformer) appendStep(b []byte, c *column, v *cpni.Value) []byte {
	return strconv.AppendInt(b, v.Number()-v.Number()%c.width, 10)
}

func (t *transformer) appendBool(b []byte, _ *column, v *cpni.Value) []byte {
	return strconv.AppendBool(b, v.Number() != 0)
}

// appendWord writes a word of a closed list, never text of a message.
func (t *transformer) appendWord(b []byte, _ *column, v *cpni.Value) []byte {
	return appendText(b, cmp.Or(v.Word(), "other"))
}

func (t *transformer) appendRevealed(b []byte, _ *column, v *cpni.Value) []byte {
	return appendText(b, cpni.Reveal(v.Text()))
}

// appendCategory writes the category of a number: that of the Value if more is known of it than follows from the number.
func (t *transformer) appendCategory(b []byte, c *column, v *cpni.Value) []byte {
	switch {
	case v.Category() != "":
		return appendText(b, v.Category())
	case c.many:
		return t.appendList(b, c, v)
	}
	return t.appendOther(b, c, v)
}

// appendOther writes one value after a transform that replaces it.
func (t *transformer) appendOther(b []byte, c *column, v *cpni.Value) []byte {
	switch {
	case v.Word() != "":
		return t.appendText(b, c, v.Word())
	case c.typ == "int":
		return t.appendText(b, c, strconv.FormatInt(v.Number(), 10))
	}
	return t.appendText(b, c, cpni.Reveal(v.Text()))
}

// appendList writes a list, each element after the transform, without those that it does not fit.
func (t *transformer) appendList(b []byte, c *column, v *cpni.Value) []byte {
	if c.action == Known {
		return t.appendKnown(b, c, v)
	}
	b = append(b, '[')
	first := len(b)
	eachText(v, func(text string) {
		end := len(b)
		if end > first {
			b = append(b, ',')
		}
		one := len(b)
		if c.action == Keep || c.action == E164 {
			b = appendText(b, text)
		} else if b = t.appendText(b, c, text); string(b[one:]) == "null" {
			b = b[:end]
		}
	})
	return append(b, ']')
}

// appendKnown writes the words of a closed list, each once and sorted, so that the order is no fingerprint.
func (t *transformer) appendKnown(b []byte, c *column, v *cpni.Value) []byte {
	var words [][]byte
	eachText(v, func(text string) { words = append(words, t.appendText(nil, c, text)) })
	slices.SortFunc(words, bytes.Compare)
	words = slices.CompactFunc(words, bytes.Equal)
	return append(append(append(b, '['), bytes.Join(words, []byte{','})...), ']')
}

// eachText passes on the elements of a list.
func eachText(v *cpni.Value, do func(text string)) {
	for _, w := range v.Words() {
		do(w)
	}
	for _, h := range v.Texts() {
		do(cpni.Reveal(h))
	}
}

// appendText writes one text after a transform that replaces it.
func (t *transformer) appendText(b []byte, c *column, text string) []byte {
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
func (t *transformer) appendOfNumber(b []byte, c *column, text string) []byte {
	switch {
	case text == phone.Anonymous || text == phone.NonE164:
		return appendText(b, text)
	case c.action == Area:
		return appendOrNull(b, t.numbers.Area(text))
	case c.action == Country:
		return appendOrNull(b, t.numbers.Country(text))
	}
	return t.appendPseudonym(b, c.typ, text)
}

// appendPseudonym writes epoch, a colon and 26 characters: a consumer sees which epoch a pseudonym is of.
func (t *transformer) appendPseudonym(b []byte, kind, text string) []byte {
	p := t.pseudonymOf(kind, text)
	if p == nil {
		return append(b, "null"...)
	}
	b = append(append(append(b, '"'), p.epoch...), ':')
	return append(append(b, p.mac[:]...), '"')
}

// pseudonymOf returns the pseudonym of a text of that kind, nil if there is no key for it. What stands in several
// fields of a record is made once.
func (t *transformer) pseudonymOf(kind, text string) *pseudonym {
	for i := range t.made {
		if p := &t.made[i]; p.text == text && p.kind == kind {
			return p
		}
	}
	t.text = append(t.text[:0], text...)
	mac, epoch, err := t.keys.MAC(kind, t.time, t.text)
	if err != nil {
		return nil
	}
	t.made = append(t.made, pseudonym{kind: kind, text: text, epoch: epoch})
	p := &t.made[len(t.made)-1]
	lower.Encode(p.mac[:], mac[:])
	return p
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
