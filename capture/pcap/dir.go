package pcap

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// A DirConfig is a folder into which a capturer writes one file after the other: tcpdump with -G or -C, a ring of
// dumpcap. Two capturers need two DirConfigs with different patterns.
type DirConfig struct {
	Path    string        // the folder; folders in it are not entered, links are not followed
	Pattern string        // of the names, as path.Match has them
	State   string        // the file in which version 1 recorded what was read; it is only read
	Settle  time.Duration // how long the newest file must not have grown to count as finished
	Files   int           // limit of files that match and of files that are remembered
	Keep    time.Duration // how long a file that is gone is remembered
}

// DefaultDirConfig returns settings that suit hourly files kept for a year. The caller sets Path.
func DefaultDirConfig() DirConfig {
	return DirConfig{Pattern: "*.pcap*", Settle: 5 * time.Minute, Files: 10_000, Keep: 30 * 24 * time.Hour}
}

// errCrowded is returned for a folder with more files than its Dir may remember: none of them was read.
var errCrowded = errors.New("more files match than may be remembered")

// grace is how long a file that is not the newest must not have grown to count as finished.
const grace = 10 * time.Second

// A Dir finds the files of a folder that are to be read: each that is finished, until it is Done, and again when it has
// grown. A file is recognised by its inode or name, its size and its first bytes, so that it may be renamed, and
// compressed or not, in the meantime. Changes returns what is to be saved for a restart, Remember restores it. A Dir is
// used by one goroutine.
type Dir struct {
	cfg     DirConfig
	now     time.Time // of the last Poll
	marks   map[string]*Mark
	changed map[string]bool  // names of marks that Changes has not returned yet
	pending map[string]*File // what is Ready and not Done, by name
	opened  map[string]*opening
	newest  unchanged
	failing map[string]bool // names of files that cannot be opened
}

// A File is a capture file that is to be read, from Offset on.
type File struct {
	Path string
	Mark
}

// An opening is what a file that is still written begins with.
type opening struct {
	inode uint64
	first int64
}

// An unchanged is a file and since when it has not changed.
type unchanged struct {
	mark  Mark
	since time.Time
}

// A Look is the result of one Poll.
type Look struct {
	Ready      []*File // those to be read, by the time of the first frame
	Growing    int     // those that may still be written
	Known      int     // those that are Done, under this name or another
	Unreadable int     // those that cannot be opened; every Poll tries again

	// Grows is the earliest time of the first frame of those that may still be written, the zero Time without one.
	// Until they are Ready, frames later than that may have to wait for them.
	Grows time.Time
}

// OpenDir returns a Dir that remembers the files listed in cfg.State.
func OpenDir(cfg DirConfig) (*Dir, error) {
	if _, err := path.Match(cfg.Pattern, ""); err != nil || cfg.Files < 1 {
		return nil, fmt.Errorf("pcap: want a pattern of path.Match and 1 file or more, got %q and %d", cfg.Pattern, cfg.Files)
	}
	done, err := readEarlierState(cfg.State)
	if err != nil {
		return nil, err
	}
	d := &Dir{cfg: cfg, marks: map[string]*Mark{}, changed: map[string]bool{}, pending: map[string]*File{},
		opened: map[string]*opening{}}
	d.Remember(done)
	for _, m := range done {
		d.changed[m.Name] = true
	}
	return d, nil
}

// Remember replaces what is remembered by marks. It is called before Poll.
func (d *Dir) Remember(marks []Mark) {
	clear(d.marks)
	clear(d.changed)
	for i := range marks {
		d.marks[marks[i].Name] = &marks[i]
	}
}

// Poll reads the folder; now is the wall clock. The error is of the folder, or joins those of files that cannot be
// opened: each is reported once, by its inode, and the Look is valid.
func (d *Dir) Poll(now time.Time) (l Look, err error) {
	all, err := d.list()
	if err != nil {
		return l, fmt.Errorf("pcap: folder: %w", unnamed(err))
	}
	d.now = now
	failing, there := map[string]bool{}, map[string]bool{}
	for i := range all {
		m := &all[i]
		there[m.Name] = true
		f, trouble := d.look(m, i == len(all)-1)
		switch {
		case errors.Is(trouble, fs.ErrNotExist): // gone since
		case errors.Is(trouble, errGrowing):
			l.Growing++
			d.grows(m, &l)
		case trouble != nil:
			l.Unreadable++
			if failing[m.Name] = true; !d.failing[m.Name] {
				err = errors.Join(err, fmt.Errorf("pcap: the file with inode %d: %w", m.Inode, unnamed(trouble)))
			}
		case f == nil:
			l.Known++
		default:
			l.Ready = append(l.Ready, f)
		}
	}
	for name := range d.opened {
		if !there[name] {
			delete(d.opened, name)
		}
	}
	inOrder(l.Ready)
	d.failing = failing
	return l, err
}

// Done records that f was read to its present end, or that nothing of it is to be read.
func (d *Dir) Done(f *File) {
	if d.pending[f.Name] == f {
		delete(d.pending, f.Name)
	}
	f.Whole = true
	m := f.Mark
	m.Held = nil // the reader of f has them
	d.remember(m)
	d.forget()
}

// Changes returns the marks that have changed since it was called last, those of reading among them, and the names of
// those that were forgotten.
func (d *Dir) Changes(reading []*File) (marks []Mark, forgotten []string) {
	for _, f := range reading {
		d.remember(f.Mark)
	}
	for name := range d.changed {
		if m := d.marks[name]; m != nil {
			marks = append(marks, *m)
			m.Held = nil // the reader of the file has them
		} else {
			forgotten = append(forgotten, name)
		}
	}
	clear(d.changed)
	return marks, forgotten
}

// Again returns the files that hold remembered frames not older than since, to be read again as far as they were read.
// complete is the time from which on no frame is missing: later than since if a file is gone.
func (d *Dir) Again(since time.Time) (files []*File, complete time.Time, err error) {
	all, err := d.list()
	if err != nil {
		return nil, since, fmt.Errorf("pcap: folder: %w", unnamed(err))
	}
	complete = since
	find := finder{d, all, map[string]bool{}, map[string]*beginning{}}
	for _, old := range d.marks {
		if old.Offset == 0 || old.Last < since.UnixNano() {
			continue
		}
		f := find.file(old)
		if f == nil {
			if gone := time.Unix(0, old.Last+1).UTC(); gone.After(complete) {
				complete = gone
			}
			continue
		}
		if find.taken[f.Name] = true; !f.Whole {
			d.pending[f.Name] = f
		}
		old.Held = nil // f has them
		files = append(files, f)
	}
	return files, complete, nil
}

// remember records m for the file of its name.
func (d *Dir) remember(m Mark) {
	m.Seen = d.now.Unix()
	d.marks[m.Name] = &m
	d.changed[m.Name] = true
}

// forget forgets files that have been gone for longer than Keep, and beyond Files those that have been gone longest.
func (d *Dir) forget() {
	since := d.now.Add(-d.cfg.Keep).Unix()
	list := slices.SortedFunc(maps.Values(d.marks), func(a, b *Mark) int {
		return cmp.Or(cmp.Compare(a.Seen, b.Seen), cmp.Compare(a.Mod, b.Mod), cmp.Compare(a.Name, b.Name))
	})
	for i, m := range list {
		if m.Seen < since || i < len(list)-d.cfg.Files {
			delete(d.marks, m.Name)
			d.changed[m.Name] = true
		}
	}
}

// list returns the files that match, in the order in which they are to be read.
func (d *Dir) list() (all []Mark, err error) {
	f, err := os.Open(d.cfg.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for {
		some, err := f.ReadDir(1024)
		for _, x := range some {
			if ok, _ := path.Match(d.cfg.Pattern, x.Name()); !ok || !x.Type().IsRegular() {
				continue
			}
			if st, err := x.Info(); err == nil { // else gone since
				all = append(all, markOf(st))
			}
		}
		switch {
		case len(all) > d.cfg.Files:
			return nil, errCrowded
		case errors.Is(err, io.EOF):
			slices.SortFunc(all, func(a, b Mark) int { return cmp.Or(cmp.Compare(a.Mod, b.Mod), cmp.Compare(a.Name, b.Name)) })
			return all, nil
		case err != nil:
			return nil, err
		}
	}
}

var errGrowing = errors.New("it may still be written")

// look returns the file of m if it is to be read, nil if all of it was. It opens files that are new.
func (d *Dir) look(m *Mark, newest bool) (*File, error) {
	if f := d.underWay(m); f != nil {
		return f, nil
	}
	if old := d.marks[m.Name]; old != nil && old.sameStat(m) && old.Whole && len(old.Held) == 0 {
		old.Seen = d.now.Unix()
		return nil, nil
	}
	if !d.finished(m, newest) {
		return nil, errGrowing
	}
	f := &File{Path: filepath.Join(d.cfg.Path, m.Name), Mark: *m}
	b, err := begin(f.Path)
	if err != nil {
		return nil, err
	}
	b.describe(&f.Mark)
	if old := d.known(&f.Mark, &b); old != nil {
		f.follow(old)
	}
	if f.Whole {
		d.remember(f.Mark)
		return nil, nil
	}
	d.pending[m.Name] = f
	return f, nil
}

// underWay returns the file of m if it is Ready and not Done, under this name or the one that it had.
func (d *Dir) underWay(m *Mark) *File {
	if f := d.pending[m.Name]; f != nil && f.Inode == m.Inode && f.Size <= m.Size {
		return f
	}
	for name, f := range d.pending {
		if f.Inode == m.Inode && f.Size == m.Size && f.Mod == m.Mod {
			delete(d.pending, name)
			f.Name, f.Path = m.Name, filepath.Join(d.cfg.Path, m.Name)
			d.pending[m.Name] = f
			return f
		}
	}
	return nil
}

// known returns the mark of the file of m, nil if it is new. Of several the one of its own name comes first, then the
// one that was read farthest.
func (d *Dir) known(m *Mark, b *beginning) (best *Mark) {
	if old := d.marks[m.Name]; old != nil && m.continues(old, b) {
		return old
	}
	for _, old := range d.marks {
		if m.continues(old, b) && (best == nil || old.Offset > best.Offset) {
			best = old
		}
	}
	return best
}

// grows adds the first time of a file that may still be written to l. A file that was read before makes nothing wait.
func (d *Dir) grows(m *Mark, l *Look) {
	if d.marks[m.Name] != nil {
		return
	}
	o := d.opened[m.Name]
	if o == nil || o.inode != m.Inode || o.first == 0 {
		b, err := begin(filepath.Join(d.cfg.Path, m.Name))
		if err != nil {
			return
		}
		o = &opening{m.Inode, b.first}
		d.opened[m.Name] = o
	}
	if first := time.Unix(0, o.first).UTC(); o.first != 0 && (l.Grows.IsZero() || first.Before(l.Grows)) {
		l.Grows = first
	}
}

// finished reports whether a file is not written any more. The newest must not have changed for Settle, by its own time
// or by the polls. The capturer has left the others, but a compressor may be at work: they must not have changed for 10
// s.
func (d *Dir) finished(p *Mark, newest bool) bool {
	written := time.Unix(0, p.Mod)
	if !newest {
		return written.After(d.now) || d.now.Sub(written) >= min(grace, d.cfg.Settle)
	}
	if !d.newest.mark.sameStat(p) {
		d.newest = unchanged{*p, d.now}
		if written.Before(d.now) {
			d.newest.since = written
		}
	}
	return d.now.Sub(d.newest.since) >= d.cfg.Settle
}
