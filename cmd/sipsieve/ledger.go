package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// A ledger says what became of every packet, message, call and excerpt. Its keys are a contract.
type ledger struct {
	Packets       packetLedger             `json:"packets"`
	Messages      messageLedger            `json:"messages"`
	Calls         callLedger               `json:"calls"`
	Registrations map[string]uint64        `json:"registrations"`
	Devices       map[string]uint64        `json:"devices"`
	Excerpts      map[string]excerptLedger `json:"excerpts"`
}

type packetLedger struct {
	Seen          uint64            `json:"seen"`
	KernelDropped uint64            `json:"kernel_dropped"`
	Refused       map[string]uint64 `json:"refused"`
}

type messageLedger struct {
	Total           uint64            `json:"total"`
	Tracked         uint64            `json:"tracked"`
	Requests        map[string]uint64 `json:"requests"`
	Statuses        map[string]uint64 `json:"statuses"`
	Retransmissions uint64            `json:"retransmissions"`
	Duplicates      uint64            `json:"duplicates"`
	Dropped         uint64            `json:"dropped"`
	Refused         map[string]uint64 `json:"refused"`
	Odd             map[string]uint64 `json:"odd"`
}

type callLedger struct {
	Opened  uint64            `json:"opened"`
	Ended   map[string]uint64 `json:"ended"`
	Live    uint64            `json:"live"`
	Evicted uint64            `json:"evicted"`
	MidCall uint64            `json:"mid_call"`
	Orphans uint64            `json:"orphans"`
}

type excerptLedger struct {
	Made         uint64            `json:"made"`
	Put          uint64            `json:"put"`
	Acknowledged uint64            `json:"acknowledged"`
	Pending      uint64            `json:"pending"`
	Suppressed   map[string]uint64 `json:"suppressed"`
}

func newLedger() *ledger {
	return &ledger{
		Packets: packetLedger{Refused: map[string]uint64{}},
		Messages: messageLedger{Requests: map[string]uint64{}, Statuses: map[string]uint64{},
			Refused: map[string]uint64{}, Odd: map[string]uint64{}},
		Calls:         callLedger{Ended: map[string]uint64{}},
		Registrations: map[string]uint64{},
		Devices:       map[string]uint64{},
		Excerpts:      map[string]excerptLedger{},
	}
}

// addDomain adds what d has counted. While d runs, messages on their way to a shard are in the total only.
func (l *ledger) addDomain(d *domain) {
	for _, s := range d.shards { // before the reader's, so that the total is never behind
		l.addTracker(s.counts.Load())
	}
	l.addDevices(d.deviceCounts.Load())
	l.Messages.Dropped += d.full.Load()
	for _, r := range d.readers {
		l.addReader(r.sip.Counts())
		l.addDrops(r.source.Drops())
	}
}

// addDevices adds what the devices have counted: why they were told, how many are known, how many went.
func (l *ledger) addDevices(c *track.DeviceCounts) {
	count(l.Devices, "first", c.First)
	count(l.Devices, "changed", c.Changed)
	count(l.Devices, "daily", c.Daily)
	count(l.Devices, "known", c.Known)
	count(l.Devices, "forgotten", c.Forgotten)
}

func (l *ledger) addDrops(d capture.Drops) {
	l.Packets.Seen += d.Seen
	l.Packets.KernelDropped += d.Kernel
	for r, n := range d.Refused {
		count(l.Packets.Refused, capture.Reason(r).String(), n)
	}
}

func (l *ledger) addReader(c sip.Counts) {
	for m, n := range c.Requests {
		count(l.Messages.Requests, sip.Method(m).String(), n)
		l.Messages.Total += n
	}
	for code, n := range c.Statuses {
		count(l.Messages.Statuses, strconv.Itoa(code), n)
		l.Messages.Total += n
	}
	for r, n := range c.Refused {
		count(l.Messages.Refused, sip.Refusal(r).String(), n)
	}
	for i, n := range c.Odd {
		count(l.Messages.Odd, sip.Flags(1<<i).String(), n)
	}
	count(l.Packets.Refused, capture.NotSIP.String(), c.NotSIP)
	count(l.Packets.Refused, capture.Keepalive.String(), c.Keepalive)
	count(l.Packets.Refused, capture.Opaque.String(), c.Opaque)
	count(l.Packets.Refused, capture.StreamEvicted.String(), c.Evicted)
}

func (l *ledger) addTracker(c *track.Counts) {
	l.Messages.Tracked += c.Tracked
	l.Messages.Duplicates += c.Duplicates
	l.Messages.Retransmissions += c.Retransmissions
	l.Messages.Dropped += c.Dropped
	count(l.Messages.Odd, sip.URIBad.String(), c.Opaque)
	l.Calls.Opened += c.Opened
	l.Calls.Live += c.Live
	l.Calls.Evicted += c.Evicted
	l.Calls.MidCall += c.MidCall
	l.Calls.Orphans += c.Orphans
	for d, n := range c.Ended {
		count(l.Calls.Ended, cpni.DispositionWord(track.Disposition(d)), n)
	}
	count(l.Registrations, "forgotten", c.Forgotten)
	for s, n := range c.Registrations {
		count(l.Registrations, cpni.RegistrationWord(track.RegistrationState(s)), n)
	}
}

func count(in map[string]uint64, key string, n uint64) {
	if n > 0 {
		in[key] += n
	}
}

// balance returns every sum of l that does not come out. inFlight messages may be between a reader and a shard.
func (l *ledger) balance(inFlight bool) error {
	m, c := &l.Messages, &l.Calls
	var errs []error
	sum := func(name string, got, want uint64) {
		if got != want {
			errs = append(errs, fmt.Errorf("ledger: %s: %d is not %d", name, got, want))
		}
	}
	refused := total(m.Refused)
	sum("messages.total, by start line", m.Total, total(m.Requests)+total(m.Statuses))
	if used := m.Tracked + m.Duplicates + refused + m.Dropped; !inFlight || used > m.Total {
		sum("messages.total, by fate", m.Total, used)
	}
	if m.Retransmissions > m.Tracked {
		errs = append(errs, fmt.Errorf("ledger: messages.retransmissions: %d of %d", m.Retransmissions, m.Tracked))
	}
	sum("calls.opened", c.Opened, total(c.Ended)+c.Live+c.Evicted)
	for name, x := range l.Excerpts {
		sum("excerpts."+name+".made", x.Made, x.Put+total(x.Suppressed))
		sum("excerpts."+name+".put", x.Put, x.Acknowledged+x.Pending)
	}
	return errors.Join(errs...)
}

func total(in map[string]uint64) (sum uint64) {
	for n := range maps.Values(in) {
		sum += n
	}
	return sum
}

// write writes l as JSON.
func (l *ledger) write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(l)
}
