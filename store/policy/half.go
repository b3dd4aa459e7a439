package policy

import (
	"encoding/binary"
	"encoding/json"
	"strconv"

	"sipsieve/store/cpni"
)

// A half is what an excerpt of a part of a call has beside its fields: of a call that one host of a pair saw begin and
// another saw end. Both halves together give what a whole record has: duration_ms to the millisecond though the times
// are cut, and disconnect_by though of a BYE alone it is not known who called. Only excerpts of purposes that keep the
// one or the other have it, and only where a part is missing.
//
// By itself it is a random number: blind_clock is the time of the answer, or of the end, plus a number that is secret,
// modulo 2^50 microseconds; blind_side is whether the tag of the caller, or of the sender of the BYE, sorts first,
// inverted if a secret bit is set. Number and bit are made of the dialog under the purpose's id key, so both
// hosts have them and nobody else. The difference of two clocks is the duration; two sides are equal if the caller
// sent the BYE.
//
// What a reader of both learns beyond the fields: the duration to the microsecond, where a whole record has it to the
// millisecond (exact milliseconds need it), and between two parts that show the same moment how far the clocks of their
// hosts are apart. Number and bit differ from dialog to dialog and from purpose to purpose, so that neither many
// records nor those of another purpose reveal more.
type half struct {
	halves
	time  uint64 // hidden
	first bool   // hidden
}

// halves are which parts of a half there are.
type halves struct{ clock, side bool }

const (
	keyClock  = "blind_clock"
	keySide   = "blind_side"
	clockBits = 50 // a JSON number holds 53
	clockMask = 1<<clockBits - 1
	blindSize = 8 // of a blind in a snapshot
)

// halvesOf returns which halves excerpts of u have: a clock if u keeps durations as they are, a side if it keeps who
// hung up.
func halvesOf(u *Purpose) (h halves) {
	for _, t := range u.transformsOf("duration_ms") {
		h.clock = h.clock || t.action == Keep
	}
	h.side = len(u.transformsOf("disconnect_by")) > 0
	return h
}

// halfOf returns what an excerpt of r for u has beside its fields.
func halfOf(u *Purpose, r *cpni.Record, s *snapshot) (h half) {
	t, ok := r.Half()
	if !ok || u.halves == (halves{}) {
		return h
	}
	b := s.blind
	if !b.known {
		b = u.ids.blind(r)
	}
	if !b.known {
		return h
	}
	return half{halves: u.halves, time: (uint64(t.UnixMicro()) + b.pad) & clockMask, first: b.side}
}

// readHalf reads what append wrote.
func readHalf(b *body) (h half) {
	h.clock = json.Unmarshal(b.get(keyClock), &h.time) == nil
	h.side = json.Unmarshal(b.get(keySide), &h.first) == nil
	return h
}

func (h half) append(b []byte) []byte {
	if h.clock {
		b = strconv.AppendUint(append(b, `,"`+keyClock+`":`...), h.time, 10)
	}
	if h.side {
		b = strconv.AppendBool(append(b, `,"`+keySide+`":`...), h.first)
	}
	return b
}

// until returns the microseconds from the answer of h to the end of o; negative if the end was before.
func (h half) until(o half) (us int64, known bool) {
	d := int64((o.time - h.time) & clockMask)
	if d >= 1<<(clockBits-1) {
		d -= 1 << clockBits
	}
	return d, h.clock && o.clock
}

// A blind is what hides one dialog's clock and side for one purpose, and whether its caller's tag sorts first, hidden.
type blind struct {
	known bool
	pad   uint64
	side  bool
}

// append writes b as a snapshot holds it.
func (b blind) append(dst []byte) []byte {
	n := b.pad << 1
	if b.side {
		n |= 1
	}
	return binary.BigEndian.AppendUint64(dst, n)
}

func readBlind(b []byte) blind {
	n := binary.BigEndian.Uint64(b)
	return blind{true, n >> 1, n&1 == 1}
}
