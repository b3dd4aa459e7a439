// Package remote is how a NATS server is reached: where it is, who this client is, and what it trusts.
package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	firstDial    = 300 * time.Millisecond // for the first attempt at each server, while its caller waits for it
	dialTimeout  = 5 * time.Second        // for every later one, and for the handshake
	writeTimeout = 10 * time.Second       // until a connection that takes no bytes is given up
	pingInterval = 10 * time.Second       // a connection is given up when two pings in a row have no answer
)

// A Remote says how to reach a NATS server, or the servers of one cluster.
type Remote struct {
	URL            string // of one server, or of several between commas: nats:// or tls://
	Credentials    string // file with a JWT and its seed
	NKey           string // file with the seed of a user's nkey
	User, Password string // of an Access
	CA             string // PEM file of the authorities for the server's certificate; "" for those of the host
	Cert, Key      string // PEM files of this client's own certificate
	Inbox          string // prefix of the subjects that answers come to; "" for the client's own
	Name           string // of the client, as the server lists it; "" for sipsieve
}

// Options returns the settings of a connection to r, which reads its files again each time, and checks its URL and files.
// The first attempts to connect are short, until connected is called; all end with ctx.
func (r Remote) Options(ctx context.Context) (opts []nats.Option, connected func(), err error) {
	if err := checkURL(r.URL); err != nil {
		return nil, nil, err
	}
	dial := &dialer{ctx: ctx}
	opts = []nats.Option{nats.SetCustomDialer(dial), nats.SkipHostLookup(), nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(),
		nats.Timeout(dialTimeout), nats.FlusherTimeout(writeTimeout), nats.PingInterval(pingInterval)}
	if r.Name != "" {
		opts = append(opts, nats.Name(r.Name))
	}
	if r.Inbox != "" {
		opts = append(opts, nats.CustomInboxPrefix(r.Inbox))
	}
	who, err := r.identity()
	if err != nil {
		return nil, nil, err
	}
	secure, err := r.tls()
	return append(append(opts, who...), secure...), func() { dial.started.Store(true) }, err
}

// checkURL refuses what no server can be reached by. Its errors quote nothing: a URL may have a password.
func checkURL(list string) error {
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if !strings.Contains(part, "://") {
			part = "nats://" + part
		}
		u, err := url.Parse(part)
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return errors.New("url: want nats://host:port or tls://host:port, several between commas")
		}
	}
	return nil
}

// identity returns the options for the user of r: credentials, nkey, or name and password.
func (r Remote) identity() (opts []nats.Option, err error) {
	if r.Credentials != "" && r.NKey != "" {
		return nil, errors.New("credentials and nkey: want one of them")
	}
	if r.Credentials != "" {
		if _, err := os.ReadFile(r.Credentials); err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
		opts = append(opts, nats.UserCredentials(r.Credentials))
	}
	if r.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(r.NKey)
		if err != nil {
			return nil, fmt.Errorf("nkey: %s: %w", r.NKey, err)
		}
		opts = append(opts, key)
	}
	if r.User != "" {
		opts = append(opts, nats.UserInfo(r.User, r.Password))
	}
	return opts, nil
}

// tls returns the options for the certificates of r; without any, URL and server decide about TLS.
func (r Remote) tls() ([]nats.Option, error) {
	if (r.Cert == "") != (r.Key == "") {
		return nil, errors.New("cert and key: want both or neither")
	}
	var cert nats.TLSCertHandler
	var roots nats.RootCAsHandler
	if r.Cert != "" {
		cert = func() (tls.Certificate, error) { return tls.LoadX509KeyPair(r.Cert, r.Key) }
	}
	if r.CA != "" {
		roots = func() (*x509.CertPool, error) { return readRoots(r.CA) }
	}
	if cert == nil && roots == nil {
		return nil, nil
	}
	if cert != nil {
		if _, err := cert(); err != nil {
			return nil, fmt.Errorf("cert %s, key %s: %w", r.Cert, r.Key, err)
		}
	}
	if roots != nil {
		if _, err := roots(); err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
	}
	return []nats.Option{nats.ClientTLSConfig(cert, roots)}, nil
}

func readRoots(name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in PEM", name)
	}
	return pool, nil
}

// A dialer reaches servers by TCP, briefly until it is started: nats.Connect waits for the first attempts.
type dialer struct {
	ctx     context.Context // ends with the Bus
	started atomic.Bool
}

// Dial reaches address; its name is looked up within the same time limit.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	limit := firstDial
	if d.started.Load() {
		limit = dialTimeout
	}
	ctx, stop := context.WithTimeout(d.ctx, limit)
	defer stop()
	return new(net.Dialer).DialContext(ctx, network, address)
}
