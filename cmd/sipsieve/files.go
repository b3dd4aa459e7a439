package main

import (
	"errors"
	"fmt"
	"sipsieve/cmd/sipsieve/config"
	"slices"

	"sipsieve/capture"
	"sipsieve/capture/hep"
	"sipsieve/capture/pcap"
)

// mostFiles is how many capture files are read at once: each has a buffer of its own, a compressed one of some MiB.
const mostFiles = 256

// captureFiles are capture files that are read as one Source.
type captureFiles struct {
	capture.Source
	each  []*pcap.Source
	feeds []*hep.File
}

// A feedIn says how a HEP feed is looked for in capture files.
type feedIn struct {
	hep  bool   // it is
	port uint16 // all that is from or to this port is HEP; 0: what begins as a packet of version 3 does
}

// unwrap returns s, read as a feed if that is looked for.
func (c *captureFiles) unwrap(s *pcap.Source, in feedIn) capture.Source {
	c.each = append(c.each, s)
	if !in.hep {
		return s
	}
	f := hep.Unwrapped(s, in.port)
	c.feeds = append(c.feeds, f)
	return f
}

// openFiles opens all files as one source in the order of packet time.
func openFiles(paths []string, in feedIn) (*captureFiles, error) {
	if n := len(paths); n > mostFiles {
		return nil, fmt.Errorf("replay: %d files are to be merged, %d can be at once: replay them in turns, "+
			"or have run read the folder", n, mostFiles)
	}
	c := new(captureFiles)
	var sources []capture.Source
	for i, path := range paths {
		cfg := pcap.DefaultConfig()
		cfg.StreamBase = uint64(i) << 48
		s, err := pcap.Open(path, cfg)
		if err != nil {
			for _, s := range sources {
				err = errors.Join(err, s.Close())
			}
			return nil, err
		}
		sources = append(sources, c.unwrap(s, in))
	}
	if c.Source = sources[0]; len(sources) > 1 {
		c.Source = capture.Merge(sources...)
	}
	return c, nil
}

// openFile opens one capture file, as s says.
func openFile(s *config.Source, path string, base uint64) (*captureFiles, error) {
	c, err := s.Files(base)
	if err != nil {
		return nil, err
	}
	one, err := pcap.Open(path, c)
	if err != nil {
		return nil, err
	}
	files := new(captureFiles)
	files.Source = files.unwrap(one, feedIn{s.HEP, s.HEPPort})
	return files, nil
}

// Feeds returns what was found of HEP feeds in the files.
func (c *captureFiles) Feeds() (list []hep.Stats) {
	for _, f := range c.feeds {
		list = append(list, f.Stats())
	}
	return list
}

// Undated returns how many frames had no time of their own, or one that is not believed.
func (c *captureFiles) Undated() (n uint64) {
	for _, s := range c.each {
		n += s.Undated()
	}
	return n
}

// Late returns how many frames stood more than a second behind a later one.
func (c *captureFiles) Late() (n uint64) {
	for _, s := range c.each {
		n += s.Late()
	}
	return n
}

// Strays returns how many frames had a time that was not believed, for it was far from those around.
func (c *captureFiles) Strays() (n uint64) {
	for _, s := range c.each {
		n += s.Strays()
	}
	return n
}

// Piped reports whether one of the files comes as somebody writes it.
func (c *captureFiles) Piped() bool { return slices.ContainsFunc(c.each, (*pcap.Source).Piped) }

// piped reports whether s is a capture file that comes as somebody writes it.
func piped(s capture.Source) bool {
	c, ok := s.(*captureFiles)
	return ok && c.Piped()
}

// Ready reports whether Next returns without a wait.
func (c *captureFiles) Ready() bool {
	return !slices.ContainsFunc(c.each, func(s *pcap.Source) bool { return !s.Ready() })
}

// Progress returns how many bytes have been read and how many there are; size is -1 if that is not known.
func (c *captureFiles) Progress() (read, size int64) {
	for _, s := range c.each {
		r, n := s.Progress()
		if read += r; n < 0 || size < 0 {
			size = -1
			continue
		}
		size += n
	}
	return read, size
}
