package track

import (
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
)

// Counts is what a Tracker has counted. Duplicates are further copies of one packet, which are ignored.
type Counts struct {
	Tracked, Duplicates, Retransmissions uint64
	Dropped                              uint64 // readable messages that a limit refused
	Opened, Evicted, MidCall, Orphans    uint64
	Live                                 uint64
	Ended                                [event.Dispositions]uint64
	Corrected                            uint64 // corrections; Ended has the dispositions that were published first
	Bounds                               [calls.Bounds]uint64
	Registrations                        [event.RegistrationStates]uint64
	Forgotten                            uint64 // REGISTERs under way and inactive bindings that were evicted
	Opaque                               uint64 // addresses that could not be read
}
