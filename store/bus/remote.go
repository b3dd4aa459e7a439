// This file has methods of Bus because its connection is kept here.

package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
)

const (
	firstDial    = 300 * time.Millisecond // for the first attempt at each server, while Connect waits for it
	dialTimeout  = 5 * time.Second        // for every later one, and for the handshake
	writeTimeout = 10 * time.Second       // until a connection that takes no bytes is given up
	pingInterval = 10 * time.Second       // a connection is given up when two pings in a row have no answer

	reconnectFirst = 250 * time.Millisecond // before the second attempt, doubled for each further one
	reconnectLast  = 15 * time.Second
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

// Connect returns within about 300 ms for each server, also if none is there. It connects as soon as one is, and again
// whenever the connection is lost, for ever: see Away. The files of r are read again for each connection, so
// that a renewed certificate needs no restart. An error is a URL or a file that cannot be used; it names the file and
// quotes nothing of it.
func Connect(r Remote) (*Bus, error) {
	opts, err := r.options()
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	dial := &dialer{ctx: ctx}
	b, err := open(r.URL, append(opts, nats.SetCustomDialer(dial))...)
	if err != nil {
		stop()
		return nil, err
	}
	b.stopDial = stop
	dial.started.Store(true)
	return b, nil
}

// open connects by opts. The Bus takes the connection over.
func open(url string, opts ...nats.Option) (*Bus, error) {
	b := &Bus{stopDial: func() {}}
	first := &outage{since: time.Now(), err: errors.New("no attempt yet")}
	b.link.outage.Store(first)
	opts = slices.Concat([]nats.Option{nats.Name("sipsieve")}, b.handlers(), opts)
	conn, err := nats.Connect(url, opts...)
	if err != nil {
		return nil, fmt.Errorf("bus: connect: %w", err)
	}
	if conn.IsConnected() {
		b.link.outage.CompareAndSwap(first, nil)
	}
	b.link.conn.Store(conn)
	b.conn = conn
	b.stream, err = jetstream.New(conn, jetstream.WithDefaultTimeout(replyTimeout),
		jetstream.WithPublishAsyncMaxPending(asyncWindow), jetstream.WithPublishAsyncTimeout(replyTimeout))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("bus: %w", err)
	}
	return b, nil
}

// options returns the settings of a connection to r, and checks its URL and files.
func (r Remote) options() ([]nats.Option, error) {
	if err := checkURL(r.URL); err != nil {
		return nil, err
	}
	opts := []nats.Option{nats.SkipHostLookup(), nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(),
		nats.Timeout(dialTimeout), nats.FlusherTimeout(writeTimeout), nats.PingInterval(pingInterval)}
	if r.Name != "" {
		opts = append(opts, nats.Name(r.Name))
	}
	if r.Inbox != "" {
		opts = append(opts, nats.CustomInboxPrefix(r.Inbox))
	}
	who, err := r.identity()
	if err != nil {
		return nil, err
	}
	secure, err := r.tls()
	return append(append(opts, who...), secure...), err
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

// A link is the state of a connection, as its callbacks report it: nats.Conn answers nothing while it dials.
type link struct {
	conn   atomic.Pointer[nats.Conn]
	outage atomic.Pointer[outage] // nil while there is a connection
}

// An outage is since when there is no connection, and the error of the last attempt.
type outage struct {
	since time.Time
	err   error
}

// handlers keep the state of b's connection; delay also finds errors of a handshake, which no callback reports.
func (b *Bus) handlers() []nats.Option {
	up := func(*nats.Conn) {
		b.errs.connected()
		b.link.outage.Store(nil)
	}
	down := func(_ *nats.Conn, err error) { b.link.down(err) }
	return []nats.Option{nats.ErrorHandler(b.errs.note), nats.ConnectHandler(up), nats.ReconnectHandler(up),
		nats.DisconnectErrHandler(down), nats.ReconnectErrHandler(down), nats.CustomReconnectDelay(b.link.delay),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1)}
}

// errClosed is the error of a connection that ended without another, of which the client says EOF.
var errClosed = errors.New("the server, or what is between, has closed the connection")

// down begins an outage, or notes the latest error of the one that lasts.
func (l *link) down(err error) {
	if errors.Is(err, io.EOF) {
		err = errClosed
	}
	now := &outage{since: time.Now(), err: err}
	if last := l.outage.Load(); last != nil {
		now.since = last.since
		if err == nil {
			now.err = last.err
		}
	}
	if now.err == nil {
		now.err = errClosed
	}
	l.outage.Store(now)
}

// delay returns how long to wait before attempt n on all servers: doubled each time, and at random between half of that
// and all of it, so that a fleet does not come back at one instant.
func (l *link) delay(n int) time.Duration {
	if conn := l.conn.Load(); conn != nil {
		if err := conn.LastError(); err != nil {
			l.down(err)
		}
	}
	whole := min(reconnectFirst<<min(n-1, 16), reconnectLast)
	return whole/2 + rand.N(whole/2)
}

// Away returns since when b has no connection, the zero time while it has one, and why: the error of the last attempt.
func (b *Bus) Away() (since time.Time, why error) {
	if o := b.link.outage.Load(); o != nil {
		return o.since, o.err
	}
	return time.Time{}, nil
}

// Reach waits until b has a connection. When ctx ends first the error wraps store.ErrUnavailable and that of the last
// attempt.
func (b *Bus) Reach(ctx context.Context) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		since, why := b.Away()
		if since.IsZero() {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("bus: connect: %w: %w", store.ErrUnavailable, why)
		}
	}
}
