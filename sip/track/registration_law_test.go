package track

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// A handset registers one number from one place, and has the states that must be published of it.
type handset struct {
	number   int
	instance bool
	host     byte // last byte of its Contact's address
	port     uint16
	cseq     int
	holds    bool // as the model has it
	lost     bool // it has expired
	until    time.Time
	got      []event.RegistrationState
	want     []event.RegistrationState
}

// A switchboard plays handsets to a Tracker, and has what the model expects.
type switchboard struct {
	tr       *Tracker
	now      time.Time
	handsets [3]handset
	number   uint64
}

// send gives the Tracker a REGISTER of h, or its response with status.
func (s *switchboard) send(h *handset, status, expires int, credentials bool) {
	line, contact := "REGISTER sip:example.net SIP/2.0", fmt.Sprintf("<sip:h@10.0.0.%d:5060>", h.host)
	flow := capture.Flow{Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(h.number + 10)}), h.port),
		Dst: netip.MustParseAddrPort("192.0.2.1:5060"), Transport: capture.UDP}
	if status != 0 {
		line, flow = fmt.Sprintf("SIP/2.0 %d X", status), flow.Reverse()
	}
	if h.instance {
		contact += fmt.Sprintf(";+sip.instance=\"<urn:uuid:%d>\"", h.number)
	}
	extra := ""
	if credentials && status == 0 {
		extra = "Authorization: Digest username=\"x\", realm=\"y\"\r\n"
	}
	text := fmt.Sprintf("%s\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK%d-%d\r\nFrom: <sip:%d@example.net>;tag=a\r\n"+
		"To: <sip:%[4]d@example.net>\r\nCall-ID: c%[2]d\r\nCSeq: %[3]d REGISTER\r\nContact: %[5]s;expires=%[6]d\r\n%[7]s"+
		"Content-Length: 0\r\n\r\n", line, h.number, h.cseq, h.number%2, contact, expires, extra)
	s.number++
	s.now = s.now.Add(time.Millisecond)
	p := capture.Packet{Time: s.now, Flow: flow, Payload: []byte(text)}
	sip.NewReader(everything(), sip.DefaultLimits()).Read(&p, func(m *sip.Message) {
		var b sip.Batch
		b.Add(m)
		b.Messages[0].Mark = s.number
		s.take(s.tr.Observe(nil, &b.Messages[0], testKeyer.Of(&b.Messages[0])))
	})
}

func (s *switchboard) take(events []event.Event) {
	for _, e := range events {
		if e.Kind == event.RegistrationKind {
			h := &s.handsets[e.Registration.Facts.First(facts.CallIDText)[1]-'0']
			h.got = append(h.got, e.Registration.State)
		}
	}
}

// register has h register, for expires seconds, answered at once or after a challenge.
func (s *switchboard) register(h *handset, expires int, challenged bool) {
	h.cseq++
	s.send(h, 0, expires, false)
	if challenged {
		s.send(h, 401, expires, false)
		h.cseq++
		s.send(h, 0, expires, true)
	}
	s.send(h, 200, expires, false)
}

// pass lets time go by, and what was granted run out.
func (s *switchboard) pass(d time.Duration) {
	s.now = s.now.Add(d)
	s.take(s.tr.Advance(nil, s.now))
	for i := range s.handsets {
		h := &s.handsets[i]
		if h.holds && s.now.Sub(h.until) >= 32*time.Second {
			h.holds, h.lost = false, true
			h.want = append(h.want, event.Expired)
		}
		if h.lost && s.now.Sub(h.until) >= 24*time.Hour+32*time.Second {
			h.lost = false
		}
	}
}

// do interprets one byte.
func (s *switchboard) do(b byte) {
	h := &s.handsets[b%3]
	switch b / 3 % 6 {
	case 0, 1: // refresh, behind NAT from another port
		h.port += uint16(b / 3 % 6)
		s.register(h, 3600, false)
		s.expect(h, 0)
	case 2:
		s.register(h, 3600, true)
		s.expect(h, 0)
	case 3:
		s.register(h, 0, b > 100)
		if h.holds {
			h.want = append(h.want, event.Deregistered)
		}
		if h.holds || h.lost {
			h.holds, h.lost = false, false
		}
	case 4:
		s.pass(time.Duration(b) * time.Minute)
	case 5:
		h.host = 100 + h.host%100 + 3
		s.register(h, 3600, false)
		s.expect(h, event.Moved)
	}
}

// expect says what an accepted REGISTER of h must publish, in refreshing if it is one that was not lost.
func (s *switchboard) expect(h *handset, refreshing event.RegistrationState) {
	switch {
	case h.lost:
		h.want = append(h.want, event.Recovered)
	case !h.holds:
		h.want = append(h.want, event.Registered)
	case refreshing != 0:
		h.want = append(h.want, refreshing)
	}
	h.holds, h.lost, h.until = true, false, s.now.Add(time.Hour)
}

// FuzzRegistrations states the law of registrations against a model that knows nothing but time: a refresh publishes
// nothing, whatever its port and however often it is challenged; taking back what holds publishes it exactly once; what
// is not refreshed expires once; and what comes back has recovered.
func FuzzRegistrations(f *testing.F) {
	f.Add([]byte{0, 3, 0, 9, 9, 0, 3, 6})
	f.Add([]byte{0, 1, 2, 12, 192, 0, 1, 2, 9, 10, 11, 15, 16, 17})
	f.Add([]byte{15, 15, 30, 212, 15, 9, 15})
	f.Fuzz(func(t *testing.T, script []byte) {
		s := &switchboard{tr: New(DefaultLimits()), now: ladderStart}
		for i := range s.handsets {
			s.handsets[i] = handset{number: i, instance: i < 2, host: byte(10 + i), port: 5060}
		}
		for _, b := range script[:min(len(script), 200)] {
			s.do(b)
		}
		for i, h := range s.handsets {
			if !slices.Equal(h.got, h.want) {
				t.Errorf("handset %d: got %v, want %v", i, h.got, h.want)
			}
		}
	})
}
