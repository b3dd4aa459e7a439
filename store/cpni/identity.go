package cpni

import (
	"bytes"
	"encoding/binary"
	"time"

	"sipsieve/sip/track"
)

// Identity appends to parts what the id of r is made from, under the key of one purpose. It is the same for
// every sensor that sees the call, and says nothing of the sensor or of a time finer than the UTC day.
func (r *Record) Identity(parts [][]byte) [][]byte {
	switch {
	case r.in.loss != nil:
		l := r.in.loss
		return append(parts, []byte("loss"), []byte(r.Sensor), stamp(l.From), []byte(l.Reason))
	case r.Lone():
		return r.LoneIdentity(parts)
	case r.in.call != nil:
		return r.in.callIdentity(parts, r.At())
	case r.in.dev != nil:
		return append(parts, []byte("device"), r.in.first(track.DeviceKeyText), day(r.At()))
	}
	return r.in.registrationIdentity(parts)
}

// Lone reports whether r's id is that of a BYE alone: it may be so of a call whose INVITE was not seen.
func (r *Record) Lone() bool {
	const unseen = track.NoInvite | track.NoFinal | track.NoAck
	return r.in.call != nil && r.in.call.Missing&unseen == unseen
}

// LoneIdentity appends what Identity does of a call that is Lone.
func (r *Record) LoneIdentity(parts [][]byte) [][]byte {
	a, b := r.in.tags()
	return reused(append(parts, r.in.first(track.CallIDText), a, b, day(r.At())), r.in.call)
}

// Dialog appends to parts what the dialog of an answered call is known by, from whichever of its messages: the Call-ID
// and both tags (RFC 3261 section 12). It reports false of a call that was not answered, or whose texts are gone.
func (r *Record) Dialog(parts [][]byte) ([][]byte, bool) {
	if r.in.call == nil || r.in.call.Disposition != track.Answered {
		return parts, false
	}
	id := r.in.first(track.CallIDText)
	a, b := r.in.tags()
	if id == nil || a == nil || b == nil {
		return parts, false
	}
	return append(parts, []byte("dialog"), id, a, b), true
}

// Half returns what another record of the same dialog may lack of r: the answer, of a call that was seen from its
// INVITE on and whose end was not, or not whole; the end, of a call whose INVITE was not seen. It reports false of
// others.
func (r *Record) Half() (at time.Time, ok bool) {
	c := r.in.call
	if c == nil || c.Disposition != track.Answered {
		return at, false
	}
	over := r.Stage() >= track.Stop
	switch {
	case c.Missing&track.NoInvite != 0:
		at, ok = c.End, over && c.Missing&track.NoBye == 0
	default:
		at, ok = c.Answer, !over || c.Missing&(track.NoBye|track.NoByeResponse) != 0
	}
	return at, ok && !at.IsZero()
}

// CallerFirst reports whether the caller's tag sorts before the callee's; of a BYE alone that of its sender.
func (r *Record) CallerFirst() bool {
	return bytes.Compare(r.in.first(track.CallerTag), r.in.first(track.CalleeTag)) < 0
}

// tags returns both tags of a call in an order that does not say who called.
func (in *inside) tags() (a, b []byte) {
	a, b = in.first(track.CallerTag), in.first(track.CalleeTag)
	if bytes.Compare(a, b) > 0 {
		a, b = b, a
	}
	return a, b
}

func (in *inside) callIdentity(parts [][]byte, at time.Time) [][]byte {
	c := in.call
	caller, callee := in.first(track.CallerTag), in.first(track.CalleeTag)
	parts = append(parts, in.first(track.CallIDText), caller, day(at))
	if c.Flags&track.SecondFork != 0 {
		parts = append(parts, callee)
	}
	return reused(parts, c)
}

// reused appends the ordinal of a call whose Call-ID and tag were used before within the day.
func reused(parts [][]byte, c *track.Call) [][]byte {
	if c.Reuse > 0 {
		parts = append(parts, binary.BigEndian.AppendUint32(nil, uint32(c.Reuse)))
	}
	return parts
}

func (in *inside) registrationIdentity(parts [][]byte) [][]byte {
	return append(parts, []byte("registration"), in.addressOfRecord(), in.contact(), in.first(track.CallIDText),
		binary.BigEndian.AppendUint32(nil, in.reg.CSeq), []byte(registrationWords[in.reg.State]))
}

func (in *inside) addressOfRecord() []byte {
	return append(append(bytes.Clone(in.first(track.RegisteredNumber)), '@'),
		in.first(track.RegisteredHost)...)
}

// contact is the instance-id with the flow's number (RFC 5626), else the Contact's URI.
func (in *inside) contact() []byte {
	if id := in.first(track.InstanceID); id != nil {
		return append(append(bytes.Clone(id), ';'), in.first(track.RegID)...)
	}
	uri := append(append(bytes.Clone(in.first(track.ContactUser)), '@'), in.first(track.ContactHost)...)
	return append(append(uri, ':'), in.first(track.ContactPort)...)
}

func day(t time.Time) []byte { return t.UTC().AppendFormat(nil, time.DateOnly) }

func stamp(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())) }
