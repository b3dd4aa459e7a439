package devices

import (
	"fmt"
	"slices"
	"strings"

	"sipsieve/sip/facts"
	"sipsieve/sip/useragent"
)

// An observation is one message of a device.
type observation struct {
	time   int64 // nanoseconds
	facts  facts.Facts
	aor    []byte // the address-of-record that it registers; nil for a call
	agent  uint64 // mark of the User-Agent; 0 without one
	device useragent.Device
	place  place
}

// An identification is how a device is identified.
type identification uint8

// Identifications, the most certain first.
const (
	byInstance identification = iota
	byMAC
	byBinding
	byAddress
)

// identify returns the text that identifies o's device; nil if that is its binding.
func (o *observation) identify() (text []byte, how identification) {
	instance := o.facts.First(facts.InstanceID)
	switch mac, ok := o.mac(); {
	case o.device.Scanner:
		return []byte("scanner " + o.place.flow.Flow().Src.Addr().String()), byAddress
	case instance != nil:
		return append([]byte("instance "), strings.ToLower(string(instance))...), byInstance
	case ok:
		return fmt.Appendf(nil, "mac %x", mac), byMAC
	}
	return nil, byBinding
}

// mac returns the hardware address in the User-Agent or the instance-id.
func (o *observation) mac() (mac [6]byte, ok bool) {
	if mac, ok = useragent.MAC(o.facts.First(facts.UserAgentText)); ok {
		return mac, true
	}
	return useragent.InstanceMAC(o.facts.First(facts.InstanceID))
}

// keyText returns the text that identifies o's device, also if that is its binding.
func (o *observation) keyText() []byte {
	text, how := o.identify()
	if how != byBinding {
		return text
	}
	return bindingText(o.aor, o.facts)
}

// bindingText returns an address-of-record and the Contact of f. The port is left out: behind NAT it changes.
func bindingText(aor []byte, f facts.Facts) []byte {
	return []byte(strings.ToLower(string(slices.Concat([]byte("binding "), aor, []byte{' '}, f.First(facts.ContactUser),
		[]byte{'@'}, f.First(facts.ContactHost)))))
}
