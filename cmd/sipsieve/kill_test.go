package main

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/cmd/sipsieve/daemon"
)

// A published is what has to be known of a record's body to say which of two stays.
type published struct {
	ID, Status             string
	Revision, Completeness int
	text                   string
}

// readPublished reads a body.
func readPublished(t *testing.T, text string) (b published) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &b); err != nil || b.ID == "" {
		t.Errorf("no record: %v", err)
	}
	b.text = text
	return b
}

// better reports whether b, published later by the same sensor, stays in the place of old.
func (b published) better(old published) bool {
	rank := map[string]int{"evicted": 1, "partial": 2, "complete": 3}
	switch {
	case b.Revision != old.Revision:
		return b.Revision > old.Revision
	case b.Status != old.Status:
		return rank[b.Status] > rank[old.Status]
	}
	return b.Completeness >= old.Completeness
}

// acknowledged are the records of billing that a daemon has printed, which it does when the spool has acknowledged them.
type acknowledged struct {
	best  map[string]published // by id
	lines int
}

// end sends sig to a daemon and takes what it had printed.
func (a *acknowledged) end(t *testing.T, p *process, sig syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	for line := range p.lines {
		if !strings.HasSuffix(line, "}") {
			continue // the kill came in the middle of it
		}
		a.lines++
		b := readPublished(t, line)
		if old, ok := a.best[b.ID]; !ok || b.better(old) {
			a.best[b.ID] = b
		}
	}
	_ = p.Wait()
}

// wantIn compares with what the store of s has: each record once, as it was acknowledged last or, if the kill came
// between the spool and the print, better.
func (a *acknowledged) wantIn(t *testing.T, s *site) {
	t.Helper()
	out, err := exec.Command(binary(t), "query", "--config", s.config, "--purpose", "billing", "--request", "test-1").Output()
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]published{}
	for line := range strings.Lines(string(out)) {
		b := readPublished(t, strings.TrimSuffix(line, "\n"))
		if _, twice := kept[b.ID]; twice {
			t.Error("an id stands twice")
		}
		kept[b.ID] = b
	}
	lost, stale := 0, 0
	for id, want := range a.best {
		switch got, ok := kept[id]; {
		case !ok:
			lost++
		case got.text != want.text && !got.better(want):
			stale++
		}
	}
	if lost > 0 || stale > 0 || len(a.best) == 0 {
		t.Errorf("of %d records %d are lost, %d have an older body; the store has %d", len(a.best), lost, stale, len(kept))
	}
	t.Logf("%d records acknowledged, of %d calls; the store has %d", a.lines, len(a.best), len(kept))
}

// flood mirrors calls to address until stop is called, 500 a second, of which each is up for about 6 s: with the shipped
// policy they give more than 2,000 records a second. What no daemon is there for is lost.
func flood(t *testing.T, address string) (stop func()) {
	t.Helper()
	const faster = 10 // than a corpus
	end := make(chan struct{})
	var senders sync.WaitGroup
	send := func(frames []capturetest.Frame) {
		packets := packetsOf(t, pcapFile(t, frames))
		conn, err := net.Dial("udp", address)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		began := time.Now()
		for i := range packets {
			select {
			case <-end:
				return
			case <-time.After(time.Until(began.Add(packets[i].Time.Sub(packets[0].Time) / faster))):
			}
			_, _ = conn.Write(mirrored(&packets[i])) // refused while no daemon listens
		}
	}
	senders.Go(func() {
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for seed := uint64(1); ; seed++ {
			frames := capturetest.Corpus(1000, seed)
			senders.Go(func() { send(frames) })
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	})
	return sync.OnceFunc(func() { close(end); senders.Wait() })
}

// TestADaemonThatIsKilledUnderLoadKeepsEachRecordOnce kills the daemon 20 times under more than 2,000 records a second
// of all purposes. What it had acknowledged is in the store once.
func TestADaemonThatIsKilledUnderLoadKeepsEachRecordOnce(t *testing.T) {
	if os.Getenv("SIPSIEVE_FULL") == "" {
		t.Skip("SIPSIEVE_FULL=1 runs it")
	}
	t.Parallel()
	f := newFeeder(t, threeCalls, "show = \"billing\"\n")
	stop := flood(t, f.address)
	defer stop()
	all := &acknowledged{best: map[string]published{}}
	random, made, up := rand.New(rand.NewPCG(3, 20)), uint64(0), time.Duration(0)
	for range 20 {
		p := f.begin(t)
		began := time.Now()
		f.await(t, "calls that end", func(r *daemon.Status) bool { return r.Ledger.Excerpts["billing"].Acknowledged > 500 })
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		for _, x := range f.status(t).Ledger.Excerpts {
			made += x.Acknowledged
		}
		up += time.Since(began)
		all.end(t, p, syscall.SIGKILL)
	}
	stop()
	p := f.begin(t)
	f.await(t, "all in the store", func(r *daemon.Status) bool { return !underWay(r) })
	all.end(t, p, syscall.SIGTERM)
	t.Logf("%.0f records acknowledged a second while the daemon was up", float64(made)/up.Seconds())
	all.wantIn(t, f.site)
}
