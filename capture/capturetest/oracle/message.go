package oracle

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
)

// A Host is the last byte of an address in 192.0.2.0/24.
type Host uint8

func (h Host) address() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(h)}), 5060)
}

func appendHost(b []byte, h Host) []byte {
	return strconv.AppendInt(append(b, "192.0.2."...), int64(h), 10)
}

// A hop is an unordered pair of addresses.
type hop struct{ low, high Host }

func (h hop) has(a Host) bool { return h.low == a || h.high == a }

// A Via is one value of Via: who sent the request, and the branch.
type Via struct {
	By     Host
	Branch string
}

// A Message is one SIP message as a capture shows it on one hop.
type Message struct {
	Time     time.Duration // since the start of the capture
	Src, Dst Host
	Method   string // of a response: its request's
	Status   int    // 0 for a request
	Seq      int
	From, To string // tags; To is "" without one
	Vias     []Via  // topmost first
	ID       uint16 // IPv4 identification: equal for two taps' copies of one packet, for nothing else
	CallID   string
	Cause    int    // Q.850 cause of Reason; 0 without one
	SDP      string // direction of the session description, "" without one
	Expires  int    // Session-Expires in seconds; 0 without it
}

func (m *Message) request() bool { return m.Status == 0 }

func (m *Message) branch() string {
	if len(m.Vias) == 0 {
		return ""
	}
	return m.Vias[0].Branch
}

func (m *Message) hop() hop { return hop{min(m.Src, m.Dst), max(m.Src, m.Dst)} }

func (m *Message) provisional() bool { return m.Method == "INVITE" && m.Status > 100 && m.Status < 200 }

func (m *Message) accepts() bool { return m.Status/100 == 2 }

// retried reports whether m is a final response that a new INVITE of the same call may follow for as long as `Ring`.
func (m *Message) retried() bool { return m.Status/100 == 3 || m.Status == 401 || m.Status == 407 }

// String writes m in one line.
func (m *Message) String() string {
	what := m.Method
	if m.Status != 0 {
		what = strconv.Itoa(m.Status) + "-" + m.Method
	}
	vias := make([]string, len(m.Vias))
	for i, v := range m.Vias {
		vias[i] = fmt.Sprintf("%d.%s", v.By, v.Branch)
	}
	s := fmt.Sprintf("%14s  %3d -> %-3d %-10s seq=%d from=%s to=%s via=%s id=%d call=%s", seconds(m.Time), m.Src, m.Dst,
		what, m.Seq, m.From, m.To, strings.Join(vias, ","), m.ID, m.CallID)
	if m.Cause != 0 {
		s += fmt.Sprintf(" cause=%d", m.Cause)
	}
	if m.SDP != "" {
		s += " sdp=" + m.SDP
	}
	if m.Expires != 0 {
		s += fmt.Sprintf(" expires=%d", m.Expires)
	}
	return s
}

// Packet returns m as a file's packet whose payload lies behind what is in b already, and b with the payload.
func (m *Message) Packet(b []byte) (capture.Packet, []byte) {
	n := len(b)
	b = m.AppendText(b)
	return capture.Packet{Time: Start.Add(m.Time), Origin: capture.File, Point: "file", ID: uint32(m.ID), Payload: b[n:],
		Flow: capture.Flow{Src: m.Src.address(), Dst: m.Dst.address(), Transport: capture.UDP}}, b
}

func (m *Message) frame() capturetest.Frame {
	return capturetest.Datagram(Start.Add(m.Time), capturetest.Ends{Src: m.Src.address(), Dst: m.Dst.address(), ID: m.ID},
		m.AppendText(nil))
}

// AppendText appends m as it stands on the wire.
func (m *Message) AppendText(b []byte) []byte {
	if m.request() {
		b = append(append(b, m.Method...), " sip:+13035550111@"...)
		b = append(appendHost(b, m.Dst), " SIP/2.0\r\n"...)
	} else {
		b = append(strconv.AppendInt(append(b, "SIP/2.0 "...), int64(m.Status), 10), " Reason\r\n"...)
	}
	for _, v := range m.Vias {
		b = appendHost(append(b, "Via: SIP/2.0/UDP "...), v.By)
		b = append(append(append(b, ":5060;branch=z9hG4bK"...), v.Branch...), "\r\n"...)
	}
	b = append(append(b, "From: <sip:+13035550110@192.0.2.10>;tag="...), m.From...)
	b = append(b, "\r\nTo: <sip:+13035550111@192.0.2.20>"...)
	if m.To != "" {
		b = append(append(b, ";tag="...), m.To...)
	}
	b = append(append(b, "\r\nCall-ID: "...), m.CallID...)
	b = strconv.AppendInt(append(b, "\r\nCSeq: "...), int64(m.Seq), 10)
	b = append(append(append(b, ' '), m.Method...), "\r\n"...)
	if m.Method == "REFER" && m.request() {
		b = append(b, "Refer-To: <sip:+13035550199@192.0.2.99>\r\n"...)
	}
	if m.Cause != 0 {
		b = strconv.AppendInt(append(b, "Reason: Q.850;cause="...), int64(m.Cause), 10)
		b = append(b, "\r\n"...)
	}
	if m.Expires != 0 {
		b = strconv.AppendInt(append(b, "Session-Expires: "...), int64(m.Expires), 10)
		b = append(b, "\r\n"...)
	}
	return m.appendBody(b)
}

func (m *Message) appendBody(b []byte) []byte {
	if m.SDP == "" {
		return append(b, "Content-Length: 0\r\n\r\n"...)
	}
	var room [256]byte
	body := appendHost(append(room[:0], "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 "...), m.Src)
	body = append(append(body, "\r\nt=0 0\r\nm=audio 16384 RTP/AVP 0\r\na="...), m.SDP...)
	body = append(body, "\r\n"...)
	b = strconv.AppendInt(append(b, "Content-Type: application/sdp\r\nContent-Length: "...), int64(len(body)), 10)
	return append(append(b, "\r\n\r\n"...), body...)
}
