package track

import (
	"slices"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
)

// DeviceCounts is what Devices have counted. First, Changed and Daily are the reasons for which devices were told.
type DeviceCounts struct {
	First, Changed, Daily, Forgotten uint64
	Known                            uint64 // now
}

// Devices are the devices that register and call in one clock domain. A device is known by its instance-id, else by
// the hardware address that its User-Agent or instance-id names, else by its binding; a tool that scans by where it
// scans from. Events are given in the collector's order, so that what is told is the same for any number of shards.
type Devices struct {
	keyer    event.Keyer
	limit    int
	budget   *mem.Budget
	slab     mem.Slab[device]
	index    map[event.Key]uint32 // by what a device is known by, and by its last binding
	recent   mem.List             // the one that was seen longest ago first
	texts    mem.Arena
	points   []string
	gathered facts.Gather
	counts   DeviceCounts
}

const (
	manyAORs   = 16 // a desk phone has as many lines
	mostCodecs = 16
	mostParts  = 6 // of a firmware's version
)

// A device holds no pointer; times are nanoseconds.
type device struct {
	key, binding     event.Key // what it is known by; its last binding, zero without one
	text             mem.Text  // its Facts
	hop              hop
	first, last, day int64
	agent, model     uint64 // marks of the User-Agent, and of what it says but for the firmware
	firmware         [mostParts]uint32
	aors             [manyAORs + 1]uint32 // marks of addresses-of-record that it has registered
	naors            uint8
	revision         uint8
	flags, toldFlags event.DeviceFlags
	changed          bool // vendor, model, kind or firmware
}

// NewDevices returns Devices that remember no more than limit, by Keys of k. With a limit of 0 they tell nothing.
func NewDevices(limit int, k event.Keyer) *Devices {
	return &Devices{keyer: k, limit: limit, index: make(map[event.Key]uint32)}
}

// Counts returns what has been counted so far.
func (ds *Devices) Counts() DeviceCounts {
	c := ds.counts
	c.Known = uint64(ds.slab.Len())
	return c
}

// Observe takes note of the device in ev and appends to dst what there is to tell of it: at first sight, when its
// vendor, model, firmware, kind or flags change, and once a day of UTC.
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

// registered takes note of who registers. Who fails to, and is not known, is no device yet, but for one that tells
// what it is by itself or that scans.
func (ds *Devices) registered(dst []event.Event, ev *event.Event) []event.Event {
	r := ev.Registration
	s := ds.sight(r.At, r.Facts, ds.hop(r.Flow, r.VLAN, r.Point, r.Origin))
	s.aor = slices.Concat(r.Facts.First(facts.RegisteredNumber), []byte{'@'}, r.Facts.First(facts.RegisteredHost))
	binding := ds.binding(s.aor, r.Facts)
	name, how := ds.name(&s, binding)
	n := ds.index[name]
	switch {
	case r.State == event.Expired || r.State == event.Deregistered:
		if n != 0 {
			ds.slab.At(n).forgetAOR(ds.short(s.aor))
		}
		if r.State == event.Expired {
			return dst
		}
	case n == 0 && how == byBinding && (r.State == event.RegistrationAuthFailed || r.State == event.RegistrationRejected):
		return dst
	}
	if n == 0 {
		n = ds.open(name, s.at)
	}
	d := ds.slab.At(n)
	if how != byAddress {
		ds.alias(n, d, binding)
	}
	if r.State != event.Deregistered {
		d.addAOR(ds.short(s.aor))
	}
	return ds.see(dst, ev, n, &s)
}

// called takes note of who called: a device that is known by its binding, or that tells what it is by itself.
func (ds *Devices) called(dst []event.Event, ev *event.Event) []event.Event {
	c := ev.Call
	s := ds.sight(c.FirstSeen, c.Facts, ds.hop(c.Flow, c.VLAN, c.Point, c.Origin))
	aor := slices.Concat(c.Facts.First(facts.CallerNumber), []byte{'@'}, c.Facts.First(facts.CallerHost))
	binding := ds.binding(aor, c.Facts)
	name, how := ds.name(&s, binding)
	n := ds.index[name]
	if n == 0 {
		n = ds.index[binding]
	}
	if n == 0 && how == byBinding {
		return dst
	}
	if n == 0 {
		n = ds.open(name, s.at)
	}
	return ds.see(dst, ev, n, &s)
}

func (ds *Devices) short(aor []byte) uint32 { return uint32(ds.keyer.Key(aor).Short()) | 1 }

func (ds *Devices) hop(f capture.Flow, vlan uint16, point string, origin capture.Origin) hop {
	at := slices.Index(ds.points, point)
	if at < 0 && len(ds.points) < 255 {
		ds.points, at = append(ds.points, point), len(ds.points)
	}
	return hopOf(&sip.Message{Flow: f, VLAN: vlan, Origin: origin}, uint8(max(at, 0)))
}

// open returns a new device; when there is no room, the one that was seen longest ago goes.
func (ds *Devices) open(name event.Key, at int64) uint32 {
	for has := ds.slab.Len(); has >= ds.limit || !ds.budget.Take(has); has = ds.slab.Len() {
		ds.counts.Forgotten++
		ds.forget(ds.recent.First())
	}
	n := ds.slab.New()
	*ds.slab.At(n) = device{key: name, first: at}
	ds.index[name] = n
	return n
}

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

// alias has d found by its last binding, too, unless that is another's name.
func (ds *Devices) alias(n uint32, d *device, binding event.Key) {
	if d.binding != binding && d.binding != d.key && ds.index[d.binding] == n {
		delete(ds.index, d.binding)
	}
	d.binding = binding
	if ds.index[binding] == 0 {
		ds.index[binding] = n
	}
}

func (d *device) addAOR(mark uint32) {
	if int(d.naors) < len(d.aors) && !slices.Contains(d.aors[:d.naors], mark) {
		d.aors[d.naors] = mark
		d.naors++
	}
}

func (d *device) forgetAOR(mark uint32) {
	if i := slices.Index(d.aors[:d.naors], mark); i >= 0 {
		d.naors--
		d.aors[i] = d.aors[d.naors]
	}
}

// Share has ds remember devices out of b, and no more than its limit.
func (ds *Devices) Share(b *mem.Budget) { ds.budget = b }

// Leave gives back what ds has of its Budget. Ds is not used afterwards.
func (ds *Devices) Leave() {
	ds.budget.GiveAll(ds.slab.Len())
	ds.budget = nil
}
