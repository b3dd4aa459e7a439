package bindings

import (
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
	"sipsieve/sip/useragent"
)

// A binding is one contact of an address-of-record at one registrar, or a failed registration of one. It holds no
// pointer.
type binding struct {
	aor        event.Key // of the address-of-record
	next       uint32    // the binding of the same address-of-record before it
	text       mem.Text
	hop        hops.Hop
	identity          // by which it is recognised
	agent      uint64 // mark of the User-Agent
	family     uint64 // mark of its vendor and model
	since      int64  // time of the last REGISTER that was accepted or, in a loss, may have been; nanoseconds
	day        int64  // of the last Event, since 1970 in UTC
	granted    uint32 // seconds
	cseq       uint32
	refreshes  uint32 // since the last change
	vias       uint8
	state      event.RegistrationState
	active     bool // registered, and not expired
	registered bool // it has been active
}

// setRequest sets what b has of the last REGISTER of s.
func (b *binding) setRequest(s *series) { b.hop, b.cseq, b.vias = s.hop, s.cseq, s.vias }

// end returns when the granted expiry ends, nanoseconds.
func (b *binding) end() int64 { return b.since + int64(b.granted)*int64(time.Second) }

// changed returns the state to which an accepted REGISTER of s changes b, 0 for none. A change of the source port or of
// the Contact's port is no move: a phone behind NAT may have another one at each refresh.
func (b *binding) changed(s *series, id identity, family uint64) event.RegistrationState {
	switch {
	case !b.registered:
		return event.Registered
	case !b.active || b.state != event.Registered:
		return event.Recovered
	case id.instance != b.instance && id.instance != 0 && b.instance != 0,
		id.instance == 0 && b.instance == 0 && family != b.family && family != 0 && b.family != 0:
		return event.ChangedDevice
	case id.host != b.host || s.hop.Src != b.hop.Src:
		return event.Moved
	}
	return 0
}

// familyOf returns the mark of vendor and model in a User-Agent: another firmware is no other device.
func familyOf(aor event.Key, agent []byte) uint64 {
	d := useragent.Read(agent)
	return aor.Mark([]byte(d.Vendor), []byte(d.Model))
}

// An identity has the marks by which a binding is recognised; 0 is unknown.
type identity struct {
	instance uint64 // of the instance-id
	flow     uint64 // of its reg-id (RFC 5626 section 4.2)
	contact  uint64 // of the Contact's URI
	host     uint64 // of its host
	call     uint64 // of the Call-ID, if the contact has no instance-id and is the only one
}

// likeness ranks what id and other have in common, 0 if they are two bindings.
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
