package cpni

import (
	"time"

	"sipsieve/capture"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// A subject is what every kind of Record has: read once from its event, or made for a loss.
type subject struct {
	kind         Kind
	identity     func(*Record, [][]byte) [][]byte // appends what the id is made from
	time         time.Time                        // retention counts from it
	stage        event.Stage
	revision     int // from 1
	status       event.Status
	missing      event.Missing
	completeness int // percent

	method                            string
	code, retransmissions, challenges int
	vias                              int
	flow                              capture.Flow // of the message that opened it
	vlan                              uint16
	link                              [6]byte
	origin                            capture.Origin
	point                             string
	facts                             facts.Facts
}

// A source reads the subject of one kind of Record. It reports false of an event that lacks what it reads.
type source func(*event.Event, *subject) bool

// sources has one source for each kind of event of which records are made.
var sources = map[event.Kind]source{
	event.CallKind:         readCall,
	event.RegistrationKind: readRegistration,
	event.DeviceKind:       readDevice,
}

func readCall(ev *event.Event, s *subject) bool {
	c := ev.Call
	if c == nil {
		return false
	}
	*s = subject{kind: CallKind, identity: callIdentity, time: c.Setup, stage: ev.Stage, status: c.Status,
		missing: c.Missing, completeness: c.Completeness, method: "INVITE", code: c.Code,
		retransmissions: c.Retransmissions, challenges: c.Challenges, vias: c.Vias, flow: c.Flow, vlan: c.VLAN,
		link: c.Link, origin: c.Origin, point: c.Point, facts: c.Facts}
	if c.Setup.IsZero() {
		s.time = c.FirstSeen
	}
	return true
}

func readRegistration(ev *event.Event, s *subject) bool {
	r := ev.Registration
	if r == nil {
		return false
	}
	*s = subject{kind: RegistrationKind, identity: registrationIdentity, time: r.At, stage: event.Stop, status: r.Status,
		missing: r.Missing, completeness: r.Completeness, method: "REGISTER", code: r.Code,
		retransmissions: r.Retransmissions, challenges: r.Challenges, vias: r.Vias, flow: r.Flow, vlan: r.VLAN,
		link: r.Link, origin: r.Origin, point: r.Point, facts: r.Facts}
	return true
}

func readDevice(ev *event.Event, s *subject) bool {
	d := ev.Device
	if d == nil {
		return false
	}
	*s = subject{kind: DeviceKind, identity: deviceIdentity, time: d.At, stage: event.Stop, status: event.Complete,
		completeness: 100, flow: d.Flow, vlan: d.VLAN, origin: d.Origin, point: d.Point, facts: d.Facts}
	return true
}

// ofLoss returns the subject of l.
func ofLoss(l *Loss) subject {
	return subject{kind: LossKind, identity: lossIdentity, time: l.To, stage: event.Stop, revision: 1,
		status: event.Complete, completeness: 100}
}
