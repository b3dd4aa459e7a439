package devices

import (
	"slices"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
	"sipsieve/sip/useragent"
)

// Devices are the devices of one clock domain. They are used by one goroutine.
type Devices struct {
	keyer  event.Keyer
	limit  int
	budget *mem.Budget
	slab   mem.Slab[device]
	index  map[event.Key]uint32 // by key of the device, and by its last binding
	recent mem.List             // in the order of their last messages
	texts  mem.Arena
	points []string // names of capture points
	gather facts.Gather
	counts Counts
}

// Counts is what Devices have counted. First, Changed and Daily are the reasons for which devices were published.
type Counts struct {
	First, Changed, Daily uint64
	Forgotten             uint64 // evicted
	Known                 uint64 // now
}

// New returns Devices with that limit, identified by Keys of k. With a limit of 0 they publish nothing.
func New(limit int, k event.Keyer) *Devices {
	return &Devices{keyer: k, limit: limit, index: make(map[event.Key]uint32)}
}

// Share makes b limit the devices of ds as well. It is called before Observe.
func (ds *Devices) Share(b *mem.Budget) { ds.budget = b }

// Leave returns the devices of ds to its Budget. ds must not be used afterwards.
func (ds *Devices) Leave() {
	ds.budget.GiveAll(ds.slab.Len())
	ds.budget = nil
}

// Counts returns what has been counted so far.
func (ds *Devices) Counts() Counts {
	c := ds.counts
	c.Known = uint64(ds.slab.Len())
	return c
}

// Observe applies ev and appends the Event of its device to dst, if that is to be published.
func (ds *Devices) Observe(dst []event.Event, ev *event.Event) []event.Event {
	switch {
	case ds.limit == 0:
	case ev.Registration != nil:
		return ds.registered(dst, ev)
	case ev.Call != nil && ev.Stage == event.Stop:
		return ds.called(dst, ev)
	}
	return dst
}

// registered applies a registration. A failed one adds no device, unless it has an identity of its own or is a scanner.
func (ds *Devices) registered(dst []event.Event, ev *event.Event) []event.Event {
	r := ev.Registration
	o := ds.observation(r.At, r.Facts)
	o.place = ds.placeOf(r.Flow, r.VLAN, r.Point, r.Origin)
	o.aor = slices.Concat(r.Facts.First(facts.RegisteredNumber), []byte{'@'}, r.Facts.First(facts.RegisteredHost))
	binding := ds.keyer.Key(bindingText(o.aor, r.Facts))
	name, how := ds.name(&o, binding)
	n := ds.index[name]
	switch {
	case r.State == event.Expired || r.State == event.Deregistered:
		if n != 0 {
			ds.slab.At(n).forgetAOR(ds.mark(o.aor))
		}
		if r.State == event.Expired {
			return dst
		}
	case n == 0 && how == byBinding && (r.State == event.RegistrationAuthFailed || r.State == event.RegistrationRejected):
		return dst
	}
	if n == 0 {
		n = ds.open(name, o.time)
	}
	d := ds.slab.At(n)
	if how != byAddress {
		ds.alias(n, d, binding)
	}
	if r.State != event.Deregistered {
		d.addAOR(ds.mark(o.aor))
	}
	return ds.see(dst, ev, n, &o)
}

// called applies a call of a known binding, or of a device with an identity of its own.
func (ds *Devices) called(dst []event.Event, ev *event.Event) []event.Event {
	c := ev.Call
	o := ds.observation(c.FirstSeen, c.Facts)
	o.place = ds.placeOf(c.Flow, c.VLAN, c.Point, c.Origin)
	aor := slices.Concat(c.Facts.First(facts.CallerNumber), []byte{'@'}, c.Facts.First(facts.CallerHost))
	binding := ds.keyer.Key(bindingText(aor, c.Facts))
	name, how := ds.name(&o, binding)
	n := ds.index[name]
	if n == 0 {
		n = ds.index[binding]
	}
	if n == 0 && how == byBinding {
		return dst
	}
	if n == 0 {
		n = ds.open(name, o.time)
	}
	return ds.see(dst, ev, n, &o)
}

// observation returns the observation of a message with the Facts f, without its place.
func (ds *Devices) observation(t time.Time, f facts.Facts) observation {
	o := observation{time: t.UnixNano(), facts: f, device: useragent.Device{Vendor: "other", Kind: "unknown"}}
	if agent := f.First(facts.UserAgentText); agent != nil {
		o.agent = ds.keyer.Key(agent).Short() | 1
		o.device = useragent.Read(agent)
	}
	return o
}

// placeOf returns where a message was captured. Points after the 255th share the number 0.
func (ds *Devices) placeOf(f capture.Flow, vlan uint16, point string, origin capture.Origin) place {
	i := slices.Index(ds.points, point)
	if i < 0 && len(ds.points) < 255 {
		ds.points, i = append(ds.points, point), len(ds.points)
	}
	return place{flow: event.PackFlow(f), vlan: vlan, origin: origin, point: uint8(max(i, 0))}
}

// name returns the Key of o's device.
func (ds *Devices) name(o *observation, binding event.Key) (event.Key, identification) {
	text, how := o.identify()
	if how == byBinding {
		return binding, how
	}
	return ds.keyer.Key(text), how
}

// mark returns the mark of an address-of-record.
func (ds *Devices) mark(aor []byte) uint32 { return uint32(ds.keyer.Key(aor).Short()) | 1 }

// open returns the number of a new device. If there are too many, the one whose last message is oldest is evicted.
func (ds *Devices) open(name event.Key, ns int64) uint32 {
	for has := ds.slab.Len(); has >= ds.limit || !ds.budget.Take(has); has = ds.slab.Len() {
		ds.counts.Forgotten++
		ds.forget(ds.recent.First())
	}
	n := ds.slab.New()
	*ds.slab.At(n) = device{key: name, first: ns}
	ds.index[name] = n
	return n
}

// forget frees device n.
func (ds *Devices) forget(n uint32) {
	d := ds.slab.At(n)
	ds.recent.Remove(n)
	for _, k := range []event.Key{d.key, d.binding} {
		if ds.index[k] == n {
			delete(ds.index, k)
		}
	}
	ds.texts.Free(d.text)
	*d = device{}
	ds.slab.Free(n)
	ds.budget.Give(ds.slab.Len())
}

// alias makes d found by its last binding as well, unless another device is.
func (ds *Devices) alias(n uint32, d *device, binding event.Key) {
	if d.binding != binding && d.binding != d.key && ds.index[d.binding] == n {
		delete(ds.index, d.binding)
	}
	d.binding = binding
	if ds.index[binding] == 0 {
		ds.index[binding] = n
	}
}

// see applies o to device n, and appends its Event to dst if it is new, has changed or was not published on this day.
// An observation older than the last one only adds its codecs.
func (ds *Devices) see(dst []event.Event, ev *event.Event, n uint32, o *observation) []event.Event {
	d := ds.slab.At(n)
	f := ds.combine(d, o)
	if o.time < d.last {
		d.text = ds.texts.Put(d.text, f.Bytes())
		return dst
	}
	d.last, d.place = o.time, o.place
	ds.recent.Append(n)
	d.update(o)
	d.text = ds.texts.Put(d.text, f.Bytes())
	switch {
	case d.day == 0:
		ds.counts.First++
	case d.changed || d.flags != d.oldFlags:
		ds.counts.Changed++
	case d.day != 1+o.time/event.Day:
		ds.counts.Daily++
	default:
		return dst
	}
	return append(dst, ds.publish(ev, d))
}

// keptFacts are the Facts of a device's last message that are kept. Codecs are kept of all its calls.
var keptFacts = [...]facts.Fact{facts.UserAgentText, facts.InstanceID, facts.RegID, facts.ContactUser, facts.ContactHost,
	facts.ContactPort, facts.RegisteredNumber, facts.RegisteredHost, facts.AuthUser, facts.AuthRealm, facts.AuthAlgorithm}

// combine returns the Facts of d with those of o. A Fact that o does not have stays; if o is older than the last one,
// all do.
func (ds *Devices) combine(d *device, o *observation) facts.Facts {
	old, f := facts.FromBytes(ds.texts.Get(d.text)), ds.gather.Start(facts.Facts{})
	key := old.First(facts.DeviceKeyText)
	if key == nil {
		key = o.keyText()
	}
	ds.gather.Add(facts.DeviceKeyText, key)
	for _, fact := range keptFacts {
		v := o.facts.First(fact)
		if v == nil || o.time < d.last {
			v = old.First(fact)
		}
		ds.gather.Add(fact, v)
	}
	n := 0
	for _, all := range []facts.Facts{old, o.facts} {
		for codec := range all.All(facts.MediaCodec) {
			if n < maxCodecs && !f.Has(facts.MediaCodec, codec) {
				ds.gather.Add(facts.MediaCodec, codec)
				n++
			}
		}
	}
	return *f
}

// publish returns the Event of d.
func (ds *Devices) publish(ev *event.Event, d *device) event.Event {
	if today := 1 + d.last/event.Day; d.day != today {
		d.day, d.revision = today, 0
	}
	d.revision += 1 - d.revision/255
	d.changed, d.oldFlags = false, d.flags
	return event.Event{Time: ev.Time, Key: d.key, Kind: event.DeviceKind, Stage: event.Stop, Revision: int(d.revision),
		Device: &event.Device{At: event.When(d.last), FirstSeen: event.When(d.first), LastSeen: event.When(d.last),
			Flags: d.flags, Flow: d.place.flow.Flow(), VLAN: d.place.vlan, Point: ds.points[d.place.point],
			Origin: d.place.origin, Facts: facts.FromBytes(ds.texts.Get(d.text)).Clone()}}
}
