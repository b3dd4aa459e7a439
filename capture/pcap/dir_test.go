package pcap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// noon is when the tests look.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A folder is one that a capturer writes to.
type folder struct {
	t    *testing.T
	cfg  DirConfig
	file func(n int) []byte
}

func newFolder(t *testing.T) *folder {
	c := DefaultDirConfig()
	c.Path, c.State = t.TempDir(), filepath.Join(t.TempDir(), "files.json")
	frame := firstFrame(t)
	return &folder{t: t, cfg: c, file: func(n int) []byte {
		f := pcapOf(1)
		for i := range 20 { // more than the bytes that identify a file
			f.frame(uint32(n), uint32(i), frame)
		}
		return f.b
	}}
}

// put writes a file that was last written so long before noon.
func (f *folder) put(name string, b []byte, ago time.Duration) {
	f.t.Helper()
	path := filepath.Join(f.cfg.Path, name)
	if err := errors.Join(os.WriteFile(path, b, 0o600), os.Chtimes(path, noon, noon.Add(-ago))); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) open() *Dir {
	f.t.Helper()
	d, err := OpenDir(f.cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// reopen returns a Dir that remembers what d does, as after a restart.
func (f *folder) reopen(d *Dir) *Dir {
	f.t.Helper()
	next := f.open()
	next.Remember(allMarks(d))
	return next
}

// poll wants these names ready, in this order.
func (f *folder) poll(d *Dir, now time.Time, want ...string) Look {
	f.t.Helper()
	l, err := d.Poll(now)
	var got []string
	for _, p := range l.Ready {
		got = append(got, filepath.Base(p.Path))
	}
	if err != nil || !slices.Equal(got, want) {
		f.t.Errorf("ready = %v, %v, want %v", got, err, want)
	}
	return l
}

func (f *folder) done(d *Dir, names ...string) {
	f.t.Helper()
	for _, name := range names {
		file := d.pending[name]
		if file == nil {
			f.t.Fatalf("%s was not ready", name)
		}
		d.Done(file)
	}
}

func TestFilesOfAFolderComeOnceAndInOrder(t *testing.T) {
	f := newFolder(t)
	f.put("c.pcap", f.file(1), 3*time.Hour)
	f.put("a.pcap", f.file(2), 2*time.Hour)
	f.put("b.pcap", f.file(3), 2*time.Hour)
	f.put("d.pcap", f.file(4), time.Second)
	f.put("notes.txt", f.file(5), time.Hour)
	d := f.open()
	if l := f.poll(d, noon, "c.pcap", "a.pcap", "b.pcap"); l.Growing != 1 {
		t.Errorf("growing = %d, want the newest", l.Growing)
	}
	f.done(d, "c.pcap", "a.pcap")
	f.poll(d, noon, "b.pcap")
	d = f.reopen(d) // killed: b.pcap was read and not acknowledged
	if l := f.poll(d, noon, "b.pcap"); l.Known != 2 {
		t.Errorf("known = %d, want 2", l.Known)
	}
	f.done(d, "b.pcap")
	f.put("e.pcap", f.file(6), -time.Minute) // the next: d.pcap is finished
	f.poll(d, noon.Add(time.Minute), "d.pcap")
}

func TestNewestFileIsReadWhenItHasSettled(t *testing.T) {
	f := newFolder(t)
	f.put("a.pcap", f.file(1), time.Minute)
	f.put("b.pcap", f.file(2), -100*time.Hour) // another host's clock
	d := f.open()
	f.poll(d, noon, "a.pcap")
	f.done(d, "a.pcap")
	f.poll(d, noon.Add(f.cfg.Settle-1))
	f.put("b.pcap", append(f.file(2), f.file(3)...), -101*time.Hour)
	f.poll(d, noon.Add(f.cfg.Settle))
	f.poll(d, noon.Add(2*f.cfg.Settle), "b.pcap")
	f.done(d, "b.pcap")
	f.put("b.pcap", append(f.file(2), f.file(4)...), -102*time.Hour) // it was not finished after all
	f.poll(d, noon.Add(3*f.cfg.Settle))
	f.put("c.pcap", f.file(5), -200*time.Hour)
	if l := f.poll(d, noon.Add(3*f.cfg.Settle)); l.Known != 2 { // of the same size and beginning: touched
		t.Errorf("known = %d, want 2", l.Known)
	}
	f.put("b.pcap", append(f.file(2), f.file(4)[24:]...), -103*time.Hour)
	f.poll(d, noon.Add(3*f.cfg.Settle), "b.pcap")
}

// TestFileIsKnownAgainByWhatIsInIt: renamed, compressed, decompressed. A ring that begins again has other files under
// the old names.
func TestFileIsKnownAgainByWhatIsInIt(t *testing.T) {
	f := newFolder(t)
	f.cfg.Pattern = "*"
	for i := range 4 {
		f.put(fmt.Sprintf("%d.pcap", i), f.file(i), time.Hour)
	}
	d := f.open()
	f.poll(d, noon, "0.pcap", "1.pcap", "2.pcap", "3.pcap")
	f.done(d, "0.pcap", "1.pcap", "2.pcap", "3.pcap")
	for i := range 4 {
		if err := os.Remove(filepath.Join(f.cfg.Path, fmt.Sprintf("%d.pcap", i))); err != nil {
			t.Fatal(err)
		}
	}
	f.put("0.pcap.gz", gzipped(f.file(0)), time.Hour)
	f.put("1.zst", zstandard(t, f.file(1)), time.Hour)
	f.put("2.old", f.file(2), time.Hour)
	f.put("3.pcap", f.file(9), time.Hour)
	for range 2 {
		if l := f.poll(d, noon, "3.pcap"); l.Known != 3 {
			t.Errorf("known = %d, want 3", l.Known)
		}
		d = f.reopen(d)
	}
	f.poll(d, noon, "3.pcap")
	f.done(d, "3.pcap")
	f.put("0.pcap", f.file(0), time.Hour)
	if l := f.poll(f.reopen(d), noon); l.Known != 5 {
		t.Errorf("known = %d, want 5", l.Known)
	}
}

// TestWhoCompressesMayBeAtIt: a file that is not the newest was written just now, and one that was read grows.
func TestWhoCompressesMayBeAtIt(t *testing.T) {
	f := newFolder(t)
	f.put("a.pcap.gz", gzipped(f.file(1)), time.Second)
	f.put("b.pcap", f.file(2), 0)
	d := f.open()
	if l := f.poll(d, noon); l.Growing != 2 {
		t.Errorf("growing = %d, want 2", l.Growing)
	}
	f.poll(d, noon.Add(grace), "a.pcap.gz")
	f.done(d, "a.pcap.gz")
	f.put("a.pcap.gz", append(gzipped(f.file(1)), gzipped(f.file(3))...), time.Second)
	f.poll(d, noon.Add(grace), "a.pcap.gz")
}

func TestLinksAndFoldersAreNoFilesOfAFolder(t *testing.T) {
	f := newFolder(t)
	outside := filepath.Join(t.TempDir(), "x.pcap")
	path := func(name string) string { return filepath.Join(f.cfg.Path, name) }
	if err := errors.Join(os.WriteFile(outside, f.file(1), 0o600), os.Symlink(outside, path("link.pcap")),
		os.Mkdir(path("folder.pcap"), 0o700), syscall.Mkfifo(path("fifo.pcap"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if l := f.poll(f.open(), noon); l.Growing+l.Known+l.Unreadable > 0 {
		t.Errorf("look = %+v, want nothing", l)
	}
}

func TestUnreadableFileIsReportedOnceAndBlocksNoOther(t *testing.T) {
	f := newFolder(t)
	f.put("a.pcap", f.file(1), 2*time.Hour)
	f.put("b.pcap", f.file(2), time.Hour)
	secret := filepath.Join(f.cfg.Path, "a.pcap")
	if err := errors.Join(os.Chmod(secret, 0), os.Chmod(filepath.Dir(f.cfg.Path), 0o755), os.Chmod(f.cfg.Path, 0o755),
		os.Chmod(filepath.Join(f.cfg.Path, "b.pcap"), 0o644)); err != nil {
		t.Fatal(err)
	}
	d := f.open()
	restore := nobody()
	l, err := d.Poll(noon)
	if len(l.Ready) != 1 || l.Unreadable != 1 || !errors.Is(err, os.ErrPermission) ||
		!regexp.MustCompile(`^pcap: the file with inode [0-9]+: permission denied$`).MatchString(err.Error()) {
		t.Errorf("look = %+v, %v, want b.pcap ready and a.pcap reported", l, err)
	}
	l, err = d.Poll(noon)
	restore()
	if len(l.Ready) != 1 || l.Unreadable != 1 || err != nil {
		t.Errorf("look = %+v, %v, want the same in silence", l, err)
	}
	if err := os.Chmod(secret, 0o644); err != nil {
		t.Fatal(err)
	}
	f.poll(d, noon, "a.pcap", "b.pcap")
}

// nobody makes this thread one whom permissions bind, until restore.
func nobody() (restore func()) {
	runtime.LockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
	return func() {
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, uintptr(os.Geteuid()), 0, 0)
		runtime.UnlockOSThread()
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	f := newFolder(t)
	f.cfg.Files = 3
	d := f.open()
	for i := range 10 { // a ring of three
		name := func(i int) string { return fmt.Sprintf("%02d.pcap", i) }
		f.put(name(i), f.file(i), time.Duration(100-i)*time.Hour)
		if i > 2 {
			if err := os.Remove(filepath.Join(f.cfg.Path, name(i-3))); err != nil {
				t.Fatal(err)
			}
		}
		f.poll(d, noon.Add(time.Duration(i)*time.Minute), name(i))
		f.done(d, name(i))
		if n := len(f.reopen(d).marks); n > 3 {
			t.Fatalf("remembered = %d, want 3 at most", n)
		}
	}
	late := noon.Add(f.cfg.Keep + time.Hour)
	for _, name := range []string{"07.pcap", "08.pcap"} {
		if err := os.Remove(filepath.Join(f.cfg.Path, name)); err != nil {
			t.Fatal(err)
		}
	}
	f.put("10.pcap", f.file(10), 0)
	f.poll(d, late, "10.pcap")
	f.done(d, "10.pcap")
	if n := len(f.reopen(d).marks); n != 2 {
		t.Errorf("remembered = %d, want the two that are there", n)
	}
	f.put("11.pcap", f.file(11), time.Hour)
	f.put("12.pcap", f.file(12), time.Hour)
	if l, err := d.Poll(late); !errors.Is(err, errCrowded) || len(l.Ready) > 0 {
		t.Errorf("look = %+v, %v, want errCrowded", l, err)
	}
}

// TestTheStateOfAnEarlierVersionIsReadOrRefused: files that it lists as read are not read again; another file is
// reported from ours.
func TestTheStateOfAnEarlierVersionIsReadOrRefused(t *testing.T) {
	f := newFolder(t)
	f.put("a.pcap", f.file(1), 2*time.Hour)
	f.put("b.pcap", f.file(2), time.Hour)
	d := f.open()
	f.poll(d, noon, "a.pcap", "b.pcap")
	m := d.pending["a.pcap"].Mark
	state := fmt.Sprintf(`{"version":1,"files":[{"name":"a.pcap","size":%d,"mod":%d,"changed":%d,"inode":%d,"head":%q,`+
		`"packed":false,"seen":%d}]}`, m.Size, m.Mod, m.Changed, m.Inode, m.Head, noon.Unix())
	if err := os.WriteFile(f.cfg.State, []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	d = f.open()
	if l := f.poll(d, noon, "b.pcap"); l.Known != 1 {
		t.Errorf("known = %d, want 1", l.Known)
	}
	if marks, _ := d.Changes(nil); len(marks) != 1 || marks[0].Name != "a.pcap" {
		t.Errorf("changes = %d, want the one that was taken over", len(marks))
	}
	f.put("c.pcap", f.file(1), time.Hour) // the same under another name
	if l := f.poll(d, noon, "b.pcap"); l.Known != 2 {
		t.Errorf("known = %d, want 2", l.Known)
	}
	for _, broken := range []string{"", "{", `{"version":2}`} {
		if err := os.WriteFile(f.cfg.State, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDir(f.cfg); err == nil || !strings.Contains(err.Error(), "is not ours") {
			t.Errorf("state %q: err = %v, want that it is not ours", broken, err)
		}
	}
	f.cfg.Pattern = "["
	if _, err := OpenDir(f.cfg); err == nil {
		t.Error("pattern: err = nil, want an error")
	}
}

// TestAFileOfTheSameInodeThatBeginsOtherwiseIsNew: a ring gives the inode of the file that it deletes to the next one.
func TestAFileOfTheSameInodeThatBeginsOtherwiseIsNew(t *testing.T) {
	f := newFolder(t)
	f.put("a.pcap", f.file(1)[:200], time.Hour)
	d := f.open()
	f.poll(d, noon, "a.pcap")
	d.pending["a.pcap"].Offset = 200
	f.done(d, "a.pcap")
	f.put("a.pcap", f.file(1), time.Hour)
	f.poll(d, noon, "a.pcap")
	if got := d.pending["a.pcap"].Offset; got != 200 {
		t.Errorf("grown: read from %d, want 200", got)
	}
	f.done(d, "a.pcap")
	for _, other := range [][]byte{f.file(2), f.file(1)[:300]} { // written over, cut
		f.put("a.pcap", other, time.Hour)
		f.poll(d, noon, "a.pcap")
		if got := d.pending["a.pcap"].Offset; got != 0 {
			t.Errorf("another file: read from %d, want 0", got)
		}
		f.done(d, "a.pcap")
	}
}

// TestAFileThatIsStillWrittenHasItsBeginning, so that others can wait for it.
func TestAFileThatIsStillWrittenHasItsBeginning(t *testing.T) {
	f := newFolder(t)
	f.put("a.pcap", f.file(7), time.Hour)
	f.put("b.pcap", f.file(9), time.Second)
	l, err := f.open().Poll(noon)
	if want := time.Unix(9, 0).UTC(); err != nil || !l.Grows.Equal(want) {
		t.Errorf("grows = %v, %v, want %v", l.Grows, err, want)
	}
}

// TestAFileOfWhichFramesWaitIsReadFirst: it was read to its end, and what waited then has not been given.
func TestAFileOfWhichFramesWaitIsReadFirst(t *testing.T) {
	f := newFolder(t)
	f.put("a.pcap", f.file(1), time.Hour)
	d := f.open()
	f.poll(d, noon, "a.pcap")
	file := d.pending["a.pcap"]
	file.Offset, file.Held, file.Whole = file.Size, []int64{24}, true
	marks, _ := d.Changes([]*File{file})
	d.Done(file)
	f.poll(d, noon) // who reads it has what waits
	reopened := func() *Dir {
		d := f.open()
		d.Remember(slices.Clone(marks))
		return d
	}
	if again, _, err := reopened().Again(time.Time{}); err != nil || len(again) != 1 || !again[0].Whole {
		t.Errorf("again = %d, %v, want the file, whole", len(again), err)
	}
	next := reopened()
	f.poll(next, noon, "a.pcap")
	if got := next.pending["a.pcap"]; got == nil || len(got.Held) != 1 {
		t.Error("what waited is forgotten")
	}
	next = reopened()
	if _, _, err := next.Again(time.Time{}); err != nil {
		t.Fatal(err)
	}
	f.poll(next, noon) // what Again gave is not to be read twice
}

// allMarks returns all that d remembers.
func allMarks(d *Dir) (marks []Mark) {
	for _, m := range d.marks {
		marks = append(marks, *m)
	}
	return marks
}
