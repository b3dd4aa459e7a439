package hep

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sipsieve/capture"
)

// closed fails the test unless the other side closes conn.
func closed(t *testing.T, name string, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("%s: the connection stays open (%v)", name, err)
	}
}

func TestJunkClosesThatConnectionOnly(t *testing.T) {
	s := opened(t, nil)
	good := dial(t, s, 1)
	send(t, good, packed(fresh(1))[:20])
	lying := packed(fresh(0))
	lying[9] = 0xff // the type of its first chunk; harmless
	lying[11] = 0xff
	for name, junk := range map[string][]byte{"HTTP": []byte("GET / HTTP/1.1\r\n\r\n"), "old": oldPacket(2, mirror()),
		"length 0": []byte("HEP3\x00\x00"), "chunks beyond the end": lying} {
		bad := dial(t, s, 1)
		send(t, bad, junk)
		closed(t, name, bad)
	}
	m := fresh(1)
	send(t, good, packed(m)[20:], packed(fresh(2)))
	if ps := take(t, s, 2); ps[0].Payload[0] != 1 || ps[1].Payload[0] != 2 {
		t.Errorf("got = %d, %d, want 1, 2", ps[0].Payload[0], ps[1].Payload[0])
	}
	balanced(t, s, 2, map[capture.Reason]uint64{capture.Malformed: 4})
	if st := s.Stats(); st.Broken != 4 {
		t.Errorf("broken = %d, want 4", st.Broken)
	}
}

// TestBadContentKeepsTheConnection refuses packets whose lengths agree, one by one.
func TestBadContentKeepsTheConnection(t *testing.T) {
	s := opened(t, nil)
	conn := dial(t, s, 1)
	bad := mirror()
	bad.payload, bad.compressed = nil, options
	send(t, conn, build(without(mirror(), chunkSrcIPv4)...), packed(bad), packed(fresh(7)))
	take(t, s, 1)
	balanced(t, s, 1, map[capture.Reason]uint64{capture.Malformed: 1, capture.HEPCompressed: 1})
}

func TestConnectionsBeyondTheLimitAreTurnedAway(t *testing.T) {
	s := opened(t, func(c *Config) { c.Connections, c.Handshakes = 2, 1 })
	first, second := dial(t, s, 1), dial(t, s, 1)
	send(t, first, packed(fresh(1)))
	send(t, second, packed(fresh(2)))
	take(t, s, 2)
	closed(t, "the third", dial(t, s, 1))
	_ = first.Close()
	await(t, "the first has left", func() bool { return s.Stats().Connections == 1 })
	send(t, dial(t, s, 1), packed(fresh(4)))
	take(t, s, 1)
	if st := s.Stats(); st.TurnedAway != 1 || st.Connections != 2 {
		t.Errorf("turned away = %d, open = %d, want 1 and 2", st.TurnedAway, st.Connections)
	}
}

func TestSilentConnectionsAreClosed(t *testing.T) {
	s := opened(t, func(c *Config) { c.Timeout, c.Idle = 20*time.Millisecond, 20*time.Millisecond })
	closed(t, "one that sends nothing", dial(t, s, 1))
	await(t, "it is counted", func() bool { return s.Stats().Silent == 1 })
	balanced(t, s, 0, nil)
}

func TestConnectionsThatStopInAPacketAreClosed(t *testing.T) {
	s := opened(t, func(c *Config) { c.Timeout = 20 * time.Millisecond })
	half := dial(t, s, 1)
	send(t, half, packed(fresh(1))[:30])
	closed(t, "one that stops in a packet", half)
	await(t, "it is counted", func() bool { return s.Stats().Silent == 1 })
	balanced(t, s, 0, map[capture.Reason]uint64{capture.Short: 1})
}

// TestTimeOfAPacketBeginsWithItsFirstByte cuts a stream so that a part of a packet is always left.
func TestTimeOfAPacketBeginsWithItsFirstByte(t *testing.T) {
	f, b := newFramer(), packed(mirror())
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	for i, step := range []struct{ bytes, packets, begun int }{
		{10, 0, 0}, {10, 0, 0}, {len(b) - 10, 1, 2}, {10, 0, 2}, {2*len(b) - 20, 2, 4}, {5, 0, 5}} {
		stream := bytes.Repeat(b, 3)[f.rest():]
		f.fill(copy(f.room(), stream[:step.bytes]), at(i))
		for range step.packets {
			if p, ok := f.next(); p == nil || !ok {
				t.Fatalf("step %d: no packet", i)
			}
		}
		if p, ok := f.next(); p != nil || !ok {
			t.Fatalf("step %d: one packet more", i)
		}
		if f.rest() > 0 && !f.begun.Equal(at(step.begun)) {
			t.Errorf("step %d: begun = %s, want %s", i, f.begun, at(step.begun))
		}
	}
}

// TestTricklingDoesNotHoldAConnection sends the bytes of a long packet one by one, each soon after the other.
func TestTricklingDoesNotHoldAConnection(t *testing.T) {
	s := opened(t, func(c *Config) { c.Timeout = 30 * time.Millisecond })
	conn := dial(t, s, 1)
	long := fresh(1)
	long.payload = append(long.payload, make([]byte, 60_000)...)
	for _, b := range packed(long) {
		if _, err := conn.Write([]byte{b}); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	closed(t, "a trickle", conn)
	balanced(t, s, 0, map[capture.Reason]uint64{capture.Short: 1})
}

func TestPacketCutByTheEndOfAConnectionIsCounted(t *testing.T) {
	s := opened(t, nil)
	conn := dial(t, s, 1)
	send(t, conn, packed(fresh(1)), packed(fresh(2))[:40])
	_ = conn.Close()
	take(t, s, 1)
	await(t, "the cut is counted", func() bool { return s.Drops().Refused[capture.Short] == 1 })
	balanced(t, s, 1, map[capture.Reason]uint64{capture.Short: 1})
}

// An authority signs certificates for 127.0.0.1.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	der, key := a.sign(&x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "test"}})
	a.cert, a.key = must(t, func() (*x509.Certificate, error) { return x509.ParseCertificate(der) }), key
	a.file = a.pem("CERTIFICATE", der)
	a.pool.AddCert(a.cert)
	return a
}

func must[T any](t *testing.T, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sign returns the certificate of c, signed by itself if there is no authority yet.
func (a *authority) sign(c *x509.Certificate) (der []byte, key *ecdsa.PrivateKey) {
	a.t.Helper()
	key = must(a.t, func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	return must(a.t, func() ([]byte, error) {
		return x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	}), key
}

// issue returns the files of a certificate for 127.0.0.1 and of its key.
func (a *authority) issue() (cert, key string) {
	a.t.Helper()
	der, private := a.sign(&x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	return a.pem("CERTIFICATE", der),
		a.pem("PRIVATE KEY", must(a.t, func() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(private) }))
}

func (a *authority) pem(kind string, der []byte) (file string) {
	a.t.Helper()
	file = filepath.Join(a.t.TempDir(), "pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// secured opens a Source on tls:// alone, and returns what a sender without a certificate needs to know.
func secured(t *testing.T, change func(*Config)) (*Source, *tls.Config, *authority) {
	t.Helper()
	a := newAuthority(t)
	s := opened(t, func(c *Config) {
		c.Listen = []string{"tls://127.0.0.1:0"}
		c.Certificate, c.PrivateKey = a.issue()
		if change != nil {
			change(c)
		}
	})
	return s, &tls.Config{RootCAs: a.pool}, a
}

func TestFeedsComeOverTLS(t *testing.T) {
	s, trust, _ := secured(t, nil)
	conn := tls.Client(dial(t, s, 0), withName(trust))
	m := fresh(1)
	m.payload = append(m.payload, bytes.Repeat([]byte("x"), 50_000)...) // several TLS records
	send(t, conn, packed(m), packed(fresh(2)))
	if ps := take(t, s, 2); !bytes.Equal(ps[0].Payload, m.payload) || ps[1].Payload[0] != 2 {
		t.Error("the payloads are not those that were sent")
	}
	plain := dial(t, s, 0)
	send(t, plain, packed(fresh(3)))
	closed(t, "a sender without TLS", plain)
	await(t, "it is counted", func() bool { return s.Stats().Unfinished == 1 })
	balanced(t, s, 2, nil)
}

func TestClientCertificatesOpenTLSToOthers(t *testing.T) {
	a := newAuthority(t)
	c := DefaultConfig()
	c.Certificate, c.PrivateKey = a.issue()
	for ca, want := range map[string]bool{"": false, a.file: true} {
		c.Listen, c.ClientCA = []string{"tls://0.0.0.0:9061"}, ca
		if err := c.Validate(); (err == nil) != want {
			t.Errorf("client_ca %t: err = %v", ca != "", err)
		}
		c.Listen = append(c.Listen, "tcp://0.0.0.0:9060")
		if c.Validate() == nil {
			t.Error("a certificate that is not required opens TCP")
		}
	}
}

func withName(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.ServerName = "127.0.0.1"
	return c
}

func TestClientCertificateIsAskedFor(t *testing.T) {
	var authorities []*authority
	s, trust, _ := secured(t, func(c *Config) {
		authorities = append(authorities, newAuthority(t), newAuthority(t))
		c.ClientCA = authorities[0].file
	})
	for i, want := range []bool{true, false, false} {
		mine := withName(trust)
		if i < len(authorities) {
			cert, key := authorities[i].issue()
			pair := must(t, func() (tls.Certificate, error) { return tls.LoadX509KeyPair(cert, key) })
			mine.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		conn := tls.Client(dial(t, s, 0), mine)
		_, _ = conn.Write(packed(fresh(byte(i)))) // the refusal may come first
		if want {
			take(t, s, 1)
			continue
		}
		if _, err := io.ReadAll(conn); err == nil {
			t.Errorf("sender %d ended without an alert", i)
		}
	}
	await(t, "two are counted", func() bool { return s.Stats().Unfinished == 2 })
	balanced(t, s, 1, nil)
}

func TestHalfOpenHandshakesAreShort(t *testing.T) {
	s, _, _ := secured(t, func(c *Config) { c.Timeout = 50 * time.Millisecond })
	closed(t, "the half-open one", dial(t, s, 0))
	await(t, "it is counted", func() bool { return s.Stats().Connections == 0 && s.Stats().Unfinished == 1 })
}

func TestHalfOpenHandshakesAreFew(t *testing.T) {
	s, trust, _ := secured(t, func(c *Config) { c.Handshakes, c.Timeout = 1, time.Hour })
	half := dial(t, s, 0)
	await(t, "it is let in", func() bool { return s.Stats().Connections == 1 })
	closed(t, "a second handshake", dial(t, s, 0))
	_ = half.Close()
	await(t, "its place is free", func() bool { return s.Stats().Connections == 0 })
	send(t, tls.Client(dial(t, s, 0), withName(trust)), packed(fresh(1)))
	take(t, s, 1)
	if st := s.Stats(); st.TurnedAway != 1 || st.Unfinished != 1 {
		t.Errorf("turned away = %d, unfinished = %d, want 1 and 1", st.TurnedAway, st.Unfinished)
	}
}

func TestCloseEndsAHandshake(t *testing.T) {
	s, _, _ := secured(t, func(c *Config) { c.Timeout = time.Hour })
	half := dial(t, s, 0)
	await(t, "it is let in", func() bool { return s.Stats().Connections == 1 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	closed(t, "the half-open one", half)
}
