package event

import (
	"encoding/binary"
	"fmt"
	"log/slog"

	"github.com/dchest/siphash"

	"sipsieve/sip"
	"sipsieve/sip/syntax"
)

// A Key is the hash of a text of a call, its Call-ID or a tag, under a key of this fleet. However it is printed, logged
// or encoded, it shows as ***.
type Key [16]byte

// Format writes a mask for every verb and flag.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for k.
func (k Key) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText is what encoders write for k.
func (k Key) MarshalText() ([]byte, error) { return []byte("***"), nil }

// With returns the Key of k and o together. It differs from o.With(k).
func (k Key) With(o Key) Key {
	a, b := binary.LittleEndian.Uint64(k[:]), binary.LittleEndian.Uint64(k[8:])
	c, d := binary.LittleEndian.Uint64(o[:]), binary.LittleEndian.Uint64(o[8:])
	binary.LittleEndian.PutUint64(k[:], a^(c*0x9e3779b97f4a7c15))
	binary.LittleEndian.PutUint64(k[8:], b^(d*0xc2b2ae3d27d4eb4f))
	return k
}

// AnyTag returns the Key by which a call with Call-ID k is found whatever its tags.
func (k Key) AnyTag() Key { return k.With(Key{0: 1, 8: 1}) }

// TagKey returns a Key whose Short is tag.
func TagKey(tag uint64) (k Key) {
	binary.LittleEndian.PutUint64(k[:], tag)
	return k
}

// Short returns half of k, enough to distinguish the tags of one call.
func (k Key) Short() uint64 { return binary.LittleEndian.Uint64(k[:]) }

// LowerVias is how many Vias below the topmost are compared to recognise that one hop follows another.
const LowerVias = 4

// Keys are the Keys of a Message, made once by its reader.
type Keys struct {
	Shard  Key // of the Call-ID, or of the address-of-record of REGISTER: all Messages of one call have the same
	Call   Key
	From   Key               // the From tag; zero without one
	To     Key               // the To tag; zero without one
	Branch Key               // branch and sent-by of the topmost Via; zero without one
	Vias   [LowerVias]uint32 // of the Vias below it, if the Message opens a dialog; zero without them
}

// ShortBranch returns the part of the branch that a dialog keeps, never 0.
func (k Keys) ShortBranch() uint32 { return uint32(k.Branch.Short()) | 1 }

// A Keyer makes Keys. Two Keyers of one root make the same Keys.
type Keyer struct{ k0, k1 uint64 }

// NewKeyer returns the Keyer under root, which is derived from the fleet's id root.
func NewKeyer(root [16]byte) Keyer {
	return Keyer{binary.LittleEndian.Uint64(root[:8]), binary.LittleEndian.Uint64(root[8:])}
}

// Of returns the Keys of m. It does not allocate.
func (k Keyer) Of(m *sip.Message) Keys {
	keys := Keys{Call: k.Key(m.Value(sip.CallID)), From: k.Key(m.FromTag()), To: k.Key(m.ToTag())}
	keys.Shard = keys.Call
	if m.Method == sip.Register {
		keys.Shard = k.addressOfRecord(m.Value(sip.To))
	}
	if branch := m.Branch(); branch != nil {
		keys.Branch = k.Key(branch)
		keys.Branch = keys.Branch.With(k.Key(m.SentBy()))
	}
	if m.Method == sip.Invite && m.Request() && m.Vias > 1 && len(m.ToTag()) == 0 {
		keys.Vias = k.lowerVias(m)
	}
	return keys
}

// lowerVias returns the branches of the Vias below the topmost, each as ShortBranch.
func (k Keyer) lowerVias(m *sip.Message) (vias [LowerVias]uint32) {
	n := 0
	m.LowerVias(func(branch, sentBy []byte) bool {
		if len(branch) > 0 {
			vias[n] = Keys{Branch: k.Key(branch).With(k.Key(sentBy))}.ShortBranch()
			n++
		}
		return n < len(vias)
	})
	return vias
}

// Key returns the Key of text, the zero Key of no text.
func (k Keyer) Key(text []byte) (key Key) {
	if len(text) == 0 {
		return Key{}
	}
	a, b := siphash.Hash128(k.k0, k.k1, text)
	binary.LittleEndian.PutUint64(key[:], a)
	binary.LittleEndian.PutUint64(key[8:], b)
	return key
}

// addressOfRecord returns the Key of the address-of-record in v, a value of To: user and host of its URI, the host in
// lower case (RFC 3261 section 10.3). Only its first 256 bytes count.
func (k Keyer) addressOfRecord(v []byte) Key {
	var text [256]byte
	u := syntax.ReadURI(v)
	n := copy(text[:], u.User)
	n += copy(text[n:], "@")
	for _, c := range u.Host {
		if n < len(text) {
			text[n] = syntax.Lower(c)
			n++
		}
	}
	return k.Key(text[:n])
}

// Mark returns the hash of parts under k, by which texts about one thing are compared; 0 for no text. Case is ignored.
func (k Key) Mark(parts ...[]byte) uint64 {
	var room [256]byte
	text := room[:0]
	for _, p := range parts {
		text = append(append(text, p...), 0)
	}
	if len(text) == len(parts) {
		return 0
	}
	for i, c := range text {
		text[i] = syntax.Lower(c)
	}
	n := k.Short()
	return siphash.Hash(n, ^n, text) | 1
}
