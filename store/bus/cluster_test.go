package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A cluster is three servers, each a process. All connections to and between them pass proxies of the test, so that
// each can be cut or delayed, and addresses outlive a process; but for those of newClusterIn, which have a network.
type cluster struct {
	dirs      [3]string
	servers   [3]*process
	clients   [3]*proxy
	routes    [3][3]*proxy // from the first to the second
	addresses []string     // for clients, URLs
	admin     *Bus
}

// newCluster starts a cluster whose streams have three replicas. Bytes from one server to another take delay.
func newCluster(t *testing.T, delay time.Duration, dirs ...string) *cluster {
	t.Helper()
	c := &cluster{}
	for i := range c.servers {
		c.dirs[i] = serverDir(t)
		if i < len(dirs) {
			c.dirs[i] = dirs[i]
		}
		c.clients[i] = newProxy(t, "", 0)
		for j := range c.servers {
			c.routes[i][j] = newProxy(t, "", delay)
		}
	}
	for i := range c.servers {
		c.start(t, i)
	}
	for _, p := range c.clients {
		c.addresses = append(c.addresses, p.url())
	}
	c.arrange(t)
	return c
}

// arrange makes the stream of billing and the consumer of the storage host.
func (c *cluster) arrange(t *testing.T) {
	t.Helper()
	c.admin = connect(t, Remote{URL: c.url(), Name: "admin"})
	c.retry(t, "the streams", func(ctx context.Context) error {
		_, _, err := c.admin.Apply(ctx, c.plan())
		return err
	})
	c.retry(t, "the consumer", func(ctx context.Context) error { return soonAgain(ctx, c.admin) })
}

// plan returns what the tests want on c.
func (c *cluster) plan() HubPlan {
	return HubPlan{Plan: config("", 0, "billing").Plan, Replicas: 3, Readers: []Reader{{"billing", "store-archive1"}}}
}

// url returns the addresses of all servers.
func (c *cluster) url() string { return strings.Join(c.addresses, ",") }

// start starts server i, with the streams that it had.
func (c *cluster) start(t *testing.T, i int) {
	t.Helper()
	one := task{Name: fmt.Sprintf("n%d", i), Dir: c.dirs[i]}
	for j := range c.servers {
		if j != i {
			one.Routes = append(one.Routes, c.routes[i][j].listener.Addr().String())
		}
	}
	c.servers[i] = one.run(t)
	client, route, _ := strings.Cut(c.servers[i].line(t), " ")
	c.clients[i].set(client)
	for j := range c.servers {
		c.routes[j][i].set(route)
	}
}

// kill ends server i as kill -9 does.
func (c *cluster) kill(i int) {
	c.servers[i].kill()
	c.clients[i].set("")
	for j := range c.servers {
		c.routes[j][i].set("")
	}
}

// retry calls do, each time with a new time limit, until it succeeds.
func (c *cluster) retry(t *testing.T, what string, do func(context.Context) error) {
	t.Helper()
	for limit := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		err := do(ctx)
		stop()
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// soonAgain has what the storage host does not acknowledge delivered again after a second.
func soonAgain(ctx context.Context, admin *Bus) error {
	c := consumerConfig("store-archive1", false)
	c.AckWait = time.Second
	_, err := admin.stream.CreateOrUpdateConsumer(ctx, "CPNI_BILLING", c)
	return err
}

// leader returns which server leads the stream of billing.
func (c *cluster) leader(t *testing.T) (i int) {
	t.Helper()
	c.retry(t, "a leader", func(ctx context.Context) error {
		s, err := c.admin.stream.Stream(ctx, "CPNI_BILLING")
		if err != nil {
			return err
		}
		if info := s.CachedInfo().Cluster; info == nil || len(info.Leader) != 2 {
			return errors.New("none")
		}
		i = int(s.CachedInfo().Cluster.Leader[1] - '0')
		return nil
	})
	return i
}

// awaitCurrent waits until every server has all of the stream.
func (c *cluster) awaitCurrent(t *testing.T) {
	t.Helper()
	c.retry(t, "all servers current", func(ctx context.Context) error {
		s, err := c.admin.stream.Stream(ctx, "CPNI_BILLING")
		if err != nil {
			return err
		}
		info := s.CachedInfo().Cluster
		if info == nil || info.Leader == "" || len(info.Replicas) != 2 {
			return errors.New("no cluster")
		}
		for _, r := range info.Replicas {
			if !r.Current || r.Offline {
				return fmt.Errorf("%s is behind", r.Name)
			}
		}
		return nil
	})
}

// A journey is a load at an edge whose hub is a server or cluster, and the shelf of a storage host behind that.
type journey struct {
	*load
	shelf *shelf
	hub   *Bus
}

// newJourney begins to push and to keep. The edge and the storage host reach the hub at url.
func newJourney(t *testing.T, url string) *journey {
	t.Helper()
	edge := embedded(t, 0, "billing")
	j := &journey{newLoad(edge), newShelf(), connect(t, Remote{URL: url, Name: "edge"})}
	running(t, edge.Consumer("billing", "hub"), j.hub.Publisher())
	running(t, connect(t, Remote{URL: url, Name: "archive1"}).Consumer("billing", "store-archive1"), j.shelf)
	return j
}

// arrive waits until all that was put is confirmed by the hub and kept behind it, and wants it whole.
func (j *journey) arrive(t *testing.T) {
	t.Helper()
	limit := time.Now().Add(3 * time.Minute)
	for !confirmed(t, j.edge, "hub") || !j.whole() {
		if time.Now().After(limit) {
			lag, err := j.edge.Lag(t.Context(), "billing")
			t.Errorf("still on the way: %+v, %v", lag, err)
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	j.wantAll(t, j.shelf.bodies())
}

// whole reports whether the shelf has the last body of every call.
func (j *journey) whole() bool {
	have := j.shelf.bodies()
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, body := range j.want {
		if have[id] != body {
			return false
		}
	}
	return true
}

// full reports whether the long tests run.
func full() bool { return os.Getenv("SIPSIEVE_FULL") == "1" }

// rounds returns how often a test repeats what it does: as often as it is judged by, or n times in the gate.
func rounds(n int) int {
	if full() {
		return 20
	}
	return n
}

// TestAClusterGoesOnWithoutItsLeader kills the leader of the stream under 2,000 calls a second.
func TestAClusterGoesOnWithoutItsLeader(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	j := newJourney(t, c.url())
	stop := j.during(t)
	for range rounds(1) {
		c.awaitCurrent(t)
		i := c.leader(t)
		c.kill(i)
		c.retry(t, "another leader", func(context.Context) error {
			if next := c.leader(t); next == i {
				return errors.New("it is still the one that was killed")
			}
			return nil
		})
		c.start(t, i)
	}
	c.awaitCurrent(t)
	stop()
	j.arrive(t)
}

// TestAClusterGoesOnWithoutAServerThatIsCutOff takes the link of a server down, of the leader and of another: for 20 s, in
// which TCP connections stay, and for 45 s, in which clients give theirs up.
func TestAClusterGoesOnWithoutAServerThatIsCutOff(t *testing.T) {
	if !full() {
		t.Skip("SIPSIEVE_FULL=1 runs it")
	}
	t.Parallel()
	n := newNetwork(t)
	c := newClusterIn(t, n)
	j := newJourney(t, c.url())
	stop := j.during(t)
	for round := range 4 {
		c.awaitCurrent(t)
		i := (c.leader(t) + round%2) % 3
		n.link(t, i, "down")
		time.Sleep([]time.Duration{20 * time.Second, 45 * time.Second}[round/2])
		n.link(t, i, "up")
	}
	c.awaitCurrent(t)
	stop()
	j.arrive(t)
}

// TestAClusterFarApartKeepsUp has 200 ms between any two of its servers.
func TestAClusterFarApartKeepsUp(t *testing.T) {
	if !full() {
		t.Skip("SIPSIEVE_FULL=1 runs it")
	}
	t.Parallel()
	c := newCluster(t, 100*time.Millisecond)
	j := newJourney(t, c.url())
	began := time.Now()
	for range 100 { // 200 calls a second for 20 s
		j.put(t, 40)
		time.Sleep(time.Until(began.Add(time.Duration(j.next) * 5 * time.Millisecond)))
	}
	j.arrive(t)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("20 s of calls took %v", took)
	}
}

// TestAFullDiskOfAClusterLosesNothing has a leader whose disk has 32 MiB, puts more than that, and gives it room again.
func TestAFullDiskOfAClusterLosesNothing(t *testing.T) {
	if !full() {
		t.Skip("SIPSIEVE_FULL=1 runs it")
	}
	t.Parallel()
	small := filepath.Join(t.TempDir(), "small")
	mountSmall(t, small)
	c := newCluster(t, 0, small)
	j := newJourney(t, c.url())
	c.awaitCurrent(t)
	filler := filepath.Join(small, "filler")
	if err := os.WriteFile(filler, make([]byte, 30<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		j.put(t, 1000)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	c.kill(0)
	remountLarge(t, small)
	c.start(t, 0)
	for range 5 {
		j.put(t, 1000)
	}
	j.arrive(t)
	c.awaitCurrent(t)
}

// TestAHubThatIsKilledLosesNothing kills a hub of one server under 2,000 calls a second.
func TestAHubThatIsKilledLosesNothing(t *testing.T) {
	t.Parallel()
	dir, p := serverDir(t), newProxy(t, "", 0)
	hub := task{Name: "hub", Dir: dir}.run(t)
	address, _, _ := strings.Cut(hub.line(t), " ")
	p.set(address)
	admin := connect(t, Remote{URL: p.url()})
	reach(t, admin)
	err := errors.Join(admin.Arrange(t.Context(), config("", 0, "billing").Plan), soonAgain(t.Context(), admin))
	if err != nil {
		t.Fatal(err)
	}
	j := newJourney(t, p.url())
	stop := j.during(t)
	for range rounds(2) {
		before := len(j.shelf.bodies())
		await(t, newMemory(), "more calls behind the hub", func() bool { return len(j.shelf.bodies()) > before })
		hub.kill()
		p.set("")
		hub = task{Name: "hub", Dir: dir}.run(t)
		address, _, _ = strings.Cut(hub.line(t), " ")
		p.set(address)
	}
	stop()
	j.arrive(t)
}

// TestAStorageHostThatIsKilledKeepsEachRecordOnce has a process that kills itself between commit and acknowledgement, and
// in every other round just before the commit.
func TestAStorageHostThatIsKilledKeepsEachRecordOnce(t *testing.T) {
	t.Parallel()
	srv := natsServer(t, nil)
	admin := connect(t, Remote{URL: srv.ClientURL()})
	reach(t, admin)
	err := errors.Join(admin.Arrange(t.Context(), config("", 0, "billing").Plan), soonAgain(t.Context(), admin))
	if err != nil {
		t.Fatal(err)
	}
	l := newLoad(admin)
	dir := t.TempDir()
	for round := range rounds(2) {
		p := task{Hub: srv.ClientURL(), Store: dir, Early: round%2 == 1}.run(t)
		p.line(t)
		stop := l.during(t)
		<-p.ended
		stop()
	}
	kept := openStore(t, dir)
	stop := running(t, admin.Consumer("billing", "store-archive1"), kept)
	await(t, newMemory(), "all confirmed", func() bool { return confirmed(t, admin, "store-archive1") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	l.wantAll(t, rowsOf(t, kept))
}

// TestAHubFarAwayKeepsUpWithTheCalls has 400 ms from a question to its answer, and 200 calls a second of a minute that
// wait, of 10 s in the gate: they are at the hub and behind it within a minute.
func TestAHubFarAwayKeepsUpWithTheCalls(t *testing.T) {
	t.Parallel()
	srv := natsServer(t, nil)
	admin := connect(t, Remote{URL: srv.ClientURL()})
	reach(t, admin)
	if err := admin.Arrange(t.Context(), config("", 0, "billing").Plan); err != nil {
		t.Fatal(err)
	}
	j := newJourney(t, newProxy(t, srv.Addr().String(), 200*time.Millisecond).url())
	reach(t, j.hub)
	began, calls := time.Now(), 2000
	if full() {
		calls = 12_000
	}
	j.put(t, calls)
	j.arrive(t)
	took := time.Since(began)
	if t.Logf("%d calls in %v", calls, took); took > time.Minute { // one by one, or in small batches, it is many minutes
		t.Error("it does not keep up")
	}
}
