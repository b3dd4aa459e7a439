package pgtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A certifier makes the certificates of a server.
type certifier struct {
	ca, folder string // files: the authority's certificate; where the server's and its key go
	address    net.IP
	owner      *syscall.Credential // of the files; nil for this process
}

// certify makes a certificate authority and the server's certificate for its address.
func (c certifier) certify() error {
	authority, signed, key, err := newAuthority()
	if err != nil {
		return err
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, IPAddresses: []net.IP{c.address},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if err := c.write(c.ca, "CERTIFICATE", signed); err != nil {
		return err
	}
	if signed, err = x509.CreateCertificate(rand.Reader, server, authority, own.Public(), key); err != nil {
		return err
	}
	if err := c.write(filepath.Join(c.folder, "server.pem"), "CERTIFICATE", signed); err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return err
	}
	return c.write(filepath.Join(c.folder, "server.key"), "PRIVATE KEY", secret)
}

// write writes a PEM file that the server can read.
func (c certifier) write(path, kind string, content []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	if err := os.WriteFile(path, text, 0o600); err != nil || c.owner == nil {
		return err
	}
	return os.Chown(path, int(c.owner.Uid), int(c.owner.Gid))
}

// newAuthority makes a certificate authority: its certificate, the same as it is encoded, and its key.
func newAuthority() (authority *x509.Certificate, encoded []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, nil, err
	}
	authority = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pgtest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	encoded, err = x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	return authority, encoded, key, err
}

// OtherAuthority returns the certificate, in PEM, of an authority that signed nothing.
func OtherAuthority(t testing.TB) []byte {
	t.Helper()
	_, encoded, _, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encoded})
}
