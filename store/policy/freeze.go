package policy

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"

	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// What Freeze writes: a byte of flags, the policy's hash, the sum of the columns, the id, for a call whose INVITE
// was not seen the id that it has if nothing but its BYE is, and for an answered call its dialog and what hides a
// half of it; then the values, each behind its length. A length of 0 is null.
const (
	frozenApplied   byte = 1 << iota // a number was withheld
	frozenEmergency                  // the purpose keeps emergency calls only, and this is one
	frozenLone                       // there are two ids
	frozenDialog                     // there is a dialog behind them
	frozenHalf                       // there is what hides a half of the dialog behind it

	hashSize   = 16 // of a policy, as text
	idSize     = 26
	frozenHead = 1 + hashSize + 4 + idSize
	mostFrozen = 4 << 10 // what is frozen for one purpose, in bytes; a value for which there is no room is null
)

// Freeze appends to dst what u keeps of the call r that a Tracker does not remember: its id, and the fields that are
// read of texts and addresses, exactly as Minimise publishes them. It appends nothing if u keeps nothing of r. What
// was frozen before is frozen as it was.
func (u *Purpose) Freeze(dst []byte, r *cpni.Record) []byte {
	switch {
	case r.Restored():
		return u.freezeAgain(dst, r)
	case u.keys == nil || r.Kind() != cpni.CallKind || !slices.Contains(u.Kinds, cpni.CallKind.String()),
		u.When == "emergency" && !r.Emergency():
		return dst
	}
	from := len(dst)
	dst = append(append(dst, 0), u.hash...)
	dst = binary.BigEndian.AppendUint32(dst, u.columns)
	u.parts = r.Identity(u.parts[:0])
	dst = append(dst, u.ids.ID(u.Name, u.parts...)...)
	var flags byte
	if u.When == "emergency" {
		flags |= frozenEmergency
	}
	if r.Missing()&track.NoInvite != 0 {
		flags |= frozenLone
		u.parts = r.LoneIdentity(u.parts[:0])
		dst = append(dst, u.ids.ID(u.Name, u.parts...)...)
	}
	dst, more := u.freezeDialog(dst, r)
	flags |= more
	dst, applied := u.freezeFields(dst, from, r)
	if applied {
		flags |= frozenApplied
	}
	dst[from] = flags
	return dst
}

// freezeAgain appends what was frozen of a restored call, and its dialog if it was answered since.
func (u *Purpose) freezeAgain(dst []byte, r *cpni.Record) []byte {
	b := r.Snapshot(u.Name)
	if len(b) < frozenHead || b[0]&frozenDialog != 0 {
		return append(dst, b...)
	}
	at, from := frozenHead, len(dst)
	if b[0]&frozenLone != 0 {
		at = min(at+idSize, len(b))
	}
	dst, flags := u.freezeDialog(append(dst, b[:at]...), r)
	dst[from] |= flags
	return append(dst, b[at:]...)
}

// freezeDialog appends the dialog of r and what hides a half of it, as far as they are known, and returns their flags.
func (u *Purpose) freezeDialog(dst []byte, r *cpni.Record) (b []byte, flags byte) {
	dialog := u.dialog(r)
	if dialog == "" {
		return dst, 0
	}
	dst, flags = append(dst, dialog...), frozenDialog
	if blind := u.blindOf(r); blind.known {
		dst, flags = blind.frozen(dst), flags|frozenHalf
	}
	return dst, flags
}

// freezeFields appends the values, and reports whether call_flags tells that a number was withheld.
func (u *Purpose) freezeFields(dst []byte, from int, r *cpni.Record) (b []byte, applied bool) {
	withheldYet := false
	for i := range u.rules {
		rule := &u.rules[i]
		if !rule.frozen() {
			applied = applied || withheldYet && callFlags[rule.field]
			continue
		}
		v, withheld := u.see(r, rule)
		for _, f := range rule.forms {
			at := len(dst)
			dst = append(dst, 0, 0)
			if withheld && f.action != Pseudonym && f.action != Presence {
				withheldYet = true
				continue
			}
			dst = u.appendValue(dst, rule, f, v, r.Time())
			if n := len(dst) - at - 2; len(dst)-from > mostFrozen || string(dst[at+2:]) == "null" {
				dst = dst[:at+2]
			} else {
				binary.BigEndian.PutUint16(dst[at:], uint16(n))
			}
		}
	}
	return dst, applied
}

// frozen reports whether the values of r are frozen of a call.
func (r *rule) frozen() bool { return r.field.In(cpni.CallKind) && !r.field.Told() }

// sumOfColumns tells apart what two versions of the register freeze under one policy: other columns, or columns whose
// values are held to something else. What an earlier version froze as text of a message does not leave later.
func (u *Purpose) sumOfColumns() (sum uint32) {
	for i := range u.rules {
		if !u.rules[i].frozen() {
			continue
		}
		e := u.rules[i].field.Entry()
		for _, text := range slices.Concat(u.rules[i].keys, []string{e.Value, e.Pattern, e.List}, e.Words) {
			sum = crc32.Update(sum, crc32.IEEETable, append([]byte(text), 0))
		}
	}
	return sum
}

// A frozen is what Freeze wrote. The zero frozen is that of a call that was not restored, or of which u kept nothing.
type frozen struct {
	id, lone, dialog   string
	applied, emergency bool
	blind              blind
	values             []byte // nil if they were frozen under another policy: it may have allowed more
}

// thaw reads what was frozen of r for u.
func (u *Purpose) thaw(r *cpni.Record) (z frozen) {
	if !r.Restored() {
		return z
	}
	b := r.Snapshot(u.Name)
	if len(b) < frozenHead {
		return z
	}
	n := idSize*bits.OnesCount8(b[0]&(frozenLone|frozenDialog)) + halfSize*bits.OnesCount8(b[0]&frozenHalf)
	if len(b) < frozenHead+n {
		return z
	}
	flags, hash, sum := b[0], string(b[1:1+hashSize]), binary.BigEndian.Uint32(b[1+hashSize:])
	z.id, b = string(b[frozenHead-idSize:frozenHead]), b[frozenHead:]
	if flags&frozenLone != 0 {
		z.lone, b = string(b[:idSize]), b[idSize:]
	}
	if flags&frozenDialog != 0 {
		z.dialog, b = string(b[:idSize]), b[idSize:]
	}
	if flags&frozenHalf != 0 {
		z.blind, b = thawBlind(b), b[halfSize:]
	}
	z.emergency = flags&frozenEmergency != 0
	if hash == u.hash && sum == u.columns {
		z.values, z.applied = b, flags&frozenApplied != 0
	}
	return z
}

// of returns the id of r, "" if none was frozen.
func (z *frozen) of(r *cpni.Record) string {
	if z.lone != "" && r.Lone() {
		return z.lone
	}
	return z.id
}

// append writes the next values, those of rule.
func (z *frozen) append(b []byte, rule *rule) []byte {
	for _, key := range rule.keys {
		b = append(append(append(b, `,"`...), key...), `":`...)
		v := z.next()
		if len(v) == 0 {
			v = []byte("null")
		}
		b = append(b, v...)
	}
	return b
}

func (z *frozen) next() (v []byte) {
	if len(z.values) < 2 {
		return nil
	}
	n := 2 + int(binary.BigEndian.Uint16(z.values))
	if n > len(z.values) {
		return nil
	}
	v, z.values = z.values[2:n], z.values[n:]
	return v
}
