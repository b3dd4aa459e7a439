package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store/bus"
	"sipsieve/store/policy"
)

// asConsumer is set for a process of this test binary that is the consumer.
const asConsumer = "SIPSIEVE_EXAMPLE_CONSUMER"

func TestMain(m *testing.M) {
	if os.Getenv(asConsumer) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A hub is a server with the stream of billing, the durable consumer of rating, and two users: rating has the
// permissions of an audience, mute lacks that of acknowledging.
type hub struct {
	*bus.Bus
	js       jetstream.JetStream
	stream   jetstream.Stream
	addr, db string
}

func newHub(t *testing.T) *hub {
	t.Helper()
	may := []string{"$JS.API.CONSUMER.INFO.CPNI_BILLING.rating", "$JS.API.CONSUMER.MSG.NEXT.CPNI_BILLING.rating"}
	user := func(name string, publish ...string) *server.User {
		return &server.User{Username: name, Password: "secret", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: publish},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_rating.>"}}}}
	}
	dir := serverDir(t)
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: filepath.Join(dir, "hub"), Users: []*server.User{{Username: "admin", Password: "secret"},
			user("mute", may...), user("rating", append(may, "$JS.ACK.CPNI_BILLING.rating.>")...)}})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	h := &hub{addr: srv.Addr().String(), db: filepath.Join(dir, "billing.db")}
	if h.Bus, err = bus.Connect(bus.Remote{URL: h.addr, User: "admin", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	plan := bus.HubPlan{Plan: bus.Plan{DiskLimit: 1 << 24, Streams: []bus.StreamConfig{{Purpose: "billing"}}},
		Readers: []bus.Reader{{Purpose: "billing", Name: "rating"}}}
	if _, _, err := h.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect(h.addr, nats.UserInfo("admin", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if h.js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	if h.stream, err = h.js.Stream(t.Context(), "CPNI_BILLING"); err != nil {
		t.Fatal(err)
	}
	return h
}

// serverDir returns a folder for a server's streams. The server may still remove what it staged when the test ends,
// which t.TempDir takes for an error.
func serverDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sipsieve-consumer")
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

// excerpt returns a revision of call n as a sensor publishes it at a number of its spool, 0 for none.
func excerpt(t *testing.T, sensor string, n, revision, number int) policy.Excerpt {
	t.Helper()
	x, err := policy.Received(fmt.Appendf(nil, `{"schema":"sipsieve.call/1","kind":"call","stage":"stop",`+
		`"id":"call%022d","revision":%d,"status":"complete","missing":[],"completeness":100,"purpose":"billing",`+
		`"policy":"0123456789abcdef","class":"cpni","expires":"2999-11-24","site":"dfw1","sensor":"%s",`+
		`"source":"interface","duration_ms":%d}`,
		n, revision, sensor, 1000*revision))
	if err != nil {
		t.Fatal(err)
	}
	if number > 0 {
		x.Published = policy.Sequence{Stream: 1_795_000_000_000_000_000, Number: uint64(number)}
	}
	return x
}

func (h *hub) put(t *testing.T, xs ...policy.Excerpt) {
	t.Helper()
	if err := h.Publisher().Put(t.Context(), xs); err != nil {
		t.Fatal(err)
	}
}

// A process is the consumer; its stderr is to be read when it has ended.
type process struct {
	*exec.Cmd
	stderr bytes.Buffer
}

func (h *hub) start(t *testing.T, user string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], "-url", "nats://"+user+":secret@"+h.addr, "-inbox", "_INBOX_rating",
		"-db", h.db)}
	p.Env, p.Stderr = append(os.Environ(), asConsumer+"=1"), &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	return p
}

// stop ends the process and returns what it printed.
func (p *process) stop(t *testing.T, s syscall.Signal) string {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil && s != syscall.SIGKILL {
		t.Errorf("the consumer: %v\n%s", err, p.stderr.String())
	}
	return p.stderr.String()
}

// rows returns what the database answers, a line a row; "" while its tables are not there.
func (h *hub) rows(t *testing.T, query string) string {
	t.Helper()
	if _, err := os.Stat(h.db); err != nil {
		return ""
	}
	db, err := sql.Open("sqlite", "file:"+h.db+"?mode=ro&_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var text sql.NullString
	if err := db.QueryRow("SELECT group_concat(line, char(10)) FROM (SELECT " + query + ")").Scan(&text); err != nil {
		return ""
	}
	return text.String
}

const gaps = "format('%s %d-%d', sensor, first, last) AS line FROM gap ORDER BY sensor, first"

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a minute without %s", what)
		}
	}
}

// acknowledged waits until everything of the stream is.
func (h *hub) acknowledged(t *testing.T) {
	t.Helper()
	until(t, "everything acknowledged", func() bool {
		c, err := h.stream.Consumer(t.Context(), "rating")
		if err != nil {
			t.Fatal(err)
		}
		info := c.CachedInfo()
		return info.NumPending == 0 && info.NumAckPending == 0
	})
}

// TestEachRecordIsThereOnceAndGapsAreNamed kills the consumer between commit and acknowledgement. Number 7 of s1 is
// removed from the hub before it comes.
func TestEachRecordIsThereOnceAndGapsAreNamed(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	const calls = 600
	var xs []policy.Excerpt
	for n := range calls {
		xs = append(xs, excerpt(t, "s1", n, 1, n+1))
	}
	h.put(t, xs...)
	h.put(t, excerpt(t, "s1", 3, 3, calls+1), excerpt(t, "s1", 3, 2, calls+2), // a correction that an older one follows
		excerpt(t, "s0", 4, 1, 1), excerpt(t, "s2", 5, 1, 1)) // of two sensors that saw one call, the lower name
	if err := h.stream.DeleteMsg(t.Context(), 7); err != nil {
		t.Fatal(err)
	}

	mute := h.start(t, "mute")
	until(t, "a first commit", func() bool { return h.rows(t, "count(*) AS line FROM record HAVING count(*) > 0") != "" })
	mute.stop(t, syscall.SIGKILL)
	h.redeliverSoon(t)
	p := h.start(t, "rating")
	h.acknowledged(t)
	text := p.stop(t, syscall.SIGTERM)

	want := fmt.Sprintf("%d records of %d ids, %d revisions", calls-1, calls-1, calls+1)
	if got := h.rows(t, "format('%d records of %d ids, %d revisions', count(*), count(DISTINCT id), sum(revision)) "+
		"AS line FROM record"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want = "s1 3 3000\ns0 1 1000\ns1 1 1000"
	if got := h.rows(t, "format('%s %d %d', sensor, revision, body ->> 'duration_ms') AS line FROM record "+
		"WHERE CAST(substr(id, 5) AS INTEGER) BETWEEN 3 AND 5 ORDER BY id"); got != want {
		t.Errorf("calls 3 to 5:\n%s\nwant\n%s", got, want)
	}
	if got := h.rows(t, gaps); got != "s1 7-7" {
		t.Errorf("gaps %q, want 7 of s1", got)
	}
	if !strings.Contains(text, "gap: sensor s1, spool 2026-11-18T11:06:40.000000000Z: 7 to 7 are missing") {
		t.Errorf("it printed\n%s\nwant the gap, also after a restart", text)
	}
}

// redeliverSoon has the server deliver again, after half a second, what a process did not acknowledge.
func (h *hub) redeliverSoon(t *testing.T) {
	t.Helper()
	c, err := h.stream.Consumer(t.Context(), "rating")
	if err != nil {
		t.Fatal(err)
	}
	config := c.CachedInfo().Config
	config.AckWait = 500 * time.Millisecond
	if _, err := h.stream.UpdateConsumer(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

// TestWhatComesLateClosesItsGap has another process take what comes first, and give it back. Messages of a spool have
// no numbers of their own.
func TestWhatComesLateClosesItsGap(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]int{"hub": 1, "spool": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			for n := range 9 {
				h.put(t, excerpt(t, "s1", n, 1, step*(n+1)))
			}
			other, err := h.stream.Consumer(t.Context(), "rating")
			if err != nil {
				t.Fatal(err)
			}
			taken, err := other.Fetch(5, jetstream.FetchMaxWait(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			var messages []jetstream.Msg
			for m := range taken.Messages() {
				messages = append(messages, m)
			}
			p := h.start(t, "rating")
			until(t, "the gap", func() bool { return h.rows(t, gaps) == "s1 1-5" })
			if err := messages[2].Nak(); err != nil {
				t.Fatal(err)
			}
			until(t, "a gap of two parts", func() bool { return h.rows(t, gaps) == "s1 1-2\ns1 4-5" })
			for _, m := range slices.Delete(messages, 2, 3) {
				if err := m.Nak(); err != nil {
					t.Fatal(err)
				}
			}
			h.acknowledged(t)
			if text := p.stop(t, syscall.SIGTERM); h.rows(t, gaps) != "" || !strings.HasSuffix(text, "no gap\n") {
				t.Errorf("gaps %q, and it printed\n%s\nwant none in the end", h.rows(t, gaps), text)
			}
		})
	}
}
