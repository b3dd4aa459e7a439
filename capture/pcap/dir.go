package pcap

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// A DirConfig names a folder into which a capturer puts one file after the other: tcpdump with -G or -C, a ring of
// dumpcap. Two capturers want two DirConfigs with patterns of their own.
type DirConfig struct {
	Path    string        // the folder; those in it are not entered, links are not followed
	Pattern string        // of the names, as path.Match has them
	State   string        // the file that remembers what was read; its folder exists
	Settle  time.Duration // how long the newest file has not grown when it is taken for finished
	Files   int           // that match and that are remembered, at most
	Keep    time.Duration // how long a file that is gone is remembered
}

// DefaultDirConfig returns settings that suit an hour's files kept for a year. Path and State are the caller's.
func DefaultDirConfig() DirConfig {
	return DirConfig{Pattern: "*.pcap*", Settle: 5 * time.Minute, Files: 10_000, Keep: 30 * 24 * time.Hour}
}

// ErrCrowded says that a folder has more files than its Dir may remember: none of them was looked at.
var ErrCrowded = errors.New("more files match than may be remembered")

// grace is how long a file that is not the newest has not grown when it is taken for finished.
const grace = 10 * time.Second

// A Dir tells which files of a folder are to be read: each that is finished, until it is Done, also across restarts.
// A file is known again by its name and size and by what it begins with, so that it may be renamed, and compressed or
// not, in the meantime; one that has grown is told again. A Dir is used by one goroutine.
type Dir struct {
	cfg     DirConfig
	now     time.Time // of the last Poll
	done    remembered
	pending map[string]entry // what is Ready, by name
	newest  sight
	told    map[string]bool // names of files that cannot be opened
}

// A sight is a file and since when it has been as it is.
type sight struct {
	mark
	since time.Time
}

// A Look is what one Poll saw of the files that match.
type Look struct {
	Ready      []string // paths of those to be read, in the order of their last modification, then of their names
	Growing    int      // the newest, while it may still be written
	Known      int      // those that are Done, by this name or another
	Unreadable int      // those that cannot be opened; every Poll tries again
}

// OpenDir remembers what State says was read.
func OpenDir(cfg DirConfig) (*Dir, error) {
	if _, err := path.Match(cfg.Pattern, ""); err != nil || cfg.Files < 1 {
		return nil, fmt.Errorf("pcap: want a pattern of path.Match and 1 file or more, got %q and %d", cfg.Pattern, cfg.Files)
	}
	done, err := remember(cfg.State)
	if err != nil {
		return nil, err
	}
	return &Dir{cfg: cfg, done: done}, nil
}

// Poll looks at the folder; now is the wall clock. An error is ErrCrowded, or the folder's, or joins the files that
// cannot be opened, each told of once, by its name; the Look is right all the same. Poll again when what was Ready is
// Done or has been given up: a file that is not Done stays Ready.
func (d *Dir) Poll(now time.Time) (l Look, err error) {
	all, err := d.list()
	if err != nil {
		return l, fmt.Errorf("pcap: folder: %w", unnamed(err))
	}
	d.now = now
	pending, told := map[string]entry{}, map[string]bool{}
	for i, p := range all {
		e, trouble := d.look(p, i == len(all)-1)
		switch {
		case errors.Is(trouble, fs.ErrNotExist): // gone since
		case errors.Is(trouble, errGrowing):
			l.Growing++
		case trouble != nil:
			l.Unreadable++
			if told[p.Name] = true; !d.told[p.Name] {
				err = errors.Join(err, fmt.Errorf("pcap: %s: %w", p.Name, unnamed(trouble)))
			}
		case d.done.covers(e):
			l.Known++
			d.done.see(e, now)
		default:
			l.Ready = append(l.Ready, filepath.Join(d.cfg.Path, p.Name))
			pending[p.Name] = e
		}
	}
	d.pending, d.told = pending, told
	return l, err
}

// Done remembers, also across a crash, that all of the file at this path, as Poll saw it, has gone where it should.
// When it returns an error the file is not told again before a restart.
func (d *Dir) Done(path string) error {
	e, ok := d.pending[filepath.Base(path)]
	if !ok {
		return errors.New("pcap: done: want a path that the last Poll had ready")
	}
	delete(d.pending, e.Name)
	d.done.see(e, d.now)
	d.done.forget(d.now.Add(-d.cfg.Keep), d.cfg.Files)
	return d.done.save(d.cfg.State)
}

// list returns the files that match, in the order in which they are to be read.
func (d *Dir) list() (all []mark, err error) {
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
			return nil, ErrCrowded
		case errors.Is(err, io.EOF):
			slices.SortFunc(all, func(a, b mark) int { return cmp.Or(cmp.Compare(a.Mod, b.Mod), cmp.Compare(a.Name, b.Name)) })
			return all, nil
		case err != nil:
			return nil, err
		}
	}
}

func markOf(st fs.FileInfo) mark {
	p := mark{Name: st.Name(), Size: st.Size(), Mod: st.ModTime().UnixNano()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		p.Inode, p.Changed = sys.Ino, sys.Ctim.Nano()
	}
	return p
}

var errGrowing = errors.New("it may still be written")

// look returns what tells a file from others. It opens those that were not seen before.
func (d *Dir) look(p mark, newest bool) (e entry, err error) {
	if e, ok := d.done.files[p.Name]; ok && e.mark == p {
		return e, nil
	}
	if !d.finished(p, newest) {
		return e, errGrowing
	}
	if e, ok := d.pending[p.Name]; ok && e.mark == p {
		return e, nil
	}
	e.mark = p
	e.Head, e.Packed, err = head(filepath.Join(d.cfg.Path, p.Name))
	return e, err
}

// finished reports whether nobody writes a file any more. The newest has been as it is for Settle, by what it says
// itself or by what we saw; a capturer has left the others, but who compresses one may be at it.
func (d *Dir) finished(p mark, newest bool) bool {
	written := time.Unix(0, p.Mod)
	if !newest {
		return written.After(d.now) || d.now.Sub(written) >= min(grace, d.cfg.Settle)
	}
	if d.newest.mark != p {
		d.newest = sight{p, d.now}
		if written.Before(d.now) {
			d.newest.since = written
		}
	}
	return d.now.Sub(d.newest.since) >= d.cfg.Settle
}
