package decode

import (
	"encoding/binary"

	"sipsieve/capture"
)

// Flags of a GRE header, RFC 2784 and 2890; greOther are routing, recursion and the version, of which none is read.
const (
	greChecksum = 0x8000
	greKey      = 0x2000
	greSequence = 0x1000
	greOther    = 0x4f07
)

// What GRE carries besides EtherTypes: a bridged frame, and the two numbers of ERSPAN.
const (
	greBridged = 0x6558
	greERSPAN  = 0x88be
	greERSPAN3 = 0x22eb
)

// greKinds are the tunnels that begin with a GRE header.
var greKinds = capture.TunnelsOf(capture.GRE, capture.NVGRE, capture.ERSPAN1, capture.ERSPAN2, capture.ERSPAN3)

func (d *Decoder) gre(p *ipPayload) (capture.Reason, bool) {
	b := p.data
	if d.cfg.Tunnels&greKinds == 0 {
		return capture.Tunnel, refuse
	}
	if len(b) < 4 {
		return capture.Short, refuse
	}
	flags, proto := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if flags&greOther != 0 {
		return capture.Tunnel, refuse
	}
	n, key := 4, uint64(0)
	if flags&greChecksum != 0 {
		n += 4
	}
	if flags&greKey != 0 {
		n += 4
		if len(b) >= n {
			key = uint64(binary.BigEndian.Uint32(b[n-4:])) | 1<<32
		}
	}
	if flags&greSequence != 0 {
		n += 4
	}
	if len(b) < n {
		return capture.Short, refuse
	}
	d.around.between(p.src, p.dst)
	d.around.headers += n
	switch b = b[n:]; proto {
	case greERSPAN, greERSPAN3:
		return d.erspan(b, proto, flags&greSequence != 0)
	case greBridged:
		return d.bridged(b, key, flags&(greChecksum|greSequence) == 0)
	}
	if !d.enter(capture.GRE, 0, key) {
		return capture.Tunnel, refuse
	}
	return d.etherType(proto, b)
}

// bridged steps into an Ethernet frame in GRE. With a key alone it is NVGRE, RFC 7637 section 3.2, whose header is
// that of a keyed GRE bridge: where NVGRE is not configured, it is taken for one.
func (d *Decoder) bridged(b []byte, key uint64, bare bool) (capture.Reason, bool) {
	kind := capture.GRE
	if bare && key != 0 && d.cfg.Tunnels.Has(capture.NVGRE) {
		kind, key = capture.NVGRE, key>>8 // the last byte is of the flow
	}
	if !d.enter(kind, 0, key) {
		return capture.Tunnel, refuse
	}
	return d.ethernet(b)
}

// erspan steps into a mirrored frame, draft-foschiano-erspan section 4. Its first type has no header of its own, nor
// a sequence number in GRE's.
func (d *Decoder) erspan(b []byte, proto uint16, numbered bool) (capture.Reason, bool) {
	if proto == greERSPAN && !numbered {
		if !d.enter(capture.ERSPAN1, 0, 0) {
			return capture.Tunnel, refuse
		}
		return d.ethernet(b)
	}
	if len(b) < 8 {
		return capture.Short, refuse
	}
	session := uint64(binary.BigEndian.Uint16(b[2:]) & 0x3ff)
	switch version := b[0] >> 4; {
	case version == 1 && proto == greERSPAN:
		if !d.enter(capture.ERSPAN2, 8, session) {
			return capture.Tunnel, refuse
		}
		return d.ethernet(b[8:])
	case version == 2:
		return d.erspan3(b, session)
	}
	return capture.Malformed, refuse
}

// erspan3 reads the header of the third type: 12 bytes, and 8 more if the last bit says so. Its frame type is
// Ethernet (0) or IP (2).
func (d *Decoder) erspan3(b []byte, session uint64) (capture.Reason, bool) {
	if len(b) < 12 {
		return capture.Short, refuse
	}
	n, frame := 12, b[10]>>2&0x1f
	if b[11]&1 != 0 {
		n += 8
	}
	switch {
	case !d.enter(capture.ERSPAN3, n, session):
		return capture.Tunnel, refuse
	case len(b) < n:
		return capture.Short, refuse
	case frame == 0:
		return d.ethernet(b[n:])
	case frame == 2:
		return d.ip(b[n:])
	}
	return capture.NotIP, refuse
}
