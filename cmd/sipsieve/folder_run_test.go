package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"
	"slices"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/checkpoint"
)

// otherCourses is what a corpus does not have: calls that are refused, cancelled, redirected and forked, a call over
// TCP, registrations, and two legs of one call.
const otherCourses = `
callid refused
00:01.000  alice -> bob   INVITE
00:01.900  alice <- bob   486
00:02.100  alice -> bob   ACK
callid cancelled
00:03.000  alice -> carol  INVITE
00:03.200  alice <- carol  180
00:09.000  alice -> carol  CANCEL
00:09.010  alice <- carol  200 CANCEL
00:09.020  alice <- carol  487 INVITE
00:09.030  alice -> carol  ACK
callid forked
00:10.000  alice -> bob   INVITE
00:10.100  alice <- bob   180 tag=one
00:10.200  alice <- bob   180 tag=two
00:15.000  alice <- bob   200 INVITE tag=one
00:15.020  alice -> bob   ACK tag=one
00:15.100  alice <- bob   200 INVITE tag=two
00:15.120  alice -> bob   ACK tag=two
00:16.000  alice -> bob   BYE tag=one
00:16.040  alice <- bob   200 BYE tag=one
00:48.500  alice -> bob   BYE tag=two
00:48.540  alice <- bob   200 BYE tag=two
callid
00:20.000  dave -> reg    REGISTER
00:20.100  dave <- reg    401
00:20.200  dave -> reg    REGISTER
00:20.300  dave <- reg    200
00:50.000  dave -> reg    REGISTER
00:50.100  dave <- reg    200
transport tcp
mtu 600
callid streamed
00:21.000  erin -> frank   INVITE sdp
    Subject: a line that makes this message longer than one segment of six hundred bytes, and it does so by itself
00:21.500  erin <- frank   180
00:25.000  erin <- frank   200 INVITE sdp
00:25.100  erin -> frank   ACK
00:55.000  erin <- frank   BYE
00:55.100  erin -> frank   200 BYE
`

// rotated returns the frames of a minute and more, one in twenty behind its place, in files of two seconds each as
// dumpcap writes them.
func rotated(t *testing.T, calls int) (files [][]byte) {
	t.Helper()
	frames := capturetest.Corpus(calls, 8)
	others, err := capturetest.Ladder([]byte(otherCourses))
	if err != nil {
		t.Fatal(err)
	}
	frames = append(frames, others...)
	late, random := map[time.Time]time.Duration{}, rand.New(rand.NewPCG(1, 20)) // as dumpcap writes two interfaces
	for i := range frames {
		if random.IntN(20) == 0 {
			late[frames[i].Time] = time.Duration(random.Int64N(int64(700 * time.Millisecond)))
		}
	}
	slices.SortStableFunc(frames, func(a, b capturetest.Frame) int {
		return a.Time.Add(late[a.Time]).Compare(b.Time.Add(late[b.Time]))
	})
	recent := time.Now().Add(-time.Hour).Truncate(time.Hour).Sub(frames[0].Time) // so that no purpose has it expired
	for i := range frames {
		frames[i].Time = frames[i].Time.Add(recent)
	}
	for len(frames) > 0 {
		n := 1
		for n < len(frames) && frames[n].Time.Sub(frames[0].Time) < 2*time.Second {
			n++
		}
		files = append(files, pcapFile(t, frames[:n]))
		frames = frames[n:]
	}
	return files
}

// A rotation is a site whose folder gets one file after the other.
type rotation struct {
	*site
	folder string
	files  [][]byte
	put    int
}

func newRotation(t *testing.T, files [][]byte) *rotation {
	t.Helper()
	s := newSite(t, 1)
	r := &rotation{site: s, folder: filepath.Join(s.dir, "captures"), files: files}
	if err := os.Mkdir(r.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s.follows(t, r.folder)
	return r
}

// grow puts the next n files into the folder.
func (r *rotation) grow(t *testing.T, n int) {
	t.Helper()
	for ; n > 0 && r.put < len(r.files); n-- {
		path := filepath.Join(r.folder, fmt.Sprintf("eth0-%03d.pcap", r.put))
		old := time.Now().Add(-time.Minute)
		if err := os.WriteFile(path+".part", r.files[r.put], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path+".part", old, old); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".part", path); err != nil {
			t.Fatal(err)
		}
		r.put++
	}
}

// finished waits until all files are read, by the checkpoint log, and everything is stored and for a second no more comes.
func (r *rotation) finished(t *testing.T) {
	t.Helper()
	steady, last := 0, ""
	for limit := time.Now().Add(2 * patience); steady < 10; time.Sleep(100 * time.Millisecond) {
		report, err := r.reported(t.Context())
		if err != nil {
			continue
		}
		now := fmt.Sprint(report.Records, report.Ledger.Packets.Seen, report.Journal)
		if steady++; now != last || report.Sources[0].State != daemon.StateWaiting || underWay(&report) || !r.allRead(t) {
			steady, last = 0, now
		}
		if report.Balance != "balanced" {
			t.Errorf("balance = %s", report.Balance)
		}
		if time.Now().After(limit) {
			t.Fatalf("the folder is never read: %s", now)
		}
	}
}

// underWay reports whether excerpts are on their way to the bus or to the store.
func underWay(r *daemon.Status) bool {
	for _, x := range r.Ledger.Excerpts {
		if x.Pending > 0 {
			return true
		}
	}
	return slices.ContainsFunc(r.Bus, func(b daemon.StreamStatus) bool { return b.Keepers[daemon.PlaceStore].Behind > 0 })
}

// allRead reports whether the files of the folder were read to their ends, by the checkpoint log.
func (r *rotation) allRead(t *testing.T) bool {
	t.Helper()
	entries, err := os.ReadDir(r.folder)
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{}
	for _, m := range r.marks(t) {
		if m.Whole && len(m.Held) == 0 {
			sizes[m.Name] = m.Size
		}
	}
	return !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		st, err := e.Info()
		return err != nil || sizes[e.Name()] != st.Size()
	})
}

// everyRecord returns the records of all purposes.
func (r *rotation) everyRecord(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range demoSetup(t, "").Purposes {
		for id, row := range records(t, "query", "--config", r.config, "--purpose", p.Name, "--request", "test-1") {
			all[p.Name+" "+id] = row
		}
	}
	return all
}

// TestAFolderReadsLikeOneCapture compares the billing records of a rotated folder with those of the whole capture: no
// call is cut at a rotation.
func TestAFolderReadsLikeOneCapture(t *testing.T) {
	t.Parallel()
	r := newRotation(t, rotated(t, 60))
	r.grow(t, len(r.files))
	paths, err := filepath.Glob(filepath.Join(r.folder, "*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	want := records(t, append([]string{"replay", "--config", r.config, "--purpose", "billing"}, paths...)...)
	p := r.start(t)
	r.up(t)
	r.finished(t)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	same(t, r.stored(t), want)
}

// undisturbed returns the records of the files when nothing kills the daemon.
func undisturbed(t *testing.T, files [][]byte) *rotation {
	t.Helper()
	r := newRotation(t, files)
	r.grow(t, len(files))
	p := r.start(t)
	r.up(t)
	r.finished(t)
	p.stop(t, syscall.SIGTERM)
	return r
}

// disturb kills the daemon at random places while the folder grows, and stops it now and then; between two runs, while
// it does not run, it calls between. It returns how often.
func (r *rotation) disturb(t *testing.T, random *rand.Rand, between func()) (kills int) {
	t.Helper()
	for r.put < len(r.files) {
		r.grow(t, 4+random.IntN(8))
		p := r.start(t)
		r.up(t)
		time.Sleep(time.Duration(random.IntN(1200)) * time.Millisecond)
		r.grow(t, random.IntN(4))
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		sig := syscall.SIGKILL
		if random.IntN(5) == 0 {
			sig = syscall.SIGTERM
		}
		p.stop(t, sig)
		kills++
		between()
	}
	p := r.start(t)
	r.up(t)
	r.finished(t)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	return kills
}

// TestAFolderIsReadOnceWhateverKillsTheDaemon kills the daemon at random places of a folder that is rotated every two
// seconds: every record of every purpose is there once, as without.
func TestAFolderIsReadOnceWhateverKillsTheDaemon(t *testing.T) {
	t.Parallel()
	files := rotated(t, 90)
	want := undisturbed(t, files).everyRecord(t)
	r := newRotation(t, files)
	kills := r.disturb(t, rand.New(rand.NewPCG(9, 59)), func() {})
	t.Logf("%d kills and stops, %d files, %d records", kills, len(files), len(want))
	same(t, r.everyRecord(t), want)
}

// TestCallsOfFilesThatAreGoneGoOn has a ring that deletes what was read of it before the daemon starts again: the calls
// come from the checkpoint log then, and their records are the same.
func TestCallsOfFilesThatAreGoneGoOn(t *testing.T) {
	t.Parallel()
	files := rotated(t, 30)
	want := undisturbed(t, files).stored(t)
	r := newRotation(t, files)
	gone := 0
	kills := r.disturb(t, rand.New(rand.NewPCG(7, 7)), func() {
		for _, name := range r.read(t) {
			if os.Remove(filepath.Join(r.folder, name)) == nil {
				gone++
			}
		}
	})
	t.Logf("%d kills and stops, %d files, %d of them deleted, %d records", kills, len(files), gone, len(want))
	same(t, r.stored(t), want)
}

// read returns the names of the files that were read to their ends, by the checkpoint log.
func (r *rotation) read(t *testing.T) (names []string) {
	t.Helper()
	for _, m := range r.marks(t) {
		if m.Whole && len(m.Held) == 0 {
			names = append(names, m.Name)
		}
	}
	return names
}

// marks returns what the checkpoint log has of the files.
func (r *rotation) marks(t *testing.T) (marks []pcap.Mark) {
	t.Helper()
	source := config.Source{Path: r.folder}
	file, err := os.ReadFile(filepath.Join(r.dir, "state", source.CheckpointName()))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(copied, file, 0o600); err != nil {
		t.Fatal(err)
	}
	c := logAt(copied)
	c.Cuts = true
	l := checkpoint.Open(c)
	if err := l.Trouble(); err != nil {
		t.Fatal(err)
	}
	bodies, _, err := l.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bodies {
		var m pcap.Mark
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		marks = append(marks, m)
	}
	return marks
}

// TestAFileThatGrowsIsReadAsOne appends to a file that has settled several times, anywhere in a frame, with restarts in
// between: its calls are those of the whole file.
func TestAFileThatGrowsIsReadAsOne(t *testing.T) {
	t.Parallel()
	r := newRotation(t, nil)
	path := filepath.Join(r.folder, "long.pcap")
	whole := pcapFile(t, capturetest.Corpus(40, 8))
	write := func(b []byte) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Minute)
		_, err = f.Write(b)
		if err := errors.Join(err, f.Close(), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	p := r.start(t)
	r.up(t)
	for i, rest, random := 0, whole, rand.New(rand.NewPCG(4, 4)); len(rest) > 0; i++ {
		n := min(len(rest), len(whole)/3+random.IntN(len(whole)/9))
		write(rest[:n])
		rest = rest[n:]
		r.finished(t)
		if i%2 == 0 {
			p.stop(t, syscall.SIGKILL)
			p = r.start(t)
			r.up(t)
		}
	}
	r.finished(t)
	p.stop(t, syscall.SIGTERM)
	same(t, r.stored(t), records(t, "replay", "--config", r.config, "--purpose", "billing", path))
}

func pcapFile(t *testing.T, frames []capturetest.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
