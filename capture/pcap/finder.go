package pcap

import "path/filepath"

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
