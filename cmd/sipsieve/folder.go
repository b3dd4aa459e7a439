package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/pipeline"
)

// lookEvery is how often a folder is looked at for files that are finished.
const lookEvery = time.Second

// A folder opens the files of a folder one after the other. A file is done when all that comes of it is durable.
type folder struct {
	d      *daemon
	key    string
	source *sourceConfig
	base   uint64
	ready  []string
	ails   string // what look said last

	mu    sync.Mutex
	dir   *pcap.Dir       // under mu
	given map[string]bool // paths that were opened and are not done; under mu
	left  map[string]bool // paths that this run reads no further, and the next reads again; under mu
}

// openFolder returns the feed of a folder's files.
func (d *daemon) openFolder(i int) (*feed, error) {
	name := sourceKey(i)
	dir, err := d.Source[i].openDir(filepath.Join(d.State, name+".read"))
	if err != nil {
		return nil, err
	}
	f := &folder{d: d, key: name, source: &d.Source[i], base: uint64(i) << 56, dir: dir, given: map[string]bool{},
		left: map[string]bool{}}
	return newFeed(name, d.trunks, f.next), nil
}

// next waits for a file that is finished and opens it. It returns io.EOF when ctx ends, and an error that says what
// ails the folder or one of its files; the next ones follow.
func (f *folder) next(ctx context.Context) (*pipeline.Domain, func(error) error, error) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if len(f.ready) > 0 {
			path := f.ready[0]
			f.ready = f.ready[1:]
			return f.open(path)
		}
		if err := f.news(f.look()); err != nil {
			return nil, nil, err
		}
		if len(f.ready) > 0 {
			continue
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return nil, nil, io.EOF
}

// news returns what ails the folder, once, until it is something else.
func (f *folder) news(err error) error {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == f.ails {
		return nil
	}
	f.ails = text
	return err
}

// look asks the Dir, once all that it told of before is done.
func (f *folder) look() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.given) > 0 {
		return nil
	}
	l, err := f.dir.Poll(time.Now())
	f.ready = slices.DeleteFunc(l.Ready, func(path string) bool { return f.left[path] })
	return err
}

// open opens a file.
func (f *folder) open(path string) (*pipeline.Domain, func(error) error, error) {
	f.mu.Lock()
	f.given[path] = true
	f.mu.Unlock()
	done := func(ended error) error { return f.done(path, ended) }
	one, err := f.source.openFile(path, f.base)
	if err != nil {
		return nil, nil, errors.Join(err, done(err))
	}
	return pipeline.New([]capture.Source{one}, f.d.plan(f.d.Shards, false)).Named(f.key), done, nil
}

// done takes note that a file is done with; ended is what ended it early. One that is no capture from some place on is
// never more than that, but what the system refuses now it may give at the next start.
func (f *folder) done(path string, ended error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.given, path)
	if refused := syscall.Errno(0); errors.As(ended, &refused) {
		f.left[path] = true
		return nil
	}
	return f.dir.Done(path)
}
