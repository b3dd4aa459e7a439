package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectLimit = 10 * time.Second // of one attempt at one host
	pingLimit    = 5 * time.Second  // of the question whether a connection is still good
	poolLimit    = 8                // connections
)

// sessionSettings are set for every connection: a server that loses this process gives its locks back, and a client
// waits for the lock of another for a limited time. Every statement of a Query has an index that is in its order: without
// the last six the server may read all of a day for a page of it, and sort that, have helpers read ahead, plan for all
// partitions, or compile a statement for longer than it runs.
var sessionSettings = map[string]string{
	"application_name":                    "sipsieve",
	"client_encoding":                     "UTF8",
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "60s",
	"timezone":                            "UTC",
	"enable_bitmapscan":                   "off",
	"enable_sort":                         "off",
	"enable_seqscan":                      "off",
	"jit":                                 "off",
	"max_parallel_workers_per_gather":     "0",
	"plan_cache_mode":                     "force_custom_plan",
}

// A Login is a database and what is needed to enter it.
type Login struct {
	URL          string // postgres://host[:port][,host[:port]]/database, or ?host=/folder for a unix socket
	User         string // "" for that of the URL
	PasswordFile string // read at each connection; "" for a server that needs none
	CA           string // PEM file of the authority that signs the server's certificate, read at each connection; "" for the host's
}

// settings returns the settings of the pool for l. Its errors quote nothing: a URL may have a password.
func (l Login) settings() (*pgxpool.Config, error) {
	u, err := url.Parse(l.URL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || strings.Trim(u.Path, "/") == "" {
		return nil, errors.New("url: want postgres://host/database")
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		return nil, errors.New("url: it has a password: put that into a file and name it in password_file")
	}
	if l.User != "" {
		u.User = url.User(l.User)
	}
	if u.RawQuery, err = l.secure(u); err != nil {
		return nil, err
	}
	for _, path := range []string{l.PasswordFile, l.CA} {
		if path != "" {
			if _, err := os.ReadFile(path); err != nil {
				return nil, err
			}
		}
	}
	c, err := pgxpool.ParseConfig(u.String())
	if err != nil {
		return nil, errors.New("url: it has a setting that is not known, or a wrong value")
	}
	c.MaxConns, c.MinConns = poolLimit, 0
	c.ConnConfig.ConnectTimeout = connectLimit
	for name, value := range sessionSettings {
		c.ConnConfig.RuntimeParams[name] = value
	}
	c.BeforeConnect = l.refresh
	c.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true } // the server may have gone since
	c.PingTimeout = pingLimit
	c.AfterConnect = prepareSession
	return c, nil
}

// secure returns the query of u with the mode of TLS: verify-full, unless the server is on this host and no CA is named.
func (l Login) secure(u *url.URL) (string, error) {
	q := u.Query()
	mode := q.Get("sslmode")
	switch {
	case isLocal(u) && (l.CA == "" || mode != ""):
		mode = cmp.Or(mode, "disable")
	case mode == "":
		mode = "verify-full"
	case mode != "verify-full":
		return "", errors.New("url: sslmode: want verify-full for a server that is not on this host")
	}
	q.Set("sslmode", mode)
	return q.Encode(), nil
}

// isLocal reports whether all hosts of u are unix sockets or loopback addresses.
func isLocal(u *url.URL) bool {
	hosts := u.Query().Get("host")
	if hosts == "" {
		hosts = u.Host
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		if !strings.HasPrefix(host, "/") && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// refresh reads the password and the authority again, so that renewed files are used.
func (l Login) refresh(_ context.Context, c *pgx.ConnConfig) error {
	if l.PasswordFile != "" {
		text, err := os.ReadFile(l.PasswordFile)
		if err != nil {
			return err
		}
		c.Password = strings.TrimRight(string(text), "\r\n")
	}
	if l.CA == "" {
		return nil
	}
	text, err := os.ReadFile(l.CA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: no certificate in PEM", l.CA)
	}
	c.TLSConfig = trusting(c.TLSConfig, pool)
	fallbacks := make([]*pgconn.FallbackConfig, len(c.Fallbacks))
	for i, f := range c.Fallbacks {
		other := *f
		other.TLSConfig = trusting(f.TLSConfig, pool)
		fallbacks[i] = &other
	}
	c.Fallbacks = fallbacks
	return nil
}

func trusting(c *tls.Config, pool *x509.CertPool) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	c.RootCAs = pool
	return c
}

// prepareSession has a commit wait for the disk, whatever the server's default.
func prepareSession(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false)
		WHERE current_setting('synchronous_commit') = 'off'`)
	return err
}
