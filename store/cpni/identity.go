package cpni

import (
	"bytes"
	"encoding/binary"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// tags returns both tags of a call in an order that does not reveal the caller.
func tags(in *inside) (a, b []byte) {
	a, b = in.first(facts.CallerTag), in.first(facts.CalleeTag)
	if bytes.Compare(a, b) > 0 {
		a, b = b, a
	}
	return a, b
}

func callIdentity(r *Record, parts [][]byte) [][]byte {
	if r.Lone() {
		return r.LoneIdentity(parts)
	}
	in, c := r.in, r.in.event.Call
	caller, callee := in.first(facts.CallerTag), in.first(facts.CalleeTag)
	parts = append(parts, in.first(facts.CallIDText), caller, day(in.time))
	if c.Flags&event.SecondFork != 0 {
		parts = append(parts, callee)
	}
	return reused(parts, c)
}

// reused appends the ordinal of a call whose Call-ID and tag were used before within the day.
func reused(parts [][]byte, c *event.Call) [][]byte {
	if c.Reuse > 0 {
		parts = append(parts, binary.BigEndian.AppendUint32(nil, uint32(c.Reuse)))
	}
	return parts
}

func registrationIdentity(r *Record, parts [][]byte) [][]byte {
	in, reg := r.in, r.in.event.Registration
	return append(parts, []byte("registration"), addressOfRecord(in), contact(in), in.first(facts.CallIDText),
		binary.BigEndian.AppendUint32(nil, reg.CSeq), []byte(registrationWords[reg.State]))
}

func deviceIdentity(r *Record, parts [][]byte) [][]byte {
	return append(parts, []byte("device"), r.in.first(facts.DeviceKeyText), day(r.in.time))
}

func lossIdentity(r *Record, parts [][]byte) [][]byte {
	l := r.in.loss
	if l.Event != "" {
		return append(parts, []byte("loss"), []byte(r.Sensor), []byte(l.Event), []byte(l.Reason))
	}
	return append(parts, []byte("loss"), []byte(r.Sensor), stamp(l.From), []byte(l.Reason))
}

func addressOfRecord(in *inside) []byte {
	return append(append(bytes.Clone(in.first(facts.RegisteredNumber)), '@'),
		in.first(facts.RegisteredHost)...)
}

// contact is the instance-id with the flow's number (RFC 5626), else the Contact's URI.
func contact(in *inside) []byte {
	if id := in.first(facts.InstanceID); id != nil {
		return append(append(bytes.Clone(id), ';'), in.first(facts.RegID)...)
	}
	uri := append(append(bytes.Clone(in.first(facts.ContactUser)), '@'), in.first(facts.ContactHost)...)
	return append(append(uri, ':'), in.first(facts.ContactPort)...)
}

func day(t time.Time) []byte { return t.UTC().AppendFormat(nil, time.DateOnly) }

func stamp(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())) }
