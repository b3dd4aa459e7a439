package track

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/useragent"
)

// A sight is one message of a device.
type sight struct {
	at     int64
	facts  facts.Facts
	aor    []byte // what it registers; nil for a call
	agent  uint64 // mark of the User-Agent
	device useragent.Device
	hop    hop
}

// sight reads what the message in facts says of its device.
func (ds *Devices) sight(at time.Time, f facts.Facts, h hop) sight {
	s := sight{at: at.UnixNano(), facts: f, hop: h, device: useragent.Device{Vendor: "other", Kind: "unknown"}}
	if agent := f.First(facts.UserAgentText); agent != nil {
		s.agent = ds.keyer.Key(agent).Short() | 1
		s.device = useragent.Read(agent)
	}
	return s
}

// What a device is known by.
const (
	byInstance = iota
	byMAC
	byBinding
	byAddress
)

// name returns the Key of s's device.
func (ds *Devices) name(s *sight, binding event.Key) (event.Key, int) {
	text, how := s.name()
	if how == byBinding {
		return binding, how
	}
	return ds.keyer.Key(text), how
}

// name returns what s's device is known by, but for its binding.
func (s *sight) name() (text []byte, how int) {
	instance := s.facts.First(facts.InstanceID)
	switch mac, ok := s.mac(); {
	case s.device.Scanner:
		return []byte("scanner " + s.hop.flow().Src.Addr().String()), byAddress
	case instance != nil:
		return append([]byte("instance "), strings.ToLower(string(instance))...), byInstance
	case ok:
		return fmt.Appendf(nil, "mac %x", mac), byMAC
	}
	return nil, byBinding
}

func (s *sight) mac() (mac [6]byte, ok bool) {
	if mac, ok = useragent.MAC(s.facts.First(facts.UserAgentText)); ok {
		return mac, true
	}
	return useragent.InstanceMAC(s.facts.First(facts.InstanceID))
}

// binding returns the Key of an address-of-record and a Contact, its port left out: behind NAT it changes.
func (ds *Devices) binding(aor []byte, f facts.Facts) event.Key {
	return ds.keyer.Key(bindingText(aor, f))
}

func bindingText(aor []byte, f facts.Facts) []byte {
	return []byte(strings.ToLower(string(slices.Concat([]byte("binding "), aor, []byte{' '}, f.First(facts.ContactUser),
		[]byte{'@'}, f.First(facts.ContactHost)))))
}

// see takes note of s, of device n, and tells if there is anything to tell. What is older than what was seen last only
// adds its codecs.
func (ds *Devices) see(dst []event.Event, ev *event.Event, n uint32, s *sight) []event.Event {
	d := ds.slab.At(n)
	f := ds.gather(d, s)
	if s.at < d.last {
		d.text = ds.texts.Put(d.text, f.Bytes())
		return dst
	}
	d.last, d.hop = s.at, s.hop
	ds.recent.Append(n)
	d.update(s)
	d.text = ds.texts.Put(d.text, f.Bytes())
	switch {
	case d.day == 0:
		ds.counts.First++
	case d.changed || d.flags != d.toldFlags:
		ds.counts.Changed++
	case d.day != 1+s.at/day:
		ds.counts.Daily++
	default:
		return dst
	}
	return append(dst, ds.tell(ev, d))
}

// update notes what s says of d.
func (d *device) update(s *sight) {
	if s.agent != 0 && s.agent != d.agent {
		model := d.key.Mark([]byte(s.device.Vendor), []byte(s.device.Model), []byte(s.device.Kind))
		firmware := versionOf(s.device.Firmware)
		d.changed = d.agent != 0 && (model != d.model || firmware != d.firmware)
		order := slices.Compare(firmware[:], d.firmware[:])
		switch {
		case d.agent == 0 || model != d.model || order > 0 || s.device.Firmware == "":
			d.flags &^= event.FirmwareDowngrade
		case order < 0:
			d.flags |= event.FirmwareDowngrade
		}
		d.agent, d.model, d.firmware = s.agent, model, firmware
	}
	d.set(event.ScannerFlag, s.device.Scanner || s.agent == 0 && d.flags&event.ScannerFlag != 0)
	d.set(event.ManyAORs, int(d.naors) > manyAORs)
	if s.facts.First(facts.AuthUser) != nil || s.facts.First(facts.AuthRealm) != nil {
		d.set(event.PlainDigestMD5, plainMD5(s.facts))
	}
}

func (d *device) set(flag event.DeviceFlags, on bool) {
	d.flags &^= flag
	if on {
		d.flags |= flag
	}
}

// plainMD5 reports whether credentials are MD5's: without a word it is that (RFC 7616 section 3.4).
func plainMD5(f facts.Facts) bool {
	algorithm := f.First(facts.AuthAlgorithm)
	return algorithm == nil || strings.EqualFold(string(algorithm), "md5")
}

// versionOf returns the parts of a version as numbers.
func versionOf(firmware string) (parts [mostParts]uint32) {
	i := 0
	for part := range strings.SplitSeq(firmware, ".") {
		if i == mostParts {
			break
		}
		n, _ := strconv.ParseUint(part, 10, 32)
		parts[i] = uint32(n)
		i++
	}
	return parts
}

// tell returns the Event of d.
func (ds *Devices) tell(ev *event.Event, d *device) event.Event {
	if today := 1 + d.last/day; d.day != today {
		d.day, d.revision = today, 0
	}
	d.revision += 1 - d.revision/255
	d.changed, d.toldFlags = false, d.flags
	return event.Event{Time: ev.Time, Key: d.key, Kind: event.DeviceKind, Stage: event.Stop, Revision: int(d.revision),
		Device: &event.Device{At: event.When(d.last), FirstSeen: event.When(d.first), LastSeen: event.When(d.last), Flags: d.flags,
			Flow: d.hop.flow(), VLAN: d.hop.vlan, Point: ds.points[d.hop.point], Origin: d.hop.origin,
			Facts: facts.FromBytes(ds.texts.Get(d.text)).Clone()}}
}

// deviceFacts are what is kept of a device's last message. Codecs are kept of all its calls.
var deviceFacts = [...]facts.Fact{facts.UserAgentText, facts.InstanceID, facts.RegID, facts.ContactUser, facts.ContactHost, facts.ContactPort, facts.RegisteredNumber,
	facts.RegisteredHost, facts.AuthUser, facts.AuthRealm, facts.AuthAlgorithm}

// gather returns the Facts of d with those of s; of what s does not say, or is too old to say, those that it had.
func (ds *Devices) gather(d *device, s *sight) facts.Facts {
	old, f := facts.FromBytes(ds.texts.Get(d.text)), ds.gathered.Start(facts.Facts{})
	key := old.First(facts.DeviceKeyText)
	if key == nil {
		key = s.keyText()
	}
	ds.gathered.Add(facts.DeviceKeyText, key)
	for _, fact := range deviceFacts {
		v := s.facts.First(fact)
		if v == nil || s.at < d.last {
			v = old.First(fact)
		}
		ds.gathered.Add(fact, v)
	}
	n := 0
	for _, from := range []facts.Facts{old, s.facts} {
		for codec := range from.All(facts.MediaCodec) {
			if n < mostCodecs && !f.Has(facts.MediaCodec, codec) {
				ds.gathered.Add(facts.MediaCodec, codec)
				n++
			}
		}
	}
	return *f
}

func (s *sight) keyText() []byte {
	text, how := s.name()
	if how != byBinding {
		return text
	}
	return bindingText(s.aor, s.facts)
}
