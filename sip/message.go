// Package sip reads SIP messages (RFC 3261): of each its start line and the headers that a Selection names.
//
// # What is read
//
// Every header that is not selected is stepped over, and of a body only the lines of a session description that sip/sdp
// keeps are copied. A header that is read has its constant and its row in header.go. No error quotes what it read.
//
// # Memory
//
// A Reader allocates nothing for a message. The Message that it passes on points into the payload and is valid until the
// callback returns; a Batch copies its values.
//
// # Limits
//
// Limits bound a message: 65,535 bytes in all, 2,048 of a start line or of a header of addresses, 8,192 of any other
// header line, 128 header lines, 64 parameters of one value (DefaultLimits). A Message keeps 48 values. What exceeds a
// limit is counted: the message as TooLong, a further value as Counts.LeftOut.
//
// # Order and goroutines
//
// Messages come in the order of their bytes, of streams in the order of their ends. One goroutine uses a Reader; its
// Counts may be read from any.
package sip

import (
	"math/bits"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/syntax"
)

// A Method is a SIP request method. The zero Method is none.
type Method uint8

// The fourteen methods of the IANA registry; every other token is Other and is not kept.
const (
	Invite Method = iota + 1
	Ack
	Bye
	Cancel
	Register
	Options
	Prack
	Update
	Info // INFO, RFC 6086
	Subscribe
	Notify
	Refer
	MessageMethod // MESSAGE, RFC 3428
	Publish
	Other
	Methods // how many there are, the zero Method included
)

// Every method of the registry has its constant.
var _ [Other - 1]struct{} = [len(syntax.Methods)]struct{}{}

// String returns the method's token, "other" for a method outside the registry, "" for none.
func (m Method) String() string {
	switch {
	case m == 0:
		return ""
	case m < Other:
		return syntax.Methods[m-1]
	}
	return "other"
}

// methodOf returns the method of that name. Methods differ by case (RFC 3261 section 7.1).
func methodOf(token []byte) Method {
	for i, name := range syntax.Methods {
		if string(token) == name {
			return Method(i + 1)
		}
	}
	return Other
}

// Flags are what was odd about a Message that is used all the same.
type Flags uint16

// What can be odd. The ledger counts each under its word in messages.odd.
const (
	Truncated    Flags = 1 << iota // the capture or a lost segment cut it; Call-ID, From, To and CSeq were read
	CSeqMismatch                   // CSeq's method is not the request's: not used for state
	BareLF                         // lines end in LF alone
	BodyShort                      // Content-Length is more than there is
	URIBad                         // a URI that could not be read: kept opaque
	Folded                         // a selected header went over several lines
	Repeated                       // a header of one value stood again, with the same value
)

var flagNames = [...]string{"truncated", "cseq_mismatch", "bare_lf", "body_short", "uri_bad", "folded", "repeated"}

// String returns the word of the lowest bit of f.
func (f Flags) String() string {
	if i := bits.TrailingZeros16(uint16(f)); i < len(flagNames) {
		return flagNames[i]
	}
	return "none"
}

// A Span is one selected value: Text[Off:Off+Len] of its Message.
type Span struct {
	Header Header
	Folded bool // it has line breaks, which count as spaces (RFC 3261 section 7.3.1)
	Off    uint16
	Len    uint16
}

// maxSpans bounds the values that one Message keeps. Further ones are counted and left out.
const maxSpans = 48

// A Message is one SIP request or response, reduced to the headers that the register lists.
type Message struct {
	Time     time.Time // packet time of its last byte
	Flow     capture.Flow
	Method   Method // the request's own; of a response, CSeq's
	Status   int    // 100 to 699; 0 for a request
	CSeq     uint32
	Vias     uint8
	Flags    Flags
	Origin   capture.Origin
	ID       uint32 // capture.Packet.ID
	Stream   uint64 // capture.Packet.Stream
	Mark     uint64 // equal for copies of a message and its retransmissions on one hop: source, destination, payload
	Mirrored bool   // capture.Packet.Mirrored
	Arrived  time.Time
	Body     uint64 // equal for two messages of the same bytes, whatever packets carried them
	VLAN     uint16
	Link     [6]byte
	Point    string
	Text     []byte // what the spans point into; borrowed until a Batch has taken the Message
	Spans    [maxSpans]Span
	N        int  // spans in use
	fromTag  Span // Len 0 without one, as of those that follow
	toTag    Span
	branch   Span     // of the topmost Via
	sentBy   Span     // of the topmost Via
	carried  *carried // borrowed; nil once a Batch has taken the Message
}

// carried is what a Message has besides its headers.
type carried struct {
	media       []byte // the session description; nil unless Media is selected
	correlation []byte // nil unless Correlation is selected
}

// Request reports whether m is a request.
func (m *Message) Request() bool { return m.Status == 0 }

// Value returns the first value of h, nil without one. It is m's own text, not a copy.
func (m *Message) Value(h Header) []byte {
	for i := range m.Spans[:m.N] {
		if m.Spans[i].Header == h {
			return m.At(m.Spans[i])
		}
	}
	return nil
}

// At returns the text of s.
func (m *Message) At(s Span) []byte { return m.Text[s.Off : int(s.Off)+int(s.Len)] }

// FromTag returns the tag of From, nil without one.
func (m *Message) FromTag() []byte { return m.at(m.fromTag) }

// ToTag returns the tag of To, nil without one.
func (m *Message) ToTag() []byte { return m.at(m.toTag) }

// Branch returns the branch of the topmost Via, nil without one.
func (m *Message) Branch() []byte { return m.at(m.branch) }

// SentBy returns the sent-by of the topmost Via, nil without one.
func (m *Message) SentBy() []byte { return m.at(m.sentBy) }

func (m *Message) count(h Header) (n int) {
	for i := range m.Spans[:m.N] {
		if m.Spans[i].Header == h {
			n++
		}
	}
	return n
}

func (m *Message) at(s Span) []byte {
	if s.Len == 0 {
		return nil
	}
	return m.At(s)
}

// LowerVias calls yield with branch and sent-by of each Via below the topmost, as far as m has kept them, until it
// returns false. Both are m's own text.
func (m *Message) LowerVias(yield func(branch, sentBy []byte) bool) {
	top := true
	for _, s := range m.Spans[:m.N] {
		if s.Header != Via {
			continue
		}
		v := m.At(s)
		o := syntax.Scan(v)
		for begin := 0; begin < len(v); {
			end := o.Next(begin, ',', ',')
			one := syntax.Range{From: begin, To: end}
			if !top && !yield(textOf(v, paramSpan(Via, v, one, "branch")), textOf(v, sentBy(v, one))) {
				return
			}
			top, begin = false, end+1
		}
	}
}

func textOf(v []byte, s Span) []byte { return v[s.Off : s.Off+s.Len] }
