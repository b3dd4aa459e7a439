package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
	"sipsieve/store/vault"
)

// A feeder is a switch that mirrors its signalling to a daemon by HEP.
type feeder struct {
	*site
	address string // where the daemon listens
	frames  []capturetest.Frame
	packets []capture.Packet // of frames
}

// newFeeder returns a site whose daemon listens for HEP. Its capture is the ladder, as it was a minute ago.
func newFeeder(t *testing.T, ladder, extra string) *feeder {
	t.Helper()
	began := time.Now().Add(-70 * time.Second).UTC().Truncate(time.Second)
	frames, err := capturetest.Ladder([]byte("start " + began.Format(time.RFC3339) + "\n" + ladder))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &site{dir: dir, config: filepath.Join(dir, "sipsieve.toml"), capture: filepath.Join(dir, "calls.pcap")}
	f := &feeder{site: s, address: ownAddress(), frames: frames}
	f.record(t)
	f.write(t, extra)
	return f
}

// record writes the frames as the capture of the site.
func (f *feeder) record(t *testing.T) {
	t.Helper()
	var file bytes.Buffer
	if err := capturetest.WritePcap(&file, f.frames); err != nil {
		t.Fatal(err)
	}
	f.packets = packetsOf(t, file.Bytes())
	if err := os.WriteFile(f.capture, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// postpone has the frames from the n-th on end now. The clock of a live domain goes on in silence: messages that are
// older than a timer when they come find their call ended by it.
func (f *feeder) postpone(t *testing.T, n int) {
	t.Helper()
	by := time.Since(f.frames[len(f.frames)-1].Time).Truncate(time.Millisecond)
	for i := n; i < len(f.frames); i++ {
		f.frames[i].Time = f.frames[i].Time.Add(by)
	}
	f.record(t)
}

// write writes the configuration; extra stands before the sections.
func (f *feeder) write(t *testing.T, extra string) {
	t.Helper()
	keys := "[keys]\ndemo = true\n"
	if strings.Contains(extra, "[keys]") {
		keys = ""
	}
	text := fmt.Sprintf("site = \"here\"\nsensor = \"sensor-1\"\nstate = %q\nlog_level = \"debug\"\n%s%s"+
		"[[source]]\ntype = \"hep\"\ninsecure = true\nskew = \"1h\"\nlisten = [\"udp://%s\"]\n[bus]\n[store]\ntype = \"sqlite\"\n"+
		"[http]\nlisten = \"\"\n", filepath.Join(f.dir, "state"), extra, keys, f.address)
	if err := os.WriteFile(f.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *feeder) begin(t *testing.T) *process {
	t.Helper()
	p := f.start(t)
	f.up(t)
	return p
}

// send mirrors packets, and waits until the daemon has followed all of them.
func (f *feeder) send(t *testing.T, packets []capture.Packet) {
	t.Helper()
	conn, err := net.Dial("udp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before := f.status(t).Ledger.Messages.Tracked
	for i := range packets {
		if _, err := conn.Write(hepOf(&packets[i])); err != nil {
			t.Fatal(err)
		}
	}
	f.await(t, "messages", func(r *daemon.Status) bool {
		return r.Ledger.Messages.Tracked == before+uint64(len(packets))
	})
}

// await reads the status of the daemon until it meets so.
func (s *site) await(t *testing.T, what string, so func(*daemon.Status) bool) {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		r := s.status(t)
		if so(&r) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: what is awaited does not come: %+v %+v %v", what, r.Ledger.Calls, r.Journal, r.Records)
		}
	}
}

func (s *site) journalPath() string { return filepath.Join(s.dir, "state", "calls.journal") }

// journalled reads the journal and returns what it holds, opened, and the calls as they would be published if they ended.
func (s *site) journalled(t *testing.T) (plain []byte, calls []*event.Call) {
	t.Helper()
	file, err := os.ReadFile(s.journalPath())
	if err != nil {
		t.Fatal(err)
	}
	read := func(_ uint64, e *checkpoint.Entry) error {
		plain = append(plain, e.Body...)
		return nil
	}
	if _, err := checkpoint.Read(bytes.NewReader(file), vault.Demo().Sealer("journal"), func(string) {}, read); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy") // Open begins a log anew
	if err := os.WriteFile(copied, file, 0o600); err != nil {
		t.Fatal(err)
	}
	l := checkpoint.Open(logAt(copied))
	if err := l.Trouble(); err != nil {
		t.Fatal(err)
	}
	tr := track.New(track.DefaultLimits())
	tr.Save(event.NewKeyer(vault.Demo().TrackRoot()))
	err = l.Calls(func(c checkpoint.Restorable) {
		if err := tr.Restore(c.Saved, c.Facts); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range tr.Finish(nil) {
		calls = append(calls, ev.Call)
	}
	return plain, calls
}

// logAt returns the settings of the checkpoint log at path, under the demonstration keys.
func logAt(path string) checkpoint.Config {
	return checkpoint.Config{Path: path, Policy: "0123456789abcdef", Sealer: vault.Demo().Sealer("journal"),
		Log: slog.New(slog.DiscardHandler)}
}

// awaitJournalled waits until the journal has the three calls of threeCalls as they stand before the restart. Shards save
// at times of their own, so that one call may be there as it was a second ago.
func (s *site) awaitJournalled(t *testing.T) {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		_, calls := s.journalled(t)
		answered, held := 0, 0
		for _, c := range calls {
			if c.Disposition == event.Answered && c.Missing&event.NoAck == 0 {
				answered++
			}
			held += c.Holds
		}
		if answered == 3 && held == 1 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("answered calls in the journal = %d, held = %d, want 3 and 1", answered, held)
		}
	}
}

// threeCalls are answered before a restart and end after it, one is held over it, and one rings.
const threeCalls = `
callid one
00:00.000  alice -> bob   INVITE
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
callid two
00:05.100  carol -> bob   INVITE
    Privacy: id
00:05.200  carol <- bob   183 sdp
00:05.900  carol <- bob   200 INVITE
00:06.000  carol -> bob   ACK
00:06.100  carol -> bob   INVITE hold
00:06.200  carol <- bob   200 INVITE
00:06.300  carol -> bob   ACK
callid three
00:06.400  dave -> erin   INVITE
00:06.500  dave <- erin   407
00:06.600  dave -> erin   ACK
00:06.700  dave -> erin   INVITE
00:06.800  dave <- erin   200 INVITE
00:06.900  dave -> erin   ACK
# the restart
callid one
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE
callid two
01:05.000  carol -> bob   INVITE
01:05.100  carol <- bob   200 INVITE
01:05.200  carol -> bob   ACK
01:06.000  carol <- bob   BYE
    Reason: Q.850;cause=31
01:06.100  carol -> bob   200 BYE
callid three
01:07.000  dave -> erin   BYE
01:07.100  dave <- erin   200 BYE
`

// untilRestart are the messages of threeCalls before its restart.
const untilRestart = 17

// afterRestart sets in each record what differs when its call went over a restart.
func afterRestart(t *testing.T, rows map[string]string, change map[string]any) map[string]string {
	t.Helper()
	changed := map[string]string{}
	for id, text := range rows {
		var row map[string]any
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			t.Fatal(err)
		}
		for key, v := range change {
			row[key] = v
		}
		b, _ := json.Marshal(row)
		changed[id] = string(b)
	}
	return changed
}

// TestOpenCallsSurviveARestart ends the daemon between the answers and the BYEs: each call has one record, the one
// that the whole capture gives, but for the gap.
func TestOpenCallsSurviveARestart(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		for _, shards := range []string{"", "shards = 5\n"} {
			f := newFeeder(t, threeCalls, "")
			p := f.begin(t)
			f.send(t, f.packets[:untilRestart])
			if sig == syscall.SIGKILL {
				f.awaitJournalled(t)
			}
			if code := p.stop(t, sig); sig == syscall.SIGTERM && code != 0 {
				t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
			}
			if got := f.stored(t); len(got) != 0 {
				t.Errorf("%v: records at the restart = %d, want 0", sig, len(got))
			}
			f.write(t, shards)
			p = f.begin(t)
			f.postpone(t, untilRestart)
			f.send(t, f.packets[untilRestart:])
			f.await(t, "records", func(r *daemon.Status) bool { return r.Records["billing"] == 3 && r.Journal.Calls == 0 })
			r := f.status(t)
			if r.Journal.Restored != 3 || r.Ledger.Calls.Opened != 3 || r.Balance != "balanced" {
				t.Errorf("restored = %d, opened = %d, %s", r.Journal.Restored, r.Ledger.Calls.Opened, r.Balance)
			}
			if code := p.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
			}
			same(t, f.stored(t), afterRestart(t, f.replayed(t),
				map[string]any{"missing": []string{"restart_gap"}, "status": "partial", "source": "hep"}))
		}
	}
}

// fewer is less than all calls of a journal.
const fewer = 1 << 32

// TestAJournalThatCannotBeReadStopsNobody damages the journal in every way.
func TestAJournalThatCannotBeReadStopsNobody(t *testing.T) {
	t.Parallel()
	f := newFeeder(t, threeCalls, "")
	p := f.begin(t)
	f.send(t, f.packets[:untilRestart])
	p.stop(t, syscall.SIGTERM)
	whole, err := os.ReadFile(f.journalPath())
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(f.journalPath()); st.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", st.Mode())
	}
	keys := filepath.Join(f.dir, "keys")
	if err := vault.Create(keys); err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)-1] ^= 1
	for name, c := range map[string]struct {
		file                             []byte
		extra, says                      string
		restored, refused, broken, aside uint64
	}{
		"whole":           {whole, "", "restored=3", 3, 0, 0, 0},
		"cut":             {whole[:len(whole)-7], "", "damaged", fewer, 0, 1, 0},
		"changed":         {changed, "", "damaged", fewer, 0, 1, 0},
		"cut in its head": {whole[:len("sipsieve journal 2\n")+9], "", "damaged", 0, 0, 1, 0},
		"of the future":   {bytes.Replace(whole, []byte("journal 2"), []byte("journal 9"), 1), "", "version", 0, 1, 0, 1},
		"garbage":         {bytes.Repeat([]byte("garbage"), 1000), "", "version", 0, 1, 0, 1},
		"empty":           {nil, "", "damaged", 0, 0, 1, 0},
		"another key":     {whole, fmt.Sprintf("[keys]\nfile = %q\n", keys), "another key", 0, 1, 0, 1},
		"garbage behind":  {append(bytes.Clone(whole), "garbage that follows"...), "", "damaged", 3, 0, 1, 0},
	} {
		if err := os.WriteFile(f.journalPath(), c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkpoint.Remove(filepath.Join(f.dir, "state", "excerpts.journal")); err != nil { // it has the keys of the case before
			t.Fatal(err)
		}
		f.write(t, c.extra)
		p := f.begin(t)
		r := f.status(t).Journal
		if c.restored == fewer && r.Restored < 3 {
			c.restored, c.refused = r.Restored, r.Refused // the calls may stand in several blocks
		}
		if r.Restored != c.restored || r.Refused != c.refused || r.Broken != c.broken ||
			r.SetAside != c.aside {
			t.Errorf("%s: restored %d, refused %d, broken %d, aside %d; want %d, %d, %d, %d", name, r.Restored, r.Refused,
				r.Broken, r.SetAside, c.restored, c.refused, c.broken, c.aside)
		}
		if code := p.stop(t, syscall.SIGTERM); code != 0 || !strings.Contains(p.stderr.String(), c.says) {
			t.Errorf("%s: exit code = %d, want 0 and %q:\n%s", name, code, c.says, p.stderr.String())
		}
	}
}

// TestNothingOfACallIsInTheJournal looks for markers and numbers in the journal as it lies there, and opened for what
// the policy does not let out.
func TestNothingOfACallIsInTheJournal(t *testing.T) {
	t.Parallel()
	c := coop{newFlock(67)}
	f := newFeeder(t, threeCalls, "")
	from, to := f.packets[0].Flow.Src, f.packets[0].Flow.Dst
	for n := range 5 {
		for i, text := range c.call(n)[:4] {
			p := capture.Packet{Time: f.packets[i].Time, Flow: capture.Flow{Src: from, Dst: to}, Payload: []byte(text)}
			if strings.HasPrefix(text, "SIP/2.0") {
				p.Flow = capture.Flow{Src: to, Dst: from}
			}
			f.packets = append(f.packets, p)
		}
	}
	p := f.begin(t)
	f.send(t, slices.Concat(f.packets[:untilRestart], f.packets[len(f.packets)-20:]))
	p.stop(t, syscall.SIGTERM)
	plain, calls := f.journalled(t)
	if len(calls) < 8 || !bytes.Contains(plain, []byte("+13035550110")) {
		t.Fatalf("calls = %d, and what billing keeps: the test shows nothing", len(calls))
	}
	c.search(t, "the journal, opened", plain)
	for _, text := range []string{"one@", "two@", from.Addr().String(), "tag", "Privacy"} {
		if bytes.Contains(plain, []byte(text)) {
			t.Errorf("the journal, opened, has %q", text)
		}
	}
	file, err := os.ReadFile(f.journalPath())
	if err != nil {
		t.Fatal(err)
	}
	c.search(t, "the journal", file)
	if bytes.Contains(file, []byte("555")) || bytes.Contains(file, []byte(from.Addr().AsSlice())) {
		t.Error("the journal has a number or an address")
	}
	log := p.stderr.Bytes()
	if c.search(t, "the log", log); bytes.Contains(log, []byte("555")) {
		t.Error("the log has a number")
	}
}

// TestASwitchedOffJournalIsGone turns the journal off: open calls are published as partial at the stop, as before.
func TestASwitchedOffJournalIsGone(t *testing.T) {
	t.Parallel()
	f := newFeeder(t, threeCalls, "")
	p := f.begin(t)
	f.send(t, f.packets[:untilRestart])
	p.stop(t, syscall.SIGTERM)
	f.write(t, "[calls]\njournal = false\n")
	p = f.begin(t)
	if _, err := os.Stat(f.journalPath()); err == nil {
		t.Error("the journal is still there")
	}
	f.send(t, f.packets[:untilRestart])
	p.stop(t, syscall.SIGTERM)
	if got := f.stored(t); len(got) != 3 {
		t.Errorf("records = %d, want 3", len(got))
	}
}
