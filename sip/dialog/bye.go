package dialog

import "sipsieve/sip"

// A Bye is the last BYE of one side. If it was sent again after a challenge, Time is that of the first.
type Bye struct {
	Time   int64
	CSeq   uint32
	Status uint16 // of its final response; 0 without one
	Cause  uint8  // Q.850, of its Reason header
	Unseen bool   // only a response was seen, whose time Time is
}

// Challenges reports whether a response with that status is a challenge: the request is sent again with credentials.
func Challenges(status int) bool { return status == 401 || status == 407 }

// Final reports whether m is a final response but a challenge.
func Final(m *sip.Message) bool { return m.Status >= 200 && m.Status != 401 && m.Status != 407 }
