// Package vault keeps the keys of record ids and pseudonyms, and changes those of pseudonyms by epochs.
//
// # Secrets
//
// Whoever has a root can test whether a given number stands behind a pseudonym. Roots never leave this package; no
// error quotes a key file.
//
// # Clock and goroutines
//
// Nothing here reads a clock: the epoch follows from the time of the record. Keys may be used by several goroutines;
// PurposeKeys belong to one.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
)

// rootSize is how many bytes a root has: as many as SHA-256 gives.
const rootSize = 32

// errRoot is the error of a root of another size than 32 bytes.
var errRoot = errors.New("vault: a root has 32 bytes")

// Keys are the two roots, of record ids and of pseudonyms, from which every other key is derived (RFC 5869). They do not
// change, so that several goroutines may use them.
type Keys struct{ ids, pseudonyms [rootSize]byte }

// New returns the Keys of two roots of 32 bytes.
func New(ids, pseudonyms []byte) (*Keys, error) {
	if len(ids) != rootSize || len(pseudonyms) != rootSize {
		return nil, errRoot
	}
	return &Keys{ids: [rootSize]byte(ids), pseudonyms: [rootSize]byte(pseudonyms)}, nil
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
