package bus

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"sipsieve/store"
)

// natsServer runs a server without authentication on loopback; change may alter its settings.
func natsServer(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true,
		StoreDir: serverDir(t)}
	if change != nil {
		change(opts)
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	return srv
}

// serverDir returns a folder for a server's streams. The server may still remove what it staged when the test ends, which
// t.TempDir takes for an error.
func serverDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sipsieve-bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 100 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	return dir
}

// connect returns a connection to r that may not be there yet.
func connect(t testing.TB, r Remote) *Bus {
	t.Helper()
	b, err := Connect(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// reach waits a minute at most until b has a connection.
func reach(t testing.TB, b *Bus) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := b.Reach(ctx); err != nil {
		t.Fatal(err)
	}
}

// awaitAway waits until b has no connection because of what is.
func awaitAway(t testing.TB, b *Bus, what string, is func(error) bool) {
	t.Helper()
	await(t, newMemory(), what, func() bool {
		since, why := b.Away()
		return !since.IsZero() && is(why)
	})
}

func TestConnectDoesNotWaitForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	p := newProxy(t, "", 0)
	b := connect(t, Remote{URL: p.url()})
	since, why := b.Away()
	if since.IsZero() || why == nil {
		t.Errorf("away since %v: %v, want a time and a cause", since, why)
	}
	if err := b.Publisher().Put(t.Context(), calls(t, "billing", 0, 1)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("put = %v, want ErrUnavailable", err)
	}
	srv := natsServer(t, nil)
	for range 2 {
		p.set(srv.Addr().String())
		reach(t, b)
		if again, _ := b.Away(); !again.IsZero() {
			t.Errorf("away since %v, want a connection", again)
		}
		p.set("")
		awaitAway(t, b, "what an EOF means", func(err error) bool { return errors.Is(err, errClosed) })
	}
}

func TestOneServerOfTheListIsEnough(t *testing.T) {
	t.Parallel()
	away, srv := newProxy(t, "", 0), natsServer(t, nil)
	reach(t, connect(t, Remote{URL: away.url() + ", " + srv.ClientURL(), Name: "fra1"}))
	if c, err := srv.Connz(nil); err != nil || len(c.Conns) != 1 || c.Conns[0].Name != "fra1" {
		t.Errorf("clients = %+v, %v, want one by its name", c.Conns, err)
	}
}

func TestCloseDoesNotWaitForADial(t *testing.T) {
	t.Parallel()
	// 192.0.2.0/24 is for documentation (RFC 5737): no answer, or none at all.
	b := connect(t, Remote{URL: "nats://192.0.2.1:4222"})
	ended := make(chan struct{})
	go func() { _ = b.Close(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("Close waits")
	}
}

func TestAnNKeyLetsIn(t *testing.T) {
	t.Parallel()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := pair.PublicKey()
	seed, _ := pair.Seed()
	file := filepath.Join(t.TempDir(), "edge.nk")
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	srv := natsServer(t, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} })
	reach(t, connect(t, Remote{URL: srv.ClientURL(), NKey: file}))
	stranger := connect(t, Remote{URL: srv.ClientURL()})
	awaitAway(t, stranger, "no authorisation", func(err error) bool { return errors.Is(err, nats.ErrAuthorization) })
}

// An authority signs certificates of one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := new(authority)
	text, _ := a.sign(t, "authority")
	block, _ := pem.Decode(text)
	var err error
	if a.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	a.pem = text
	return a
}

// sign returns a certificate for loopback and its key, in PEM; the first one is a's own.
func (a *authority) sign(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	what := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, signer := a.cert, a.key
	if parent == nil {
		what.IsCA, what.BasicConstraintsValid, what.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer, a.key = what, made, made
	}
	der, err := x509.CreateCertificate(rand.Reader, what, parent, &made.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(made)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
}

// TestRenewedFilesAreRead begins with the wrong authority and the wrong certificate of the client, and puts right one
// after the other while the client tries.
func TestRenewedFilesAreRead(t *testing.T) {
	t.Parallel()
	good, other := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	pair := func(a *authority) (cert, key string) {
		c, k := a.sign(t, "edge")
		return write("cert.pem", c), write("key.pem", k)
	}
	text, key := good.sign(t, "hub")
	own, err := tls.X509KeyPair(text, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(good.cert)
	srv := natsServer(t, func(o *server.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: pool,
			ClientAuth: tls.RequireAndVerifyClientCert}
		o.TLSVerify, o.TLSTimeout = true, 60
	})
	r := Remote{URL: "tls://" + srv.Addr().String(), CA: write("ca.pem", other.pem)}
	r.Cert, r.Key = pair(other)
	b := connect(t, r)
	awaitAway(t, b, "a server's certificate of an authority that is not known", func(err error) bool {
		return errors.As(err, new(x509.UnknownAuthorityError))
	})
	write("ca.pem", good.pem)
	awaitAway(t, b, "the refusal of the client's certificate", func(err error) bool {
		return err != nil && !errors.As(err, new(x509.UnknownAuthorityError))
	})
	pair(good)
	reach(t, b)
}

func TestWhatCannotBeUsedIsAnError(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	const url = "nats://127.0.0.1:4222"
	for want, r := range map[string]Remote{
		"url: want nats:// ":             {URL: "nats://user:hush@ho st:4222"},
		"url: want nats://":              {URL: "http://host"},
		"url: want nats://host":          {URL: ""},
		none:                             {URL: url, Credentials: none},
		"nkey: " + none:                  {URL: url, NKey: none},
		"nkey: " + text:                  {URL: url, NKey: text},
		"want one of them":               {URL: url, NKey: text, Credentials: text},
		"want both or neither":           {URL: url, Cert: text},
		"cert " + text + ", key " + none: {URL: url, Cert: text, Key: none},
		"ca: " + text:                    {URL: url, CA: text},
		"ca: open " + none:               {URL: url, CA: none},
	} {
		_, err := Connect(r)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) || strings.Contains(err.Error(), "hush") ||
			errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

// TestAttemptsGrowRareAndAreSpread wants waits that double up to 15 s, each at random in the upper half of that.
func TestAttemptsGrowRareAndAreSpread(t *testing.T) {
	t.Parallel()
	var l link
	for n, whole := range map[int]time.Duration{1: reconnectFirst, 2: 2 * reconnectFirst, 5: 16 * reconnectFirst,
		7: reconnectLast, 1000: reconnectLast} {
		waits := map[time.Duration]bool{}
		for range 100 {
			d := l.delay(n)
			if waits[d] = true; d < whole/2 || d >= whole {
				t.Fatalf("attempt %d waits %v, want %v to %v", n, d, whole/2, whole)
			}
		}
		if len(waits) < 50 {
			t.Errorf("attempt %d waits %d different times in 100, want all spread", n, len(waits))
		}
	}
}
