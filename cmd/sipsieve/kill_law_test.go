package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/store/bus"
)

// A killLaw is a host whose keepers come and go, whose spool is damaged while it is down, and whose daemon is killed at any
// time, with what its keepers must have in the end: each record of billing once, or lost in one record of a loss.
type killLaw struct {
	*rotation
	*rand.Rand
	hub    *hub
	hubUp  bool
	daemon *process // nil while it is down

	keeps map[string]bool            // by place: configured now
	may   map[string]map[string]bool // by place: ids of records that were confirmed by all others before it was a keeper

	wreck     *wreck // the damage that no start has taken note of; nil without any
	destroyed map[string]entry
	announced uint64 // records that the records of losses must count

	steps []string // what was done, for the log of a test that fails
}

// newKillLaw returns a host that has read nothing.
func newKillLaw(t *testing.T, seed uint64, calls int) *killLaw {
	t.Helper()
	frames := capturetest.Corpus(calls, seed)
	recent := time.Now().Add(-time.Hour).Truncate(time.Hour).Sub(frames[0].Time)
	var files [][]byte
	for len(frames) > 0 {
		n := 0
		for n < len(frames) && frames[n].Time.Sub(frames[0].Time) < 4*time.Second {
			n++
		}
		for i := range frames[:n] {
			frames[i].Time = frames[i].Time.Add(recent)
		}
		files, frames = append(files, pcapFile(t, frames[:n])), frames[n:]
	}
	l := &killLaw{rotation: newRotation(t, files), Rand: rand.New(rand.NewPCG(seed, 9)), hub: newHub(t),
		keeps: map[string]bool{daemon.PlaceStore: true}, destroyed: map[string]entry{},
		may: map[string]map[string]bool{daemon.PlaceStore: {}, daemon.PlaceHub: {}}}
	l.write(t)
	l.hub.up(t)
	l.arrange(t, bus.Remote{URL: l.hub.url()})
	l.hubUp = true
	return l
}

// lawDisk is the room of the spool: its streams are purged for want of room, and none is ever full.
const lawDisk = "6MiB"

// write writes the configuration with the keepers of now.
func (l *killLaw) write(t *testing.T) {
	t.Helper()
	l.follows(t, l.folder)
	l.changes(t, "[bus]\n", fmt.Sprintf("[bus]\ndisk = %q\n", lawDisk))
	if !l.keeps[daemon.PlaceStore] {
		l.changes(t, "[store]\ntype = \"sqlite\"\n", "")
	}
	if l.keeps[daemon.PlaceHub] {
		l.pushesTo(t, l.hub.url())
	}
}

// step does one thing while the daemon is down.
func (l *killLaw) step(t *testing.T) {
	t.Helper()
	switch l.IntN(6) {
	case 0, 1:
		l.damage(t)
	case 2:
		l.changeKeepers(t)
	case 3:
		l.note("hub up: %v", !l.hubUp)
		if l.hubUp {
			l.hub.down()
		} else {
			l.hub.up(t)
		}
		l.hubUp = !l.hubUp
	case 4, 5:
		l.load(t)
	}
}

// load puts files into the folder.
func (l *killLaw) load(t *testing.T) {
	t.Helper()
	n := 1 + l.IntN(4)
	l.note("load %d files behind %d", n, l.put)
	l.grow(t, n)
}

// run starts the daemon and ends it: while it starts or mends, while it reads, or when it has read everything.
func (l *killLaw) run(t *testing.T) {
	t.Helper()
	l.expect(t)
	sig, how := syscall.SIGKILL, l.IntN(5)
	l.daemon = l.start(t)
	switch how {
	case 0: // any moment of the start
		time.Sleep(time.Duration(l.IntN(400)) * time.Millisecond)
	case 1: // the middle of the mending, if there is any
		for !l.isMending() && l.running() {
			if _, err := l.reported(t.Context()); err == nil {
				break
			}
		}
		time.Sleep(time.Duration(l.IntN(8)) * time.Millisecond)
	case 2:
		l.up(t)
		l.load(t)
		time.Sleep(time.Duration(l.IntN(700)) * time.Millisecond)
	default:
		l.up(t)
		if l.IntN(2) == 0 {
			l.load(t)
		}
		l.await(t, "all is read", func(s *daemon.Status) bool { return s.Sources[0].State == daemon.StateWaiting && l.allRead(t) })
		if how == 4 {
			sig = syscall.SIGTERM
		}
	}
	l.note("run %d, %v", how, sig)
	code := l.daemon.stop(t, sig)
	if want := map[syscall.Signal]int{syscall.SIGKILL: -1, syscall.SIGTERM: 0}[sig]; code != want {
		t.Fatalf("exit code = %d, want %d: %s\n%s", code, want, strings.Join(l.steps, "; "), l.daemon.stderr.String())
	}
	l.daemon = nil
	l.settle(t, how > 1)
}

// running reports whether the daemon has not ended by itself.
func (l *killLaw) running() bool { return l.daemon.Process.Signal(syscall.Signal(0)) == nil }

// note keeps what is done.
func (l *killLaw) note(format string, v ...any) { l.steps = append(l.steps, fmt.Sprintf(format, v...)) }

// changeKeepers adds or removes one of the keepers, of which one stays. One that is added must get what is not confirmed by
// all others, and has what it had before.
func (l *killLaw) changeKeepers(t *testing.T) {
	t.Helper()
	place, other := daemon.PlaceStore, daemon.PlaceHub
	if !l.keeps[other] || l.keeps[place] && l.IntN(2) == 0 {
		place, other = other, place
	}
	if l.wreck != nil && l.wreck.started {
		return // whom the damage costs what is being worked out
	}
	l.keeps[place] = !l.keeps[place]
	l.note("%s: %v", place, l.keeps[place])
	l.write(t)
	if !l.keeps[place] {
		return
	}
	spool, mine := l.spool(t), l.kept(t, place)
	may := map[string]bool{}
	for id := range l.kept(t, other) {
		if _, have := mine[id]; !have {
			may[id] = true
		}
	}
	for seq, e := range spool.entries {
		if seq >= spool.needed(l.keepers()) {
			delete(may, e.ID)
		}
	}
	l.may[place] = may
}

// keepers returns the names of the durable consumers that keep.
func (l *killLaw) keepers() (names []string) {
	for place, name := range map[string]string{daemon.PlaceStore: "store-sensor-1", daemon.PlaceHub: "hub"} {
		if l.keeps[place] {
			names = append(names, name)
		}
	}
	return names
}

// kept returns the records of billing that a place has, by id.
func (l *killLaw) kept(t *testing.T, place string) map[string]string {
	t.Helper()
	if place == daemon.PlaceStore {
		if l.keeps[place] {
			return l.stored(t)
		}
		l.keeps[place] = true // whoever asks the store needs it in the configuration
		l.write(t)
		defer func() { l.keeps[place] = false; l.write(t) }()
		return l.stored(t)
	}
	if !l.hubUp {
		l.hub.up(t)
		defer l.hub.down()
	}
	rows := map[string]string{}
	for _, m := range hubStream(t, l.hub.now) {
		rows[entryOf(t, []byte(m.body)).ID] = m.body
	}
	return rows
}

// An entry is what the law needs of a record.
type entry struct {
	ID, Kind string
	Count    uint64 // of a loss
}

func entryOf(t *testing.T, body []byte) (e entry) {
	t.Helper()
	if err := json.Unmarshal(body, &e); err != nil || e.ID == "" {
		t.Fatalf("no record: %v", err)
	}
	return e
}

// ends brings all keepers to their end and compares what they have with what there is.
func (l *killLaw) ends(t *testing.T) {
	t.Helper()
	for _, place := range []string{daemon.PlaceStore, daemon.PlaceHub} {
		for !l.keeps[place] {
			if l.wreck != nil && l.wreck.started {
				l.run(t)
			}
			l.changeKeepers(t)
		}
	}
	if !l.hubUp {
		l.hub.up(t)
		l.hubUp = true
	}
	l.expect(t)
	l.grow(t, len(l.files))
	l.daemon = l.start(t)
	l.up(t)
	storage := l.storageHost(t)
	q := storage.start(t)
	storage.up(t)
	until(t, "the announcements", func() bool {
		_, err := os.Stat(filepath.Join(l.dir, "state", "bus", "damages"))
		return os.IsNotExist(err)
	})
	l.finished(t)
	l.atHub(t)
	until(t, "all at the storage host", func() bool { return storage.keeper(t, daemon.PlaceStore).Behind == 0 })
	for _, p := range []*process{l.daemon, q} {
		if code := p.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
		}
	}
	l.settle(t, true)
	l.judge(t, map[string]map[string]string{daemon.PlaceStore: l.stored(t), daemon.PlaceHub: storage.stored(t)})
}

// judge compares what the places have with the records of all files.
func (l *killLaw) judge(t *testing.T, has map[string]map[string]string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(l.folder, "*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	want := records(t, slices.Concat([]string{"replay", "--config", l.config, "--purpose", "billing"}, paths)...)
	counted, losses := uint64(0), map[string]uint64{}
	for place, rows := range has {
		for id, text := range rows {
			if e := entryOf(t, []byte(text)); e.Kind == "loss" {
				losses[id] = e.Count
				want[id] = text
				if !strings.Contains(text, `"reason":"damaged"`) {
					t.Errorf("%s: a loss for another reason: %s", place, text)
				}
			} else if want[id] == "" {
				t.Errorf("%s has a record that no call gives: %s", place, text)
			}
		}
	}
	for _, n := range losses {
		counted += n
	}
	for id, e := range l.destroyed { // a record of a loss that was lost itself
		if _, seen := losses[id]; e.Kind == "loss" && !seen {
			counted += e.Count
		}
	}
	lost := 0
	for place, rows := range has {
		for id, text := range want {
			_, destroyed := l.destroyed[id]
			switch got := rows[id]; {
			case got == text, l.may[place][id] && got == "":
			case destroyed:
				lost++
			default:
				t.Errorf("%s: record:\n got %s\nwant %s", place, got, text)
			}
		}
	}
	if counted != l.announced {
		t.Errorf("%d records of losses count %d records, want %d", len(losses), counted, l.announced)
	}
	t.Logf("%d records, %d destroyed, %d announced, %d not in a place", len(want), len(l.destroyed), l.announced, lost)
	if t.Failed() {
		t.Log(strings.Join(l.steps, "; "))
	}
}

// TestWhateverIsKilledEachRecordIsKeptOrAnnounced has random loads, damages, keepers and kills.
func TestWhateverIsKilledEachRecordIsKeptOrAnnounced(t *testing.T) {
	t.Parallel()
	if os.Getenv("SIPSIEVE_FULL") == "" {
		t.Skip("SIPSIEVE_FULL=1 runs it")
	}
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := newKillLaw(t, seed, 200)
			for range 12 {
				for range 1 + l.IntN(3) {
					l.step(t)
				}
				l.run(t)
			}
			l.ends(t)
		})
	}
}
