package bindings

import (
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
	"sipsieve/sip/useragent"
)

// A binding is one contact of an address-of-record at one registrar, or the failure to make one. It holds no pointer.
type binding struct {
	record    event.Key
	next      uint32 // of the same address-of-record
	text      mem.Text
	hop       hops.Hop
	identity         // what it is known by
	agent     uint64 // mark of the User-Agent
	family    uint64 // mark of vendor and model in it
	since     int64  // of the last REGISTER that was accepted, or may have been
	day       int64  // of the last Event, since 1970 in UTC
	granted   uint32
	cseq      uint32
	refreshes uint32
	vias      uint8
	state     event.RegistrationState
	holds     bool
	held      bool // it has been one
}

// take notes how s's REGISTER came.
func (b *binding) take(s *series) { b.hop, b.cseq, b.vias = s.hop, s.cseq, s.vias }

// end is when what was granted ends.
func (b *binding) end() int64 { return b.since + int64(b.granted)*int64(time.Second) }

// changed says what an accepted REGISTER changes of b, 0 for nothing. A source port that changed, or that of the
// Contact, is no move: a phone behind NAT may have another one for each refresh.
func (b *binding) changed(s *series, id identity, family uint64) event.RegistrationState {
	switch {
	case !b.held:
		return event.Registered
	case !b.holds || b.state != event.Registered:
		return event.Recovered
	case id.instance != b.instance && id.instance != 0 && b.instance != 0,
		id.instance == 0 && b.instance == 0 && family != b.family && family != 0 && b.family != 0:
		return event.ChangedDevice
	case id.host != b.host || s.hop.Src != b.hop.Src:
		return event.Moved
	}
	return 0
}

// familyOf marks vendor and model of a User-Agent: another firmware makes no other device.
func familyOf(record event.Key, agent []byte) uint64 {
	d := useragent.Read(agent)
	return record.Mark([]byte(d.Vendor), []byte(d.Model))
}

// An identity is what bindings are known by, as marks; 0 is unknown.
type identity struct {
	instance uint64 // of the instance-id
	flow     uint64 // of its reg-id (RFC 5626 section 4.2)
	contact  uint64 // of the Contact's URI
	host     uint64 // of its host
	call     uint64 // of the Call-ID, where nothing else tells the devices of one address apart
}

// likeness ranks what id and other have in common, 0 if they are two.
func (id identity) likeness(other identity) int {
	switch {
	case id.instance != 0 && id.instance == other.instance:
		if id.flow != other.flow {
			return 0
		}
		return 3
	case id.contact != 0 && id.contact == other.contact:
		return 2
	case id.call != 0 && id.call == other.call:
		return 1
	}
	return 0
}
