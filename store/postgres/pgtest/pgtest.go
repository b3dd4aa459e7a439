// Package pgtest starts PostgreSQL servers for tests: the real one, in a folder of its own, stopped at the end.
//
// # Where the server listens
//
// On a unix socket in its folder, where the role postgres needs no password, and on port 5432 of a loopback address
// that is made of the server's number and the process id, where all roles need one. So no test takes a port
// that another has.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long a server may take to start, to stop or to recover.
const patience = time.Minute

// A Server is a PostgreSQL server with a folder, which outlives Kill and Stop.
type Server struct {
	CA string // file of the certificate authority that signed the server's certificate

	bin, dir string
	slot     byte
	address  net.IP
	options  []string // name=value, as for -c
	owner    *syscall.Credential
	process  *exec.Cmd
	gone     chan struct{} // closed when process has ended

	mu      sync.Mutex
	numbers int
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// slots are the numbers of the servers that this process may have at once.
var slots = func() chan byte {
	free := make(chan byte, 4)
	for n := range byte(4) {
		free <- n
	}
	return free
}()

// Run runs the tests of a package and stops the server that they shared, if they used it.
func Run(m *testing.M) (code int) {
	code = m.Run()
	if shared.server != nil {
		if err := shared.server.remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// Shared returns the server of this test binary, whose TestMain calls Run. It writes without fsync. Where PostgreSQL is
// not installed it skips the test, or fails it if CI is true.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = start("fsync=off") })
	check(t, shared.err)
	return shared.server
}

// Own returns a server for t alone, with these options (name=value).
func Own(t testing.TB, options ...string) *Server {
	t.Helper()
	s, err := start(options...)
	check(t, err)
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var errMissing = errors.New("pgtest: PostgreSQL is not installed: want /usr/lib/postgresql/*/bin")

func check(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errMissing) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// start makes a server and starts it.
func start(options ...string) (s *Server, err error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(bins) == 0 {
		return nil, errMissing
	}
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	s = &Server{bin: filepath.Dir(slices.Max(bins)), dir: dir, slot: <-slots, CA: filepath.Join(dir, "ca.pem"),
		options: options, gone: make(chan struct{})}
	last := uint32(os.Getpid())<<2 | uint32(s.slot) // a process id has 22 bits
	s.address = net.IPv4(127, byte(last>>16), byte(last>>8), byte(last))
	if err := s.make(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	if err := s.up(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// make makes the server's folder: data, certificates and who may log in.
func (s *Server) make() error {
	if err := s.own(); err != nil {
		return err
	}
	initdb := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8",
		"--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.owner}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: initdb: %w: %s", err, out)
	}
	if err := (certifier{s.CA, s.data(), s.address, s.owner}).certify(); err != nil {
		return err
	}
	access := "local all postgres trust\nhost all all 127.0.0.0/8 scram-sha-256\n"
	return os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(access), 0o644)
}

// own gives the folder to a user who may run the server: not to root, whom PostgreSQL refuses.
func (s *Server) own() error {
	if err := os.Chmod(s.dir, 0o755); err != nil || os.Getuid() != 0 {
		return err
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
	return os.Chown(s.dir, uid, gid)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// up starts the server and waits until it answers. One that was killed leaves memory to processes that may not have
// ended: then it is started again.
func (s *Server) up() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if err := s.launch(); err != nil {
			return err
		}
		if s.answers(deadline) {
			return nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("pgtest: the server does not answer: %s", log)
		}
	}
}

// launch starts the process. It ends with this one: a thread that lives as long as this process starts it.
func (s *Server) launch() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-D", s.data()}
	for _, option := range append([]string{"listen_addresses=" + s.address.String(), "port=5432",
		"unix_socket_directories=" + s.dir, "ssl=on", "ssl_cert_file=server.pem", "ssl_key_file=server.key",
		"max_connections=400", "shared_buffers=32MB"}, s.options...) {
		args = append(args, "-c", option)
	}
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Pdeathsig: syscall.SIGQUIT}
	started, gone := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the signal comes when this thread ends
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(gone)
	}()
	s.process, s.gone = cmd, gone
	return <-started
}

// answers waits until the server answers: false if it ended instead, or at the deadline.
func (s *Server) answers(deadline time.Time) bool {
	for time.Now().Before(deadline) {
		if conn, err := pgx.Connect(context.Background(), s.socketURL("postgres")); err == nil {
			_ = conn.Close(context.Background())
			return true
		}
		select {
		case <-s.gone:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// down sends the server a signal, if it was started, and waits for its end.
func (s *Server) down(signal syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.gone:
		return nil
	case <-time.After(patience):
		return errors.New("pgtest: the server does not stop")
	}
}

// remove stops the server and removes its folder.
func (s *Server) remove() error {
	err := errors.Join(s.down(syscall.SIGINT), os.RemoveAll(s.dir))
	slots <- s.slot
	return err
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	check(t, s.down(syscall.SIGKILL))
}

// Stop ends the server as an administrator does: connections are cut.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	check(t, s.down(syscall.SIGINT))
}

// Start starts the server again.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	check(t, s.up())
}

// Cut ends the connections of a database.
func (s *Server) Cut(t testing.TB, database string) {
	t.Helper()
	s.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+database+"' AND pid <> pg_backend_pid()")
}

// Renew gives the server a certificate of another authority, whose certificate is in CA from then on, and cuts nobody.
func (s *Server) Renew(t testing.TB) {
	t.Helper()
	check(t, (certifier{s.CA, s.data(), s.address, s.owner}).certify())
	s.Exec(t, "postgres", "SELECT pg_reload_conf()")
}

// socketURL returns how the role postgres reaches a database without a password.
func (s *Server) socketURL(database string) string {
	return "postgres://postgres@/" + database + "?host=" + s.dir + "&sslmode=disable"
}

// TCP returns the URL of a database at the server's address, without a user.
func (s *Server) TCP(database string) string {
	return "postgres://" + s.address.String() + "/" + database
}

// Database makes a database and returns its name. It goes at the end of t.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.next())
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	t.Cleanup(func() { s.Exec(t, "postgres", "DROP DATABASE "+name+" WITH (FORCE)") })
	return name
}

// Dump writes a database into a file, as it is at one moment, and returns its name. The database may be in use.
func (s *Server) Dump(t testing.TB, database string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "dump")
	s.run(t, "pg_dump", "--format=custom", "--file="+file, s.socketURL(database))
	return file
}

// Restore replaces a database, which may be in use, by what Dump has written: under another name first, since who uses it
// would make tables in one that is empty.
func (s *Server) Restore(t testing.TB, database, file string) {
	t.Helper()
	restored := database + "_restored"
	s.Exec(t, "postgres", "CREATE DATABASE "+restored)
	s.run(t, "pg_restore", "--exit-on-error", "--dbname="+s.socketURL(restored), file)
	s.Exec(t, "postgres", "DROP DATABASE "+database+" WITH (FORCE)", "ALTER DATABASE "+restored+" RENAME TO "+database)
}

// run runs a program of PostgreSQL.
func (s *Server) run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(filepath.Join(s.bin, program), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
}

// URL returns how the role postgres reaches a database on the unix socket.
func (s *Server) URL(database string) string { return s.socketURL(database) }

// Folder makes an empty folder that the server may use. It goes with the server.
func (s *Server) Folder(t testing.TB) (dir string) {
	t.Helper()
	dir = filepath.Join(s.dir, fmt.Sprintf("folder%d", s.next()))
	err := os.Mkdir(dir, 0o755)
	if err == nil && s.owner != nil {
		err = os.Chown(dir, int(s.owner.Uid), int(s.owner.Gid))
	}
	check(t, err)
	return dir
}

// Exec runs statements as postgres, each by itself.
func (s *Server) Exec(t testing.TB, database string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.socketURL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, one := range statements {
		if _, err := conn.Exec(context.Background(), one); err != nil {
			t.Fatalf("%s: %v", strings.SplitN(one, "\n", 2)[0], err)
		}
	}
}

// Role makes a role that may log in with a password, a member of groups, and returns its name. It goes with the server.
func (s *Server) Role(t testing.TB, password string, groups ...string) (name string) {
	t.Helper()
	name = fmt.Sprintf("login%d", s.next())
	s.Exec(t, "postgres", fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", name, password))
	for _, group := range groups {
		s.Exec(t, "postgres", fmt.Sprintf("GRANT %q TO %s", group, name))
	}
	return name
}

// next returns a number that s has not given out.
func (s *Server) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers++
	return s.numbers
}
