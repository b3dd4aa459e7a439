package track

import (
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
)

// Counts is what a Tracker has counted. Duplicates are messages that it took no further notice of.
type Counts struct {
	Tracked, Duplicates, Retransmissions uint64
	Dropped                              uint64 // readable messages that a limit kept out
	Opened, Evicted, MidCall, Orphans    uint64
	Live                                 uint64
	Ended                                [event.Dispositions]uint64
	Corrected                            uint64 // told again; Ended has them as they were told first
	Bounds                               [calls.Bounds]uint64
	Registrations                        [event.RegistrationStates]uint64
	Forgotten                            uint64 // REGISTERs under way and bindings that did not hold, to make room
	Opaque                               uint64 // addresses that could not be read
}
