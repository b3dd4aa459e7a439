package dialog

import "sipsieve/sip"

// A Bye is the last BYE of one side. One that is sent again after a challenge keeps the time of the first.
type Bye struct {
	Time   int64
	CSeq   uint32
	Status uint16 // of its final response; 0 without one
	Cause  uint8  // Q.850, as Reason gives it
	Unseen bool   // only a response was seen, at is that one's time
}

// Challenges reports whether a response of that status makes the request come again with credentials.
func Challenges(status int) bool { return status == 401 || status == 407 }

// Final reports whether m is the last word on its request: a challenge is not, for the request comes again.
func Final(m *sip.Message) bool { return m.Status >= 200 && m.Status != 401 && m.Status != 407 }
