package policy

import (
	"encoding/binary"
	"encoding/json"
	"strconv"

	"sipsieve/store/cpni"
)

// A half is what an excerpt of a call that one host of a pair saw begin, or that another saw end, has beside its
// fields, so that both together give what a whole record has: duration_ms to the millisecond though the times are
// cut, and disconnect_by though of a BYE alone nobody knows who called. It is in excerpts of those purposes only
// that keep the one or the other, and only where a part is missing.
//
// By itself it says nothing: blind_clock is the time of the answer, or of the end, plus a number that is secret,
// modulo 2^50 microseconds; blind_side is whether the tag of the caller, or of the sender of the BYE, sorts first,
// turned round if a secret bit is set. Number and bit are made of the dialog under the purpose's id key, so both
// hosts have them and nobody else. The difference of two clocks is the duration; two sides are equal if the caller
// sent the BYE.
//
// What a reader of both learns beyond the fields: the duration to the microsecond, where a whole record has it to the
// millisecond (exact milliseconds need it), and between two parts that show the same moment how far the clocks of their
// hosts are apart. Number and bit differ from dialog to dialog and from purpose to purpose, so that neither many records
// nor those of another purpose say more.
type half struct {
	clock, side bool // which of them there are
	at          uint64
	first       bool
}

const (
	keyClock  = "blind_clock"
	keySide   = "blind_side"
	clockBits = 50 // a JSON number holds 53
	clockMask = 1<<clockBits - 1
	halfSize  = 8 // frozen
)

// A blind is what hides one dialog's clock and side for one purpose, and whether its caller's tag sorts first, hidden.
type blind struct {
	known bool
	pad   uint64
	side  bool
}

// blindOf returns the blind of r, unknown if r is no answered call or its texts are gone.
func (u *Purpose) blindOf(r *cpni.Record) (b blind) {
	if !u.clocked && !u.sided {
		return b
	}
	var known bool
	if u.parts, known = r.Dialog(u.parts[:0]); !known {
		return b
	}
	secret, err := lower.DecodeString(u.ids.ID(u.Name, append(u.parts, []byte("half"))...))
	if err != nil || len(secret) < 9 {
		return b
	}
	return blind{true, binary.BigEndian.Uint64(secret) & clockMask, r.CallerFirst() != (secret[8]&1 == 1)}
}

// frozen writes b as a restored call needs it.
func (b blind) frozen(dst []byte) []byte {
	n := b.pad << 1
	if b.side {
		n |= 1
	}
	return binary.BigEndian.AppendUint64(dst, n)
}

func thawBlind(b []byte) blind {
	n := binary.BigEndian.Uint64(b)
	return blind{true, n >> 1, n&1 == 1}
}

// half returns what is told of r beside its fields.
func (u *Purpose) half(r *cpni.Record, z *frozen) (h half) {
	at, ok := r.Half()
	if !ok {
		return h
	}
	b := z.blind
	if !b.known {
		b = u.blindOf(r)
	}
	if !b.known {
		return h
	}
	h.clock, h.at = u.clocked, (uint64(at.UnixMicro())+b.pad)&clockMask
	h.side, h.first = u.sided, b.side
	return h
}

func (h half) append(b []byte) []byte {
	if h.clock {
		b = strconv.AppendUint(append(b, `,"`+keyClock+`":`...), h.at, 10)
	}
	if h.side {
		b = strconv.AppendBool(append(b, `,"`+keySide+`":`...), h.first)
	}
	return b
}

// readHalf reads what append wrote.
func readHalf(b *body) (h half) {
	h.clock = json.Unmarshal(b.get(keyClock), &h.at) == nil
	h.side = json.Unmarshal(b.get(keySide), &h.first) == nil
	return h
}

// until returns the microseconds from the answer that h tells to the end that o tells; negative if it was before.
func (h half) until(o half) (us int64, known bool) {
	d := int64((o.at - h.at) & clockMask)
	if d >= 1<<(clockBits-1) {
		d -= 1 << clockBits
	}
	return d, h.clock && o.clock
}

// halves reports which halves u tells: a clock if it keeps durations as they are, a side if it keeps who hung up.
func (u *Purpose) halves() (clock, side bool) {
	for _, key := range u.forms("duration_ms") {
		clock = clock || key.form.action == Keep
	}
	return clock, len(u.forms("disconnect_by")) > 0
}
