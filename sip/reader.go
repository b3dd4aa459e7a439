package sip

import "sipsieve/capture"

// A Selection is the set of headers that may be looked at. What is not in it is stepped over.
type Selection [Headers]bool

// Limits bound one message. The field names are RFC 3261's; sizes are bytes.
type Limits struct {
	Message, StartLine, Line, AddressLine int
	Headers, Params                       int
}

// DefaultLimits returns the limits of section 6.3 of the capture notes.
func DefaultLimits() Limits {
	return Limits{Message: 65535, StartLine: 2048, Line: 8192, AddressLine: 2048, Headers: 128, Params: 64}
}

// A Reader makes Messages of Packets. It is used by one goroutine; its Counts may be read from any.
type Reader struct{}

// NewReader returns a Reader that looks at the headers of s only.
func NewReader(s Selection, l Limits) *Reader { return &Reader{} }

// Read calls take with every Message in p, in the order of the bytes. The Message borrows p's payload, or the
// Reader's own buffer, until take returns.
func (r *Reader) Read(p *capture.Packet, take func(*Message)) {}

// Counts returns what has been counted so far.
func (r *Reader) Counts() Counts { return Counts{} }

// Counts is what a Reader has counted: messages by start line, whether they were used or refused.
type Counts struct {
	Requests  [Methods]uint64
	Statuses  [700]uint64
	Refused   [Refusals]uint64
	Odd       [16]uint64 // by bit of Flags
	NotSIP    uint64     // payloads without a readable start line
	Keepalive uint64
	Opaque    uint64
	Skipped   uint64 // bytes of streams that were passed over to find a start line
}

// A Refusal says why a message with a readable start line is not used. The set is closed.
type Refusal uint8

// Refusals.
const (
	TooLong     Refusal = iota // a limit of Limits
	NoCallID                   // or no From, To or CSeq
	DupSingle                  // a header that may stand once stands twice
	BadCSeq
	Refusals
)

// A Batch owns Messages: it has copied the values that their spans point to, and unfolded them.
type Batch struct {
	Messages []Message
	text     []byte
}

// Add copies m and its values into b.
func (b *Batch) Add(m *Message) {}

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {}
