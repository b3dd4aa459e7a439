package bus

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/postgres"
	"sipsieve/store/sqlite"
)

// taskVariable has what this test binary does as a process that a test kills, in JSON; unset for the tests.
const taskVariable = "SIPSIEVE_BUS_TASK"

// Ports of a server that has an address of its own.
const clientPort, clusterPort = 4222, 6222

// A task is what such a process does: a NATS server, or a storage host if it has a Store.
type task struct {
	Name   string   // of the server
	Dir    string   // of its streams
	Routes []string // host:port of the servers of its cluster; none for a server alone

	Namespace string // of the network, in which it listens on Host at clientPort and clusterPort; "" for loopback, any port
	Host      string

	Hub      string // URL
	Store    string // folder of an SQLite store; the process kills itself at the third commit
	Database string // likewise URL of a PostgreSQL store
	Early    bool   // before that commit; else between it and its acknowledgement
}

func TestMain(m *testing.M) {
	if text := os.Getenv(taskVariable); text != "" {
		var t task
		err := json.Unmarshal([]byte(text), &t)
		if err == nil && (t.Store != "" || t.Database != "") {
			err = t.keep()
		} else if err == nil {
			err = t.serve()
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve runs the server until the process is killed, and prints host:port for clients and for its cluster.
func (t task) serve() error {
	opts := &server.Options{ServerName: t.Name, Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true,
		StoreDir: t.Dir, NoSigs: true, NoLog: true}
	if t.Routes != nil {
		opts.Cluster = server.ClusterOpts{Name: "hub", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoAdvertise: true, PoolSize: -1}
		for _, r := range t.Routes {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats", Host: r})
		}
	}
	if t.Host != "" {
		opts.Host, opts.Port, opts.Cluster.Host, opts.Cluster.Port = t.Host, clientPort, t.Host, clusterPort
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	srv.Start()
	if !srv.ReadyForConnections(time.Minute) {
		return fmt.Errorf("the server does not start")
	}
	cluster := "none"
	if t.Routes != nil {
		cluster = srv.ClusterAddr().String()
	}
	fmt.Println(srv.Addr(), cluster)
	select {}
}

// keep brings what the hub has into the store until the process kills itself.
func (t task) keep() error {
	var into store.Sink
	var err error
	if t.Database != "" {
		into, err = postgres.Open(postgres.Config{Login: postgres.Login{URL: t.Database}})
	} else {
		into, err = sqlite.Open(sqlite.Config{Dir: t.Store})
	}
	if err != nil {
		return err
	}
	hub, err := Connect(Remote{URL: t.Hub})
	if err != nil {
		return err
	}
	fmt.Println("running")
	return hub.Consumer("billing", "store-archive1").Run(context.Background(), &suicide{Sink: into, early: t.Early})
}

// A suicide is a Sink that kills its process at the third commit, just before it or just after.
type suicide struct {
	store.Sink
	early   bool
	commits int
}

func (s *suicide) Put(ctx context.Context, xs []policy.Excerpt) error {
	s.commits++
	if s.commits == 3 && s.early {
		s.die()
	}
	err := s.Sink.Put(ctx, xs)
	if s.commits == 3 && err == nil {
		s.die()
	}
	return err
}

func (s *suicide) die() {
	self, _ := os.FindProcess(os.Getpid())
	_ = self.Kill()
	select {}
}

// A process is this test binary at a task.
type process struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	ended  chan struct{}
}

// run starts a process, and ends it with the test.
func (t task) run(tb testing.TB) *process {
	tb.Helper()
	text, err := json.Marshal(t)
	if err != nil {
		tb.Fatal(err)
	}
	p := &process{cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	if t.Namespace != "" { // ip becomes the program that it starts
		p.cmd = exec.Command("ip", "netns", "exec", t.Namespace, os.Args[0])
	}
	p.cmd.Env = append(os.Environ(), taskVariable+"="+string(text))
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	tb.Cleanup(p.kill)
	return p
}

// line returns the next line that p prints, without its end.
func (p *process) line(tb testing.TB) (line string) {
	tb.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		tb.Fatalf("a process printed nothing: %v", err)
	}
	return line[:len(line)-1]
}

// kill ends p as kill -9 does, and returns when it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// A load publishes calls of billing at an edge: the number of a call is its place, and every tenth call gets a second
// revision later.
type load struct {
	edge *Bus
	mu   sync.Mutex
	want map[string]string // id to the last body
	next int
}

func newLoad(edge *Bus) *load { return &load{edge: edge, want: map[string]string{}} }

// put publishes n calls more, and returns when they are acknowledged.
func (l *load) put(tb testing.TB, n int) {
	tb.Helper()
	xs := calls(tb, "billing", l.next, l.next+n)
	for again := max(0, l.next-n); again < l.next; again += 10 {
		xs = append(xs, revised(tb, again))
	}
	if err := l.edge.Publisher().Put(context.Background(), xs); err != nil {
		tb.Errorf("the edge does not take its own: %v", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next += n
	for _, x := range xs {
		l.want[x.ID] = string(x.Body())
	}
}

// during publishes calls, 2,000 a second, until stop is called, which returns when the last are acknowledged.
func (l *load) during(tb testing.TB) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				l.put(tb, 100)
			}
		}
	}()
	return sync.OnceFunc(func() { close(end); <-ended })
}

// revised returns the second revision of call n.
func revised(tb testing.TB, n int) policy.Excerpt {
	tb.Helper()
	first := string(call(tb, "billing", "s1", n).Body())
	x, err := policy.Received([]byte(strings.Replace(first, `"revision":1`, `"revision":2`, 1)))
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

// A shelf is a Sink that keeps of each id what Replaces prefers.
type shelf struct {
	mu   sync.Mutex
	kept map[string]policy.Excerpt
}

func newShelf() *shelf { return &shelf{kept: map[string]policy.Excerpt{}} }

func (s *shelf) Put(_ context.Context, xs []policy.Excerpt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range xs {
		if old, ok := s.kept[x.ID]; !ok || store.Replaces(x, old) {
			s.kept[x.ID] = x
		}
	}
	return nil
}

// bodies returns what s has by id.
func (s *shelf) bodies() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	texts := map[string]string{}
	for id, x := range s.kept {
		texts[id] = string(x.Body())
	}
	return texts
}

// wantAll compares what was put with what a store has by id.
func (l *load) wantAll(tb testing.TB, have map[string]string) {
	tb.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	lost, stale := 0, 0
	for id, body := range l.want {
		switch got, ok := have[id]; {
		case !ok:
			lost++
		case got != body:
			stale++
		}
	}
	if lost > 0 || stale > 0 || len(have) != len(l.want) {
		tb.Errorf("of %d calls %d are lost, %d have an older body, %d are kept", len(l.want), lost, stale, len(have))
		return
	}
	tb.Logf("%d calls, each once", len(l.want))
}
