package oracle

import (
	"net/netip"
	"strconv"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
)

// Start is time zero of every Call.
var Start = time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC)

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

func appendHost(b []byte, h Host) []byte {
	return strconv.AppendInt(append(b, "192.0.2."...), int64(h), 10)
}

func (h Host) address() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(h)}), 5060)
}

// Packet returns m as a file's packet whose payload lies behind what is in b already, and b with the payload.
func (m *Message) Packet(b []byte) (capture.Packet, []byte) {
	n := len(b)
	b = m.AppendText(b)
	return capture.Packet{Time: Start.Add(m.Time), Origin: capture.File, Point: "file", ID: uint32(m.ID), Payload: b[n:],
		Flow: capture.Flow{Src: m.Src.address(), Dst: m.Dst.address(), Transport: capture.UDP}}, b
}

// Frames returns c as link-layer frames in the order of time, and one frame of another call at the end of the
// capture, so that a file's clock comes that far.
func (c *Call) Frames() (frames []capturetest.Frame) {
	for i := range c.Messages {
		frames = append(frames, c.Messages[i].frame())
	}
	if n := len(c.Messages); n > 0 && c.Until > c.Messages[n-1].Time {
		last := Message{Time: c.Until, Src: 1, Dst: 2, Method: "OPTIONS", Seq: 1, From: "o", CallID: "options",
			Vias: []Via{{1, "o"}}, ID: 65535}
		frames = append(frames, last.frame())
	}
	return frames
}

func (m *Message) frame() capturetest.Frame {
	return capturetest.Datagram(Start.Add(m.Time), capturetest.Ends{Src: m.Src.address(), Dst: m.Dst.address(), ID: m.ID},
		m.AppendText(nil))
}
