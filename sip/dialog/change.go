package dialog

import "sipsieve/sip"

// A Change is the last re-INVITE or UPDATE of one side.
type Change struct {
	Time   int64 // of the request
	CSeq   uint32
	Hold   HoldOffer // of the request
	Method sip.Method
	Open   bool // the final response is awaited
	Unseen bool // only a response was seen, whose time Time is

	Accepted bool
}

// NewChange returns the Change of m, a re-INVITE or an UPDATE.
func NewChange(m *sip.Message) Change {
	return Change{Time: m.Time.UnixNano(), CSeq: m.CSeq, Method: m.Method, Hold: OfferOf(m), Open: true}
}

// NoDialog reports whether a response with that status to a request inside a dialog proves that the dialog does not
// exist (RFC 3261 section 12.2.1.2).
func NoDialog(status int) bool { return status == 481 || status == 408 }
