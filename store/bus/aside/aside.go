// Package aside keeps the files of a stream apart while the stream is made anew of what is intact in them. A crash at any
// time leaves one set of files that is complete: those of the stream or those that are set aside.
//
// The stream is made anew in these steps, each of which a crash may end:
//
//  1. its files are linked or moved to STREAM.new, with a note of what is known of it;
//  2. that is renamed to STREAM: from now on the stream of the server counts for nothing, and is removed;
//  3. the server makes the stream, empty, and what is intact in the files is put again;
//  4. the folder is renamed to STREAM.old, and removed.
package aside

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"sipsieve/store/bus/blocks"
	"sipsieve/store/disk"
)

// A Folder is where the files of one stream are set aside.
type Folder struct {
	path     string // STREAM, while it is there
	messages string // the folder of the server's files of messages
}

// Of returns the Folder of a stream below parent. The server keeps the stream's files in the folder messages.
func Of(parent, stream, messages string) Folder {
	return Folder{filepath.Join(parent, stream), messages}
}

// Exists reports whether files are set aside, which count in the place of the stream.
func (f Folder) Exists() bool {
	_, err := os.Stat(f.path)
	return err == nil
}

// Files returns the files of messages that are set aside, in their order, and their numbers.
func (f Folder) Files() (files []string, numbers []int, err error) {
	return blocks.Files(filepath.Join(f.path, "msgs"))
}

// DropLeftovers removes what attempts left behind that ended early: files that were put again, and links to files that
// the stream still has. The server must not run.
func (f Folder) DropLeftovers() error {
	err := os.RemoveAll(f.path + ".old")
	if _, statErr := os.Stat(f.messages); statErr == nil {
		err = errors.Join(err, os.RemoveAll(f.path+".new"))
	}
	return err
}

// Move moves the files of the stream aside, with a note. The server must not run.
func (f Folder) Move(note any) error {
	return f.put(note, func(to string) error {
		err := os.Rename(f.messages, to)
		if errors.Is(err, fs.ErrNotExist) {
			return os.MkdirAll(to, 0o700)
		}
		return err
	})
}

// Link links the files of the stream aside, with a note, while the server has them.
func (f Folder) Link(note any) error {
	if err := os.RemoveAll(f.path + ".new"); err != nil { // of an attempt that ended early: it may lack files
		return err
	}
	return f.put(note, func(to string) error {
		files, _, err := blocks.Files(f.messages)
		if err = errors.Join(err, os.MkdirAll(to, 0o700)); err != nil {
			return err
		}
		for _, file := range files {
			if err := os.Link(file, filepath.Join(to, filepath.Base(file))); err != nil {
				return err
			}
		}
		return nil
	})
}

// put fills the folder by bring. A crash may have left the folder behind, not filled.
func (f Folder) put(note any, bring func(to string) error) error {
	making := f.path + ".new"
	if err := os.MkdirAll(making, 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	if err := disk.ReplaceFile(filepath.Join(making, "note"), text, 0o600); err != nil {
		return err
	}
	to := filepath.Join(making, "msgs")
	if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) {
		if err := bring(to); err != nil {
			return err
		}
	}
	if err := errors.Join(disk.SyncDir(to), disk.SyncDir(making)); err != nil {
		return err
	}
	return errors.Join(os.Rename(making, f.path), disk.SyncDir(filepath.Dir(f.path)))
}

// Note reads the note into v. An error is also of a note that is damaged.
func (f Folder) Note(v any) error {
	text, err := os.ReadFile(filepath.Join(f.path, "note"))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// Remove removes the files. Renamed first, they are never taken for files that are still to be put again when only some of
// them are left.
func (f Folder) Remove() error {
	old := f.path + ".old"
	if err := errors.Join(os.RemoveAll(old), os.Rename(f.path, old), disk.SyncDir(filepath.Dir(f.path))); err != nil {
		return err
	}
	return os.RemoveAll(old)
}
