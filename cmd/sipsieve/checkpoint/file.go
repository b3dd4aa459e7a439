package checkpoint

import (
	"errors"
	"io/fs"
	"os"
)

// flushAt is how many bytes are gathered before they are written.
const flushAt = 1 << 20

// A file is what a Log is written to, with the index of its entries.
type file struct {
	f     *os.File
	w     *blockWriter
	size  int64  // as far as it is whole
	feet  int    // that were written
	ends  uint64 // GoneEntries
	index index
}

// newFile begins a file at path, whose index has room for n names.
func newFile(path string, w *blockWriter, n int) (*file, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &file{f: f, w: w, index: newIndex(n)}, nil
}

// add adds an entry and notes where it is. It is on the disk after finish.
func (f *file) add(e *Entry) error {
	f.index.note(f.w.add(e), e)
	if len(f.w.sealed) < flushAt {
		return nil
	}
	return f.write()
}

// finish writes what was added to the disk, and gives the file the name path: not before it is whole there.
func (f *file) finish(path string) error {
	f.w.seal()
	if err := f.write(); err != nil {
		return err
	}
	if err := errors.Join(f.stand(), f.stand()); err != nil {
		return err
	}
	if err := f.f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.f.Name(), path)
}

// discard removes a file that was not finished.
func (f *file) discard() error { return errors.Join(f.f.Close(), os.Remove(f.f.Name())) }

// append writes entries to the disk. After an error the file is as it was before.
func (f *file) append(entries []Entry) error {
	size, next := f.size, f.w.next
	blocks := make([]uint64, len(entries))
	for i := range entries {
		blocks[i] = f.w.add(&entries[i])
	}
	f.w.seal()
	err := f.write()
	if err == nil {
		err = f.f.Sync()
	}
	if err != nil {
		f.w.back(next)
		f.size = size
		return errors.Join(err, f.f.Truncate(size))
	}
	for i := range entries {
		f.index.note(blocks[i], &entries[i])
		if entries[i].Kind == GoneEntry {
			f.ends++
		}
	}
	return nil
}

// write writes what was sealed to the end of the file.
func (f *file) write() error {
	n, err := f.f.WriteAt(f.w.sealed, f.size)
	f.w.sealed = f.w.sealed[:0]
	if err != nil {
		return err
	}
	f.size += int64(n)
	return nil
}

// stand writes the foot whose turn it is: how much the file has, which is on the disk.
func (f *file) stand() error {
	_, err := f.f.WriteAt(f.foot().bytes(), int64(len(firstLine)+f.feet%2*footSize))
	f.feet++
	return err
}

// foot returns how much the file has.
func (f *file) foot() foot { return foot{uint64(f.size), f.w.entries(), f.index.calls()} }

// missing reports whether the file is no longer what path names.
func (f *file) missing(path string) bool {
	there, err := os.Stat(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	own, err := f.f.Stat()
	return err == nil && !os.SameFile(there, own)
}

// close closes the file, if there is one.
func (f *file) close() error {
	if f.f == nil {
		return nil
	}
	return f.f.Close()
}
