package track

import "sipsieve/sip"

// A bye is the last BYE of one side. One that is sent again after a challenge keeps the time of the first.
type bye struct {
	at     int64
	cseq   uint32
	status uint16 // of its final response; 0 without one
	cause  uint8  // Q.850, as Reason gives it
	unseen bool   // only a response was seen, at is that one's time
}

// challenges reports whether a response of that status makes the request come again with credentials.
func challenges(status int) bool { return status == 401 || status == 407 }

// final reports whether m is the last word on its request: a challenge is not, for the request comes again.
func final(m *sip.Message) bool { return m.Status >= 200 && m.Status != 401 && m.Status != 407 }
