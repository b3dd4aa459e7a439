// Package hep receives the signalling that switches and proxies mirror in the Homer Encapsulation Protocol: a Source
// live, a File from a capture.
//
// A feed is the only way to read what was encrypted on the wire. Anybody can send one, so nothing of a packet is used
// before its sender's address and key have been checked.
//
// # Clock
//
// A message bears the stamp of its sender, unless that is further than Config.Skew from the arrival. Source.Watermark
// is the arrival less 200 ms.
//
// # Limits
//
// Memory for messages is Config.Queue; connections, handshakes and waits have limits in Config. What is refused is
// counted in Drops and Stats. README.md has the table.
//
// # Order
//
// Next returns messages in the order of their arrival, not of their stamps.
package hep

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// Config is where feeds are received, from whom, and with how much memory.
type Config struct {
	Name        string         // Packet.Point of its packets; never an address
	Listen      []string       // udp://, tcp:// or tls://, an IP address and a port, such as udp://127.0.0.1:9060
	Allow       []netip.Prefix // addresses that may send; none for all
	KeyFile     string         // its first line is the key that chunk 14 must hold; only its owner may read it
	Credential  bool           // KeyFile was passed by the service manager, which decides who may read it
	Insecure    bool           // no key: any sender that reaches an address of Listen can forge calls
	Certificate string         // PEM file for tls://
	PrivateKey  string         // PEM file for tls://
	ClientCA    string         // PEM file of the authorities for senders' certificates; "" for no check
	Skew        time.Duration  // a stamp further than this from the arrival is replaced by the arrival
	Queue       int            // bytes of messages that may wait for Next, over all feeds
	Buffer      int            // bytes of the receive buffer of a UDP socket; net.core.rmem_max bounds it
	Connections int            // TCP and TLS connections at a time
	Handshakes  int            // of them, how many may be in their TLS handshake
	Timeout     time.Duration  // longest TLS handshake, and longest wait for the rest of a packet
	Idle        time.Duration  // longest silence of a connection
}

// DefaultConfig returns the settings that suit the proxies of one host: UDP and TCP on loopback. The caller adds
// KeyFile or Insecure.
func DefaultConfig() Config {
	return Config{
		Name:        "hep",
		Listen:      []string{"udp://127.0.0.1:9060", "tcp://127.0.0.1:9060"},
		Skew:        2 * time.Second,
		Queue:       8 << 20,
		Buffer:      4 << 20,
		Connections: 64,
		Handshakes:  16,
		Timeout:     10 * time.Second,
		Idle:        time.Hour,
	}
}

// smallestQueue holds the longest message several times, so that an empty queue never refuses one.
const smallestQueue = 4 * maxPacket

// Validate returns everything that is wrong with c, each under its key. It reads the files that c names.
func (c Config) Validate() error {
	_, err := c.resolve()
	return err
}

// A plan is a Config whose addresses are parsed and whose files are read.
type plan struct {
	Config
	ends []endpoint
	key  []byte
	tls  *tls.Config
}

// An endpoint is an address to listen on.
type endpoint struct {
	scheme string // udp, tcp, tls
	addr   netip.AddrPort
}

// resolve returns the plan for c, and everything that is wrong with c.
func (c Config) resolve() (p plan, err error) {
	p.Config = c
	errs := c.limits()
	try := func(err error) { errs = append(errs, err) }
	if len(c.Listen) == 0 {
		try(errors.New("listen: want one address or more"))
	}
	for _, text := range c.Listen {
		e, err := parseEndpoint(text)
		p.ends = append(p.ends, e)
		try(err)
		try(c.closed(e, text))
	}
	for _, a := range c.Allow {
		if !a.IsValid() || a.Bits() == 0 {
			try(errors.New("allow: want networks such as 192.0.2.0/24; one of 0 bits is everybody"))
		}
	}
	try(c.secret(p.ends))
	p.key, err = c.readKey()
	try(err)
	p.tls, err = c.secure(p.ends)
	try(err)
	return p, errors.Join(errs...)
}

// limits returns what is wrong with the numbers of c.
func (c Config) limits() (errs []error) {
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	_, err := netip.ParseAddr(c.Name)
	_, also := netip.ParseAddrPort(c.Name)
	wrong(c.Name == "" || err == nil || also == nil, "name: want a word for the feed that is no address")
	wrong(c.Skew <= 0, "skew: want more than 0, got %s", c.Skew)
	wrong(c.Queue < smallestQueue, "queue: want %d bytes or more, got %d", smallestQueue, c.Queue)
	wrong(c.Buffer < maxPacket, "buffer: want %d bytes or more, got %d", maxPacket, c.Buffer)
	wrong(c.Connections < 1 || c.Connections > 4096, "connections: want 1 to 4096, got %d", c.Connections)
	wrong(c.Handshakes < 1 || c.Handshakes > c.Connections, "handshakes: want 1 to connections, got %d", c.Handshakes)
	wrong(c.Timeout <= 0, "timeout: want more than 0, got %s", c.Timeout)
	wrong(c.Idle < c.Timeout, "idle: want timeout or more, got %s", c.Idle)
	return errs
}

// parseEndpoint reads SCHEME://ADDRESS:PORT.
func parseEndpoint(text string) (endpoint, error) {
	scheme, address, _ := strings.Cut(text, "://")
	at, err := netip.ParseAddrPort(address)
	if err != nil || scheme != "udp" && scheme != "tcp" && scheme != "tls" {
		return endpoint{}, fmt.Errorf("listen: %q: want udp://, tcp:// or tls://, an IP address and a port", text)
	}
	return endpoint{scheme, at}, nil
}

// closed returns an error for an endpoint that everybody could send to.
func (c Config) closed(e endpoint, text string) error {
	local := e.addr.Addr().Unmap().IsLoopback() || !e.addr.IsValid()
	if local || c.KeyFile != "" || len(c.Allow) > 0 || c.certified(e) {
		return nil
	}
	return fmt.Errorf("listen: %q is not loopback, so that anybody could send: want key_file, allow, or client_ca for tls",
		text)
}

// certified reports whether senders to e need a certificate.
func (c Config) certified(e endpoint) bool { return e.scheme == "tls" && c.ClientCA != "" }

// secret returns an error if a key is missing: even on loopback any user of the host could send without one.
func (c Config) secret(ends []endpoint) error {
	open := slices.ContainsFunc(ends, func(e endpoint) bool { return e.addr.IsValid() && !c.certified(e) })
	switch {
	case c.KeyFile != "" && c.Insecure:
		return errors.New("insecure: there is a key_file: take out one of the two")
	case open && c.KeyFile == "" && !c.Insecure:
		return errors.New("key_file: want a file whose first line is the senders' key, or insecure = true: " +
			"without a key any user who can reach the address can forge calls")
	}
	return nil
}

// maxKey is the longest key that is read, in bytes.
const maxKey = 512

// readKey returns the key, nil without a KeyFile.
func (c Config) readKey() ([]byte, error) {
	if c.KeyFile == "" {
		return nil, nil
	}
	st, err := os.Stat(c.KeyFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("key_file: %w", err)
	case !st.Mode().IsRegular():
		return nil, errors.New("key_file: not a regular file")
	case st.Mode().Perm()&0o077 != 0 && !c.Credential:
		return nil, errors.New("key_file: others can read it: chmod 600 it, and make a new key if somebody may have read it")
	}
	text, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	key := bytes.TrimRight(line, "\r")
	if len(key) == 0 || len(key) > maxKey {
		return nil, fmt.Errorf("key_file: want 1 to %d bytes in the first line, got %d", maxKey, len(key))
	}
	return key, nil
}

// secure reads the certificates that a tls:// endpoint needs; nil without such an endpoint.
func (c Config) secure(ends []endpoint) (*tls.Config, error) {
	wanted := false
	for _, e := range ends {
		wanted = wanted || e.scheme == "tls"
	}
	switch {
	case wanted && (c.Certificate == "" || c.PrivateKey == ""):
		return nil, errors.New("certificate: tls:// wants certificate and private_key")
	case !wanted && (c.Certificate != "" || c.PrivateKey != "" || c.ClientCA != ""):
		return nil, errors.New("certificate: nothing listens on tls://")
	case !wanted:
		return nil, nil
	}
	own, err := tls.LoadX509KeyPair(c.Certificate, c.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}}
	if c.ClientCA == "" {
		return t, nil
	}
	text, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("client_ca: %w", err)
	}
	t.ClientAuth, t.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(text) {
		return nil, errors.New("client_ca: no certificate in the file")
	}
	return t, nil
}
