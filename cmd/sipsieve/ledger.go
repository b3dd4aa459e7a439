package main

import (
	"reflect"
	"strconv"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip"
	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// A sums is counts by a word of a closed set.
type sums map[string]uint64

// A ledger says what became of every packet, message, call and excerpt. Its keys are a contract.
type ledger struct {
	Packets       packetLedger             `json:"packets"`
	Streams       streamLedger             `json:"streams"`
	HEP           feedLedger               `json:"hep"` // of all feeds, and of files that hold one
	Messages      messageLedger            `json:"messages"`
	Calls         callLedger               `json:"calls"`
	Legs          legLedger                `json:"legs"`
	Registrations sums                     `json:"registrations"`
	Devices       deviceLedger             `json:"devices"`
	Others        map[string]otherLedger   `json:"others"`  // messages that make no record, by trunk
	Options       map[string]optionsLedger `json:"options"` // by trunk
	Sources       map[string]sourceLedger  `json:"sources"` // by key in the configuration
	Numbers       numberLedger             `json:"numbers"`
	Excerpts      map[string]excerptLedger `json:"excerpts"`
	Bus           busLedger                `json:"bus,omitzero"`    // of a daemon
	Store         map[string]storeLedger   `json:"store,omitempty"` // of a daemon that keeps, by purpose
	Values        valueLedger              `json:"values"`
	Host          hostLedger               `json:"host,omitzero"` // of a daemon
}

// A hostLedger says how far the times of live packets can be believed.
type hostLedger struct {
	Unsynchronised peak `json:"clock_unsynchronised"` // 1 if the kernel says that nothing sets the clock, else 0
	ClockError     peak `json:"clock_max_error_us"`   // by how much it may be wrong
}

type packetLedger struct {
	Seen          uint64 `json:"seen"`
	KernelDropped uint64 `json:"kernel_dropped"`
	Passed        uint64 `json:"passed"`
	Undated       uint64 `json:"undated"` // bear the time of the frame before them, for they have none that can be
	Stray         uint64 `json:"stray"`   // likewise, for theirs is minutes away from those around
	Late          uint64 `json:"late"`    // frames of files that stand more than a second behind a later one
	Refused       sums   `json:"refused"`
	Lost          sums   `json:"lost"`
	Carried       sums   `json:"carried"` // by encapsulation
}

// A streamLedger says what was found in TCP streams and could not be read, or only in another way.
type streamLedger struct {
	TLS      uint64 `json:"tls"`      // directions of connections
	DTLS     uint64 `json:"dtls"`     // datagrams
	Upgrades uint64 `json:"upgrades"` // HTTP messages that went over to WebSocket
	Inflated uint64 `json:"inflated"` // WebSocket messages that were compressed
	Deflated uint64 `json:"deflated"` // those that are and cannot be read
	Skipped  uint64 `json:"skipped"`  // bytes
	Trailing uint64 `json:"trailing"` // bytes of datagrams
}

type messageLedger struct {
	Total           uint64 `json:"total"`
	Tracked         uint64 `json:"tracked"`
	Requests        sums   `json:"requests"`
	Statuses        sums   `json:"statuses"`
	Retransmissions uint64 `json:"retransmissions"`
	Duplicates      uint64 `json:"duplicates"`
	Late            uint64 `json:"late"` // came after their turn, from one of several readers
	Dropped         uint64 `json:"dropped"`
	Refused         sums   `json:"refused"`
	Odd             sums   `json:"odd"`
	LeftOut         uint64 `json:"left_out"` // values that a message had no room for
	Oversize        uint64 `json:"oversize"` // Identity lines that are too long, of messages that are used
}

type callLedger struct {
	Opened    uint64 `json:"opened"`
	Ended     sums   `json:"ended"`
	Live      uint64 `json:"live"`
	Evicted   uint64 `json:"evicted"`
	Corrected uint64 `json:"corrected"`
	MidCall   uint64 `json:"mid_call"`
	Orphans   uint64 `json:"orphans"`
	Bounds    sums   `json:"bounds"` // what a limit kept out or made go
}

// A legLedger says what was joined by what, and which evidence came to nothing.
type legLedger struct {
	Remembered uint64 `json:"remembered"`
	Joined     sums   `json:"joined"`
	Ambiguous  uint64 `json:"ambiguous"`
	Shared     uint64 `json:"shared"`
	Full       uint64 `json:"full"`
	Forgotten  uint64 `json:"forgotten"`
}

// A deviceLedger says why devices were told, how many are known, and how many went.
type deviceLedger struct {
	First     uint64 `json:"first"`
	Changed   uint64 `json:"changed"`
	Daily     uint64 `json:"daily"`
	Known     uint64 `json:"known"`
	Forgotten uint64 `json:"forgotten"`
}

// A valueLedger says what was wrong with values before a purpose was shown them.
type valueLedger struct {
	Misfits uint64 `json:"misfits"` // dropped: not what the register says of their field, a fault of the product
}

// A numberLedger says which numbers of records are non_e164 for want of something that the configuration could say.
type numberLedger struct {
	NoRegion uint64 `json:"no_region"` // dialled without +, and neither the sensor nor the trunk has a region
}

type excerptLedger struct {
	Made         uint64 `json:"made"`
	Put          uint64 `json:"put"`
	Acknowledged uint64 `json:"acknowledged"`
	Pending      uint64 `json:"pending"`
	Suppressed   sums   `json:"suppressed"`
}

func newLedger() *ledger {
	return &ledger{
		Packets:       packetLedger{Refused: sums{}, Lost: sums{}, Carried: sums{}},
		HEP:           feedLedger{OtherKinds: sums{}},
		Messages:      messageLedger{Requests: sums{}, Statuses: sums{}, Refused: sums{}, Odd: sums{}},
		Calls:         callLedger{Ended: sums{}, Bounds: sums{}},
		Legs:          legLedger{Joined: sums{}},
		Registrations: sums{},
		Others:        map[string]otherLedger{},
		Options:       map[string]optionsLedger{},
		Sources:       map[string]sourceLedger{},
		Excerpts:      map[string]excerptLedger{},
		Store:         map[string]storeLedger{},
	}
}

func (s sums) add(key string, n uint64) {
	if n > 0 {
		s[key] += n
	}
}

func (s sums) total() (n uint64) {
	for _, m := range s {
		n += m
	}
	return n
}

// addDomain adds what a domain has counted. While it runs, messages on their way to a shard are in the total only.
func (l *ledger) addDomain(c *pipeline.Counts, trunks []string) {
	for i := range c.Shards {
		s := &c.Shards[i]
		l.addTracker(&s.Track)
		l.Messages.Late += s.Late
		l.addOthers(s.Others, trunks)
	}
	l.addLegs(c.Legs)
	l.addDevices(&c.Devices)
	l.Messages.Dropped += c.Full
	for i := range c.Sources {
		s := &c.Sources[i]
		l.addReader(s.SIP)
		l.addDrops(s.Source.Drops())
		plus(&l.Packets, &packetLedger{Undated: undated(s.Source), Stray: strays(s.Source), Late: lateFrames(s.Source)})
		for _, f := range feedsOf(s.Source) {
			l.HEP.add(f)
		}
		l.addSource(s)
	}
}

// undated returns how many frames of s had no time that is believed; a live source's have the time of their arrival.
func undated(s capture.Source) uint64 {
	if f, ok := unpaced(s).(interface{ Undated() uint64 }); ok {
		return f.Undated()
	}
	return 0
}

// strays returns how many frames of s had a time that was not believed, lateFrames how many stood behind later ones.
func strays(s capture.Source) uint64 {
	if f, ok := unpaced(s).(interface{ Strays() uint64 }); ok {
		return f.Strays()
	}
	return 0
}

func lateFrames(s capture.Source) uint64 {
	if f, ok := unpaced(s).(interface{ Late() uint64 }); ok {
		return f.Late()
	}
	return 0
}

func (l *ledger) addDevices(c *track.DeviceCounts) {
	plus(&l.Devices, &deviceLedger{First: c.First, Changed: c.Changed, Daily: c.Daily, Known: c.Known,
		Forgotten: c.Forgotten})
}

func (l *ledger) addDrops(d capture.Drops) {
	l.Packets.Seen += d.Seen
	l.Packets.KernelDropped += d.Kernel
	l.Packets.Passed += d.Passed
	for r := range capture.Reasons {
		l.Packets.Refused.add(r.String(), d.Refused[r])
		l.Packets.Lost.add(r.String(), d.Lost[r])
	}
	for e := range capture.Encapsulations {
		l.Packets.Carried.add(e.String(), d.Carried[e])
	}
}

func (l *ledger) addReader(c sip.Counts) {
	for m, n := range c.Requests {
		l.Messages.Requests.add(sip.Method(m).String(), n)
		l.Messages.Total += n
	}
	for code, n := range c.Statuses {
		l.Messages.Statuses.add(strconv.Itoa(code), n)
		l.Messages.Total += n
	}
	for r, n := range c.Refused {
		l.Messages.Refused.add(sip.Refusal(r).String(), n)
	}
	for i, n := range c.Odd {
		l.Messages.Odd.add(sip.Flags(1<<i).String(), n)
	}
	l.Packets.Refused.add(capture.NotSIP.String(), c.NotSIP)
	l.Packets.Refused.add(capture.Keepalive.String(), c.Keepalive)
	l.Packets.Refused.add(capture.Opaque.String(), c.Opaque)
	l.Packets.Lost.add(capture.StreamEvicted.String(), c.Evicted)
	l.Messages.LeftOut += c.LeftOut
	l.Messages.Oversize += c.Oversize
	plus(&l.Streams, &streamLedger{TLS: c.TLSStreams, DTLS: c.DTLS, Upgrades: c.Upgrades, Inflated: c.Inflated,
		Deflated: c.Deflated, Skipped: c.Skipped, Trailing: c.Trailing})
}

func (l *ledger) addTracker(c *track.Counts) {
	l.Messages.Tracked += c.Tracked
	l.Messages.Duplicates += c.Duplicates
	l.Messages.Retransmissions += c.Retransmissions
	l.Messages.Dropped += c.Dropped
	l.Messages.Odd.add(sip.URIBad.String(), c.Opaque)
	plus(&l.Calls, &callLedger{Opened: c.Opened, Live: c.Live, Evicted: c.Evicted, Corrected: c.Corrected,
		MidCall: c.MidCall, Orphans: c.Orphans})
	for d, n := range c.Ended {
		l.Calls.Ended.add(cpni.DispositionWord(track.Disposition(d)), n)
	}
	for b, n := range c.Bounds {
		l.Calls.Bounds.add(track.Bound(b).String(), n)
	}
	l.Registrations.add("forgotten", c.Forgotten)
	for s, n := range c.Registrations {
		l.Registrations.add(cpni.RegistrationWord(track.RegistrationState(s)), n)
	}
}

func (l *ledger) addLegs(c track.LegCounts) {
	plus(&l.Legs, &legLedger{Remembered: c.Remembered, Ambiguous: c.Ambiguous, Shared: c.Shared, Full: c.Full,
		Forgotten: c.Forgotten})
	for by, n := range c.Joined {
		l.Legs.Joined.add(cpni.CorrelationWord(track.Correlation(by)), n)
	}
}

// add adds what o has counted, excerpts aside.
func (l *ledger) add(o *ledger) { plus(l, o) }

// A peak is the highest that there was: two together are the higher of both.
type peak uint64

// plus adds the counts of b to those of a.
func plus[T any](a, b *T) { plusValue(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()) }

func plusValue(a, b reflect.Value) {
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			plusValue(a.Field(i), b.Field(i))
		}
	case reflect.Uint64:
		if a.Type() == reflect.TypeFor[peak]() {
			a.SetUint(max(a.Uint(), b.Uint()))
			return
		}
		a.SetUint(a.Uint() + b.Uint())
	case reflect.Map:
		plusMap(a, b)
	}
}

func plusMap(a, b reflect.Value) {
	if a.IsNil() {
		a.Set(reflect.MakeMap(a.Type()))
	}
	for _, key := range b.MapKeys() {
		sum := reflect.New(a.Type().Elem()).Elem()
		if have := a.MapIndex(key); have.IsValid() {
			sum.Set(have)
		}
		plusValue(sum, b.MapIndex(key))
		a.SetMapIndex(key, sum)
	}
}
