package devices

import (
	"slices"
	"strconv"
	"strings"

	"sipsieve/capture"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
	"sipsieve/sip/syntax"
)

// Limits of what is remembered of one device.
const (
	maxAORs   = 16 // addresses-of-record, as many as a desk phone has lines; with more a device has a flag
	maxCodecs = 16
	maxParts  = 6 // of a firmware's version
)

// A device is one device as it is remembered. It holds no pointer; times are nanoseconds.
type device struct {
	key, binding    event.Key // by which it is found; of its last binding, zero without one
	text            mem.Text  // its Facts
	place           place     // of its last message
	first, last     int64     // time of its first and last message
	day             int64     // on which it was last published, days since 1970 plus 1; 0 for never
	agent, model    uint64    // marks of the User-Agent, and of vendor, model and kind in it
	firmware        [maxParts]uint32
	aors            [maxAORs + 1]uint32 // marks of the addresses-of-record that it has registered
	naors           uint8
	revision        uint8
	flags, oldFlags event.DeviceFlags // now; as last published
	changed         bool              // vendor, model, kind or firmware, since it was last published
}

// A place is where a message was captured.
type place struct {
	flow   event.PackedFlow
	vlan   uint16
	origin capture.Origin
	point  uint8 // its number in Devices.points
}

// update applies o to d.
func (d *device) update(o *observation) {
	if o.agent != 0 && o.agent != d.agent {
		d.updateAgent(o)
	}
	d.set(event.ScannerFlag, o.device.Scanner || o.agent == 0 && d.flags&event.ScannerFlag != 0)
	d.set(event.ManyAORs, int(d.naors) > maxAORs)
	if o.facts.First(facts.AuthUser) != nil || o.facts.First(facts.AuthRealm) != nil {
		d.set(event.PlainDigestMD5, plainMD5(o.facts))
	}
}

// updateAgent applies another User-Agent. Only an older firmware of the same model is a downgrade.
func (d *device) updateAgent(o *observation) {
	model := d.key.Mark([]byte(o.device.Vendor), []byte(o.device.Model), []byte(o.device.Kind))
	firmware := versionOf(o.device.Firmware)
	d.changed = d.agent != 0 && (model != d.model || firmware != d.firmware)
	order := slices.Compare(firmware[:], d.firmware[:])
	switch {
	case d.agent == 0 || model != d.model || order > 0 || o.device.Firmware == "":
		d.flags &^= event.FirmwareDowngrade
	case order < 0:
		d.flags |= event.FirmwareDowngrade
	}
	d.agent, d.model, d.firmware = o.agent, model, firmware
}

// versionOf returns the parts of a version as numbers.
func versionOf(firmware string) (parts [maxParts]uint32) {
	i := 0
	for part := range strings.SplitSeq(firmware, ".") {
		if i == maxParts {
			break
		}
		n, _ := strconv.ParseUint(part, 10, 32)
		parts[i] = uint32(n)
		i++
	}
	return parts
}

// plainMD5 reports whether credentials are MD5 digests: without an algorithm they are (RFC 7616 section 3.4).
func plainMD5(f facts.Facts) bool {
	algorithm := f.First(facts.AuthAlgorithm)
	return algorithm == nil || syntax.EqualFold("md5", algorithm)
}

func (d *device) set(flag event.DeviceFlags, on bool) {
	d.flags &^= flag
	if on {
		d.flags |= flag
	}
}

// addAOR records that d has registered the address-of-record with that mark.
func (d *device) addAOR(mark uint32) {
	if int(d.naors) < len(d.aors) && !slices.Contains(d.aors[:d.naors], mark) {
		d.aors[d.naors] = mark
		d.naors++
	}
}

// forgetAOR undoes addAOR.
func (d *device) forgetAOR(mark uint32) {
	if i := slices.Index(d.aors[:d.naors], mark); i >= 0 {
		d.naors--
		d.aors[i] = d.aors[d.naors]
	}
}
