package vault

import (
	"crypto/cipher"
	"errors"
)

// Overhead is by how many bytes sealing lengthens: a nonce of 96 bits and a tag of 128.
const Overhead = 12 + 16

// ErrSealed is the error of what was sealed under another key or for another place, or is not whole.
var ErrSealed = errors.New("vault: not sealed under this key, or not whole")

// A Sealer seals what one part of the product keeps for itself on this host, by AES-256-GCM with random nonces
// (NIST SP 800-38D: up to 2^32 times under one key). It may be used by several goroutines.
type Sealer struct{ aead cipher.AEAD }

// Seal appends plain, sealed for place, to dst.
func (s *Sealer) Seal(dst, plain, place []byte) []byte { return s.aead.Seal(dst, nil, plain, place) }

// Open appends to dst what was sealed for place. The error is ErrSealed.
func (s *Sealer) Open(dst, sealed, place []byte) ([]byte, error) {
	plain, err := s.aead.Open(dst, nil, sealed, place)
	if err != nil {
		return dst, ErrSealed
	}
	return plain, nil
}
