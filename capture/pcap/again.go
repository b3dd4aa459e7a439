package pcap

import (
	"fmt"
	"path/filepath"
	"time"
)

// Again returns the files of which something is remembered that is not older than since, to be read again as far as
// they were, and from which time on that can be had: later than since if the file of something older is gone.
func (d *Dir) Again(since time.Time) (files []*File, from time.Time, err error) {
	all, err := d.list()
	if err != nil {
		return nil, since, fmt.Errorf("pcap: folder: %w", unnamed(err))
	}
	from = since
	find := finder{d, all, map[string]bool{}, map[string]*beginning{}}
	for _, old := range d.marks {
		if old.Offset == 0 || old.Last < since.UnixNano() {
			continue
		}
		f := find.file(old)
		if f == nil {
			if gone := time.Unix(0, old.Last+1).UTC(); gone.After(from) {
				from = gone
			}
			continue
		}
		if find.taken[f.Name] = true; !f.Whole {
			d.pending[f.Name] = f
		}
		old.Held = nil // f has them
		files = append(files, f)
	}
	return files, from, nil
}

// A finder finds the files of a folder that marks describe.
type finder struct {
	*Dir
	all    []Mark
	taken  map[string]bool       // names of those that were found
	begins map[string]*beginning // of the files that were opened; nil of one that cannot be
}

// beginning opens the file at path, once.
func (x *finder) beginning(path string) *beginning {
	b, opened := x.begins[path]
	if !opened {
		if one, err := begin(path); err == nil {
			b = &one
		}
		x.begins[path] = b
	}
	return b
}

// file returns the file that old describes, nil if it is gone. Those of its name or inode are looked at first.
func (x *finder) file(old *Mark) *File {
	for _, alike := range []bool{true, false} {
		for i := range x.all {
			m := &x.all[i]
			if same := m.Name == old.Name || m.Inode == old.Inode; same != alike || x.taken[m.Name] {
				continue
			}
			f := &File{Path: filepath.Join(x.cfg.Path, m.Name), Mark: *m}
			b := x.beginning(f.Path)
			if b == nil {
				continue
			}
			if b.describe(&f.Mark); f.continues(old, b) {
				f.follow(old)
				if old.Whole { // what it grew by is another matter
					f.Size, f.Mod, f.Changed, f.Whole = old.Size, old.Mod, old.Changed, true
				}
				return f
			}
		}
	}
	return nil
}
