package cpni

import (
	"bytes"

	"sipsieve/sip"
	"sipsieve/sip/facts"
	"sipsieve/sip/useragent"
)

// deviceFields are the device as it claims to be.
var deviceFields = map[string]extractor{
	"user_agent":         {func(in *inside) Value { return hide(agent(in)) }, agentHeaders},
	"device_instance_id": text(facts.InstanceID, sip.Contact),
	"device_reg_id":      integer(facts.RegID, 65535, sip.Contact),
	"device_mac":         {deviceMAC, append(agentHeaders, sip.Contact)},
	"contact_user":       text(facts.ContactUser, sip.Contact),
	"contact_address":    {contactAddress, []sip.Header{sip.Contact}},
	"device_vendor":      {func(in *inside) Value { return word(claimed(in).Vendor) }, agentHeaders},
	"device_model":       {func(in *inside) Value { return word(claimed(in).Model) }, agentHeaders},
	"device_firmware":    {func(in *inside) Value { return shaped(claimed(in).Firmware) }, agentHeaders},
	"device_kind":        {func(in *inside) Value { return word(claimed(in).Kind) }, agentHeaders},
	"device_flags":       {deviceFlags, agentHeaders},
}

var agentHeaders = []sip.Header{sip.UserAgent, sip.Server}

func agent(in *inside) []byte {
	if b := in.first(facts.UserAgentText); b != nil {
		return b
	}
	return in.first(facts.ServerText)
}

// claimed reads the device once for a Record.
func claimed(in *inside) *useragent.Device {
	if in.device == nil {
		in.device = new(useragent.Device)
		if b := agent(in); b != nil {
			*in.device = useragent.Read(b)
		}
	}
	return in.device
}

// contactAddress is where the Contact points to, unknown if that is a name.
func contactAddress(in *inside) Value {
	return addressText(bytes.Trim(in.first(facts.ContactHost), "[]"))
}

func deviceMAC(in *inside) Value {
	mac, ok := useragent.MAC(agent(in))
	if !ok {
		mac, ok = useragent.InstanceMAC(in.first(facts.InstanceID))
	}
	if !ok {
		return Value{}
	}
	return hardware(mac)
}

// deviceFlags is what is particular about a device; of a call or a registration only what follows from its own headers.
func deviceFlags(in *inside) Value {
	if in.event.Device != nil {
		return list(words(uint16(in.event.Device.Flags), deviceFlagWords[:]))
	}
	if agent(in) == nil {
		return Value{}
	}
	if claimed(in).Scanner {
		return list([]string{"scanner"})
	}
	return list(nil)
}
