package policy

import (
	"encoding/base32"
	"encoding/binary"

	"sipsieve/store/cpni"
)

// lower is base32 of RFC 4648 in lower case and without padding: 26 characters for 128 bits.
var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// identities are the ids that one purpose gives to records, dialogs and groups of legs.
type identities struct {
	keys  Keys
	parts [][]byte // of one id
}

// record returns the id of r.
func (d *identities) record(r *cpni.Record) string {
	d.parts = r.Identity(d.parts[:0])
	return d.keys.ID(d.parts...)
}

// lone returns the id of r if nothing but its BYE is seen.
func (d *identities) lone(r *cpni.Record) string {
	d.parts = r.LoneIdentity(d.parts[:0])
	return d.keys.ID(d.parts...)
}

// dialog returns the id of r's dialog, "" if r is not an answered call or its texts are gone.
func (d *identities) dialog(r *cpni.Record) string {
	var known bool
	if d.parts, known = r.Dialog(d.parts[:0]); !known {
		return ""
	}
	return d.keys.ID(d.parts...)
}

// group returns the id of a group of legs. No two purposes can find the same call by it.
func (d *identities) group(name string) string {
	return d.keys.ID([]byte("session_group"), []byte(name))
}

// blind returns the blind of r's dialog, unknown if r is no answered call or its texts are gone.
func (d *identities) blind(r *cpni.Record) (b blind) {
	var known bool
	if d.parts, known = r.Dialog(d.parts[:0]); !known {
		return b
	}
	secret, err := lower.DecodeString(d.keys.ID(append(d.parts, []byte("half"))...))
	if err != nil || len(secret) < 9 {
		return b
	}
	return blind{true, binary.BigEndian.Uint64(secret) & clockMask, r.CallerFirst() != (secret[8]&1 == 1)}
}
