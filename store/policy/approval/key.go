package approval

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Errors of a key file. They never hold a byte of it.
var (
	errMode    = errors.New("others can read it: chmod 600 it, and make a new key if somebody may have read it")
	errContent = errors.New("want an Ed25519 key without a password, as sipsieve keys approver makes it, or " +
		"openssl genpkey -algorithm ed25519")
)

// keyLimit is how many bytes a key file may have.
const keyLimit = 16 << 10

// LoadKey reads the private key of an approver: PEM, PKCS #8. The file must be a regular one that only its owner can read,
// unless the service manager passes it (credential), which decides who may read it.
func LoadKey(path string, credential bool) (ed25519.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("approval: key: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("approval: key: %w", err)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("approval: key %s: not a regular file", path)
	case st.Mode().Perm()&0o077 != 0 && !credential:
		return nil, fmt.Errorf("approval: key %s: %w", path, errMode)
	}
	text, err := io.ReadAll(io.LimitReader(f, keyLimit))
	if err != nil {
		return nil, fmt.Errorf("approval: key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("approval: key %s: %w", path, errContent)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes) // its own error is of bytes of the key
	private, ok := key.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("approval: key %s: %w", path, errContent)
	}
	return private, nil
}

// CreateKey writes a new private key, readable by its owner only. A file that is there stays as it is, and the error wraps
// fs.ErrExist.
func CreateKey(path string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("approval: key: %w", err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("approval: key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("approval: key %s: %w", path, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("approval: key: %w", err)
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: raw}), f.Chmod(0o600), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("approval: key: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// ApproverOf returns the Approver that signs with key.
func ApproverOf(role string, key ed25519.PrivateKey) (Approver, error) {
	public, _ := key.Public().(ed25519.PublicKey)
	return Approver{role, public}, checkRole(role)
}
