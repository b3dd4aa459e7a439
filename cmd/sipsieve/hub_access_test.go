package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"sipsieve/store/bus"
)

// A pki is an authority of a test, and the files of what it has signed.
type pki struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{dir: t.TempDir()}
	text, err := os.ReadFile(p.sign(t, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if p.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	return p
}

// file returns the path of a file of p.
func (p *pki) file(name string) string { return filepath.Join(p.dir, name) }

// sign writes NAME.pem, a certificate for loopback, and NAME.key. The first one is that of the authority.
func (p *pki) sign(t *testing.T, name string) (path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, signer := p.cert, p.key
	if parent == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer, p.key = c, key, key
	}
	cert, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, name+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}))
	return p.write(t, name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
}

func (p *pki) write(t *testing.T, name string, text []byte) (path string) {
	t.Helper()
	if err := os.WriteFile(p.file(name), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return p.file(name)
}

// demand has a server show its own certificate and require one of its clients.
func (p *pki) demand(t *testing.T, o *server.Options) {
	t.Helper()
	p.sign(t, "server")
	own, err := tls.LoadX509KeyPair(p.file("server.pem"), p.file("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(p.cert)
	o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	o.TLSVerify, o.TLSTimeout = true, 60
}

// edgeSubjects are what the user of an edge may publish to: its site's excerpts.
var edgeSubjects = []string{"cpni.v1.*.*.here", "aggregate.v1.*.*.here"}

// nkeyUsers has a server know two users by nkeys, whose seeds are written to admin.seed and edge.seed.
func (p *pki) nkeyUsers(t *testing.T, o *server.Options) {
	t.Helper()
	for name, may := range map[string]*server.Permissions{"admin": nil, "edge": {
		Publish:   &server.SubjectPermission{Allow: edgeSubjects},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_here.>"}}}} {
		_, public, seed := newKey(t, nkeys.CreateUser)
		p.write(t, name+".seed", seed)
		o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: public, Permissions: may})
	}
}

// jwtUsers has a server know two users by their account's signature: admin.creds and edge.creds are written.
func (p *pki) jwtUsers(t *testing.T, o *server.Options) {
	t.Helper()
	operator, name, _ := newKey(t, nkeys.CreateOperator)
	claims := jwt.NewOperatorClaims(name)
	if _, err := claims.Encode(operator); err != nil {
		t.Fatal(err)
	}
	resolver := &server.MemAccResolver{}
	account := func(change func(*jwt.AccountClaims)) (nkeys.KeyPair, string) {
		key, name, _ := newKey(t, nkeys.CreateAccount)
		c := jwt.NewAccountClaims(name)
		change(c)
		text, err := c.Encode(operator)
		if err == nil {
			err = resolver.Store(name, text)
		}
		if err != nil {
			t.Fatal(err)
		}
		return key, name
	}
	o.TrustedOperators, o.AccountResolver = []*jwt.OperatorClaims{claims}, resolver
	_, o.SystemAccount = account(func(*jwt.AccountClaims) {})
	signer, _ := account(func(c *jwt.AccountClaims) {
		c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	})
	for name, may := range map[string]jwt.Permissions{"admin": {}, "edge": {Pub: jwt.Permission{Allow: edgeSubjects},
		Sub: jwt.Permission{Allow: []string{"_INBOX_here.>"}}}} {
		_, public, seed := newKey(t, nkeys.CreateUser)
		c := jwt.NewUserClaims(public)
		c.Permissions = may
		text, err := c.Encode(signer)
		if err != nil {
			t.Fatal(err)
		}
		creds, err := jwt.FormatUserConfig(text, seed)
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, name+".creds", creds)
	}
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) (pair nkeys.KeyPair, public string, seed []byte) {
	t.Helper()
	pair, err := create()
	if err == nil {
		public, err = pair.PublicKey()
	}
	if err == nil {
		seed, err = pair.Seed()
	}
	if err != nil {
		t.Fatal(err)
	}
	return pair, public, seed
}

// TestAHubThatRequiresCertificatesAndUsersIsPushedTo has a user that may publish the excerpts of its site and nothing else.
func TestAHubThatRequiresCertificatesAndUsersIsPushedTo(t *testing.T) {
	t.Parallel()
	for key, users := range map[string]func(*pki, *testing.T, *server.Options){
		"nkey":  (*pki).nkeyUsers,
		"creds": (*pki).jwtUsers,
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			p.sign(t, "edge")
			srv := natsServer(t, t.TempDir(), func(o *server.Options) { p.demand(t, o); users(p, t, o) })
			url := "tls://" + srv.Addr().String()
			suffix := map[string]string{"nkey": ".seed", "creds": ".creds"}[key]
			s := newSite(t, 10)
			s.configure(t, 0)
			s.changes(t, "[bus]\n", fmt.Sprintf("[hub]\nurl = %q\ninbox = \"_INBOX_here\"\n%s = %q\nca = %q\ncert = %q\nkey = %q\n",
				url, key, p.file("edge"+suffix), p.file("ca.pem"), p.file("edge.pem"), p.file("edge.key")))
			admin := bus.Remote{URL: url, CA: p.file("ca.pem"), Cert: p.file("edge.pem"), Key: p.file("edge.key")}
			if key == "nkey" {
				admin.NKey = p.file("admin.seed")
			} else {
				admin.Credentials = p.file("admin.creds")
			}
			s.arrange(t, admin)
			if code, text := s.checked(t); code != exitFine {
				t.Errorf("check = %d, %s\nwant that it is fine", code, text)
			}
			q := s.start(t)
			s.awaitStored(t, len(s.replayed(t)))
			s.atHub(t)
			lag, err := connectTo(t, admin).Lag(t.Context(), "billing")
			if err != nil || lag.Messages != uint64(len(s.replayed(t))) {
				t.Errorf("%d messages at the hub, %v, want %d", lag.Messages, err, len(s.replayed(t)))
			}
			if code := q.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("exit code = %d, want 0\n%s", code, q.stderr.String())
			}
			s.changes(t, p.file("ca.pem"), p.sign(t, "another"))
			if code, text := s.checked(t); code != exitFindings || !strings.Contains(text, "certificate signed by unknown authority") {
				t.Errorf("check with another authority = %d, %s\nwant that the certificate is of one that is not known", code, text)
			}
			s.changes(t, p.file("another.pem"), p.file("none.pem"))
			if code, text := s.checked(t); code != exitUsage || !strings.Contains(text, "none.pem: no such file") {
				t.Errorf("check without the file = %d, %s\nwant the name of the file", code, text)
			}
		})
	}
}
