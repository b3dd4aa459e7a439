package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"sipsieve/store"
	"sipsieve/store/bus/host"
	"sipsieve/store/bus/version"
)

// A Config says where the embedded server keeps its streams and whether other processes may read them.
type Config struct {
	Dir    string // no other process may use it while the server runs
	Listen string // host:port on loopback, where port 0 is any; "" to listen nowhere
	Plan   Plan

	// Keepers are the names of the durable consumers that have to confirm a message before it may be purged for
	// want of room. Without any, nothing is purged.
	Keepers []string

	// Reopened is called when the server was opened anew and has written for 5 s since, or is closed, with the error of the
	// disk that it had kept and with the damages that were found then; nil to call nothing. The Bus waits until it returns.
	Reopened func(why error, found []Damage)

	expireEvery, expireSlack time.Duration // for tests; 0 for the constants of these names
}

// validate returns everything that is wrong with c, its Listen aside.
func (c Config) validate() error {
	errs := []error{c.Plan.Validate()}
	for _, name := range c.Keepers {
		if err := store.CheckName(name); err != nil {
			errs = append(errs, fmt.Errorf("bus: keeper: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Access is what a reader of one purpose needs to reach the embedded server. It holds a secret.
type Access struct{ URL, User, Password, Inbox string }

// Format keeps the password out of whatever prints a.
func (a Access) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// Remote returns a for Connect.
func (a Access) Remote() Remote {
	return Remote{URL: a.URL, User: a.User, Password: a.Password, Inbox: a.Inbox}
}

// Embedded starts a server in this process and arranges its streams. Every acknowledgement of it is after fsync.
func Embedded(ctx context.Context, c Config) (*Bus, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	opts, access, err := c.options()
	if err != nil {
		return nil, err
	}
	release, err := store.Own(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	b, err := c.open(ctx, opts, release)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	b.access = access
	for purpose, a := range access {
		a.URL = b.server.Server().ClientURL()
		access[purpose] = a
	}
	return b, nil
}

// open examines the streams, starts the server, and puts back what was intact in streams that are made anew.
func (c Config) open(ctx context.Context, opts *server.Options, release func() error) (*Bus, error) {
	s, err := newSpool(c)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(time.Now()); err != nil {
		return nil, errors.Join(err, s.marks.Close())
	}
	b, err := start(opts, release)
	if err != nil {
		return nil, errors.Join(err, s.marks.Close())
	}
	b.spool, b.config, s.js, s.publisher, s.broken = s, c, b.stream, b.Publisher(), b.broken
	err = b.Arrange(ctx, c.Plan)
	if err == nil {
		err = s.recover(ctx)
	}
	if err == nil {
		err = version.Write(c.Dir)
	}
	if err != nil {
		b.release = func() error { return nil } // the caller's
		return nil, errors.Join(err, b.Close())
	}
	s.start(&healer{bus: b, backoff: store.NewBackoff()})
	return b, nil
}

// options returns the server's settings and the Access of every purpose, still without its URL. The first user is
// this process.
func (c Config) options() (*server.Options, map[string]Access, error) {
	opts := &server.Options{
		ServerName: "sipsieve", JetStream: true, StoreDir: c.Dir, SyncAlways: true, SyncInterval: time.Minute,
		JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: 1 << 62, // the limit is each stream's own
		JetStreamLimits: server.JSLimitOpts{MaxBatchSize: ownBatchLimit},
		NoSigs:          true, NoLog: true, DontListen: c.Listen == "",
		Users: []*server.User{{Username: "sipsieve", Password: rand.Text()}},
	}
	if c.Listen == "" {
		return opts, nil, nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, nil, errors.New("bus: listen: want host:port")
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, nil, errors.New("bus: listen: want an address of loopback")
	}
	opts.Host = host
	if opts.Port, err = strconv.Atoi(port); err != nil || opts.Port < 0 || opts.Port > 65535 {
		return nil, nil, errors.New("bus: listen: want a port from 0 to 65535")
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	access := map[string]Access{}
	for _, s := range c.Plan.Streams {
		a := Access{User: "tail_" + s.Purpose, Password: rand.Text(), Inbox: "_INBOX_" + s.Purpose}
		access[s.Purpose] = a
		opts.Users = append(opts.Users, a.user(store.StreamName(s.Purpose)))
	}
	return opts, access, nil
}

// user may follow one stream, and nothing else.
func (a Access) user(stream string) *server.User {
	return &server.User{Username: a.User, Password: a.Password, Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			"$JS.API.STREAM.INFO." + stream,
			"$JS.API.CONSUMER.CREATE." + stream + ".>",
			"$JS.API.CONSUMER.INFO." + stream + ".>",
			"$JS.API.CONSUMER.MSG.NEXT." + stream + ".>",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{a.Inbox + ".>"}},
	}}
}

// start runs a server and connects to it.
func start(opts *server.Options, release func() error) (*Bus, error) {
	srv := host.New(opts)
	if err := srv.Start(); err != nil {
		return nil, err
	}
	b, err := open("", nats.InProcessServer(srv), nats.UserInfo(opts.Users[0].Username, opts.Users[0].Password))
	if err != nil {
		srv.Stop()
		return nil, err
	}
	b.server, b.release = srv, release
	srv.OnFailure(func(why error) { b.errs.interrupt(BrokenError{why}, ofPut) })
	return b, nil
}
