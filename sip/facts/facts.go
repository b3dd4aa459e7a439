package facts

import (
	"bytes"
	"iter"

	"sipsieve/sip/mem"
)

// Facts are texts, each a Fact and its value, in the order in which they were appended. The zero Facts are empty.
type Facts struct {
	text []byte // for each: the Fact, the length of the value (2 bytes, little endian), the value
}

// header is the number of bytes before a value.
const header = 3

// maxBytes limits the length of Facts in bytes.
const maxBytes = mem.MaxText

// FromBytes returns the Facts whose Bytes are b. They use b.
func FromBytes(b []byte) Facts { return Facts{text: b} }

// Bytes returns fs as bytes, which belong to fs.
func (fs Facts) Bytes() []byte { return fs.text }

// Clone returns a copy of fs in memory of its own.
func (fs Facts) Clone() Facts { return Facts{text: bytes.Clone(fs.text)} }

// Append adds a value of f to fs. It leaves out an empty value, and one that would make fs longer than 32 KiB.
func (fs *Facts) Append(f Fact, value []byte) {
	if len(value) == 0 || len(fs.text)+header+len(value) > maxBytes {
		return
	}
	fs.text = append(fs.text, byte(f), byte(len(value)), byte(len(value)>>8))
	fs.text = append(fs.text, value...)
}

// length returns how many bytes the entry at that offset has.
func (fs Facts) length(offset int) int {
	return header + (int(fs.text[offset+1]) | int(fs.text[offset+2])<<8)
}

// value returns the value of the entry at that offset.
func (fs Facts) value(offset int) []byte { return fs.text[offset+header : offset+fs.length(offset)] }

// All yields the values of f, which belong to fs.
func (fs Facts) All(f Fact) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at := 0; len(fs.text)-at >= header; at += fs.length(at) {
			if Fact(fs.text[at]) == f && !yield(fs.value(at)) {
				return
			}
		}
	}
}

// First returns the first value of f, which belongs to fs; nil without one.
func (fs Facts) First(f Fact) []byte {
	for v := range fs.All(f) {
		return v
	}
	return nil
}

// Last returns the last value of f, which belongs to fs; nil without one.
func (fs Facts) Last(f Fact) (last []byte) {
	for v := range fs.All(f) {
		last = v
	}
	return last
}

// Has reports whether v is one of the values of f.
func (fs Facts) Has(f Fact, v []byte) bool {
	for have := range fs.All(f) {
		if bytes.Equal(have, v) {
			return true
		}
	}
	return false
}

// Places are the offsets of the first value of each Fact in one Facts, for callers that look up many values.
type Places [Count]uint16 // 1 + the offset; 0 for a Fact without a value

// Find sets p to the places of fs.
func (fs Facts) Find(p *Places) {
	clear(p[:])
	for at := 0; len(fs.text)-at >= header; at += fs.length(at) {
		if f := fs.text[at]; p[f] == 0 {
			p[f] = uint16(at + 1)
		}
	}
}

// At returns the first value of f by the places p of fs, nil without one.
func (fs Facts) At(p *Places, f Fact) []byte {
	if p[f] == 0 {
		return nil
	}
	return fs.value(int(p[f]) - 1)
}

// Shared returns the Facts that all contacts of a REGISTER share, which are those before its first contact. They belong
// to fs.
func (fs Facts) Shared() Facts { return Facts{text: fs.text[:fs.nextContact(0)]} }

// Contacts yields each contact of the Facts of a REGISTER, and the Facts of it alone. Both belong to fs.
func (fs Facts) Contacts() iter.Seq2[Contact, Facts] {
	return func(yield func(Contact, Facts) bool) {
		for at := fs.nextContact(0); at < len(fs.text); {
			end := fs.nextContact(at + fs.length(at))
			one := Facts{text: fs.text[at:end]}
			var c Contact
			for i := 0; i < len(one.text); i += one.length(i) {
				c.set(Fact(one.text[i]), one.value(i))
			}
			if !yield(c, Facts{text: one.text[one.length(0):]}) {
				return
			}
			at = end
		}
	}
}

// nextContact returns the offset of the first contact from start on, the length of fs without one.
func (fs Facts) nextContact(start int) int {
	i := start
	for len(fs.text)-i >= header && Fact(fs.text[i]) != contactMark {
		i += fs.length(i)
	}
	return min(i, len(fs.text))
}

// contactFacts are the Facts of a contact.
var contactFacts = [...]Fact{ContactUser, ContactHost, ContactPort, InstanceID, RegID}

// Contact returns the Facts of fs that are those of a contact.
func (fs Facts) Contact() (own Facts) {
	for _, f := range contactFacts {
		own.Append(f, fs.First(f))
	}
	return own
}
