// Package vault keeps the keys of record ids and pseudonyms, and changes those of pseudonyms by epochs.
//
// # Secrets
//
// Whoever has a root can test whether a given number stands behind a pseudonym. Roots never leave this package; no
// error quotes a key file.
//
// # Clock and goroutines
//
// Nothing here reads a clock: the epoch follows from the time of the record. Keys belong to one goroutine; Clone makes
// those of another.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"time"
)

// rootSize is how many bytes a root has: as many as SHA-256 gives.
const rootSize = 32

// defaultEpoch is how long a purpose's pseudonyms stay the same if its policy sets no epoch.
const defaultEpoch = 30 * 24 * time.Hour

// errRoot is the error of a root of another size than 32 bytes.
var errRoot = errors.New("vault: a root has 32 bytes")

// Keys makes ids and pseudonyms. It is used by one goroutine; Clone makes one for another.
type Keys struct {
	ids, pseudonyms [rootSize]byte
	epochs          map[string]time.Duration
	idMACs          map[string]hash.Hash
	macs            map[epochKey]epochMAC
	sum, name       []byte
}

// An epochKey names the key of one purpose in one epoch.
type epochKey struct {
	purpose string
	number  int64
}

// An epochMAC is that key, and what the epoch is called.
type epochMAC struct {
	hash.Hash
	epoch string
}

// maxMACs bounds the keys that are remembered; when it is reached, all are derived anew.
const maxMACs = 256

// New returns the Keys of two roots of 32 bytes.
func New(ids, pseudonyms []byte) (*Keys, error) {
	if len(ids) != rootSize || len(pseudonyms) != rootSize {
		return nil, errRoot
	}
	k := &Keys{ids: [rootSize]byte(ids), pseudonyms: [rootSize]byte(pseudonyms), epochs: map[string]time.Duration{}}
	k.forget()
	return k, nil
}

// Demo returns the published demonstration keys: everybody has them, so what they make hides nothing.
func Demo() *Keys {
	ids := sha256.Sum256([]byte("sipsieve demonstration ids"))
	pseudonyms := sha256.Sum256([]byte("sipsieve demonstration pseudonyms"))
	k, _ := New(ids[:], pseudonyms[:])
	return k
}

// Random returns new Keys: what they make matches nothing that was made before or elsewhere.
func Random() *Keys {
	var ids, pseudonyms [rootSize]byte
	_, _ = rand.Read(ids[:]) // never fails
	_, _ = rand.Read(pseudonyms[:])
	k, _ := New(ids[:], pseudonyms[:])
	return k
}

func (k *Keys) forget() {
	k.idMACs, k.macs = map[string]hash.Hash{}, map[epochKey]epochMAC{}
}

// Clone returns Keys that make the same, for another goroutine.
func (k *Keys) Clone() *Keys {
	c := &Keys{ids: k.ids, pseudonyms: k.pseudonyms, epochs: map[string]time.Duration{}}
	for purpose, length := range k.epochs {
		c.epochs[purpose] = length
	}
	c.forget()
	return c
}

// SetEpoch sets how long the pseudonyms of a purpose stay the same. It is called before the first MAC.
func (k *Keys) SetEpoch(purpose string, length time.Duration) {
	if length >= time.Second {
		k.epochs[purpose] = length
	}
}

// TrackRoot returns the root of the keys by which a Tracker finds calls.
func (k *Keys) TrackRoot() (root [16]byte) {
	copy(root[:], derive(k.ids[:], "track"))
	return root
}

// Fingerprint returns 13 characters that name both roots: those of two Keys differ if one of their roots does. No root
// can be computed from it (RFC 5869).
func (k *Keys) Fingerprint() string {
	both := append(derive(k.ids[:], "fingerprint"), derive(k.pseudonyms[:], "fingerprint")...)
	sum := sha256.Sum256(both)
	return lower.EncodeToString(sum[:8])
}

// Sealer returns the Sealer of the part named, under a key derived from the id root.
func (k *Keys) Sealer(part string) *Sealer {
	block, err := aes.NewCipher(derive(k.ids[:], "seal", part))
	if err == nil {
		var s Sealer
		if s.aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return &s
		}
	}
	panic(fmt.Sprintf("vault: sealer: %v", err)) // only for sizes that are not ours
}

// MAC returns the pseudonym of value in the epoch of at: HMAC-SHA-256, its first 128 bits, under a key of
// that purpose and epoch (RFC 2104, RFC 5869). kind keeps equal values of two kinds apart.
func (k *Keys) MAC(purpose, kind string, at time.Time, value []byte) (mac [16]byte, epoch string, err error) {
	length := k.epochs[purpose]
	if length == 0 {
		length = defaultEpoch
	}
	n := at.Unix() / int64(length/time.Second)
	name := epochKey{purpose, n}
	h, known := k.macs[name]
	if !known {
		if len(k.macs) >= maxMACs {
			k.forget()
		}
		number := strconv.FormatInt(n, 10)
		h = epochMAC{hmac.New(sha256.New, derive(k.pseudonyms[:], "pseudonym", purpose, number)), "e" + number}
		k.macs[name] = h
	}
	h.Reset()
	k.name = append(k.name[:0], kind...)
	k.part(h, k.name)
	k.part(h, value)
	k.sum = h.Sum(k.sum[:0])
	return [16]byte(k.sum), h.epoch, nil
}

// lower is base32 of RFC 4648 in lower case and without padding: 26 characters for 128 bits.
var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ID returns the record id of the parts for a purpose: 26 characters of HMAC-SHA-256, its first 128 bits.
// Two purposes never share one; where one part ends and the next begins makes a difference.
func (k *Keys) ID(purpose string, parts ...[]byte) string {
	h := k.idMACs[purpose]
	if h == nil {
		h = hmac.New(sha256.New, derive(k.ids[:], "id", purpose))
		k.idMACs[purpose] = h
	}
	h.Reset()
	for _, p := range parts {
		k.part(h, p)
	}
	k.sum = h.Sum(k.sum[:0])
	return lower.EncodeToString(k.sum[:16])
}

// part writes p with its length before it.
func (k *Keys) part(h hash.Hash, p []byte) {
	k.sum = binary.BigEndian.AppendUint32(k.sum[:0], uint32(len(p)))
	h.Write(k.sum)
	h.Write(p)
}

// derive returns the key of root for the names, by HKDF (RFC 5869).
func derive(root []byte, names ...string) []byte {
	label := "sipsieve"
	for _, name := range names {
		label += "/" + strconv.Itoa(len(name)) + ":" + name
	}
	key, err := hkdf.Key(sha256.New, root, nil, label, rootSize)
	if err != nil {
		panic(fmt.Sprintf("vault: derive: %v", err)) // only for sizes that are not ours
	}
	return key
}
