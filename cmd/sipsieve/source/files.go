package source

import (
	"errors"
	"fmt"
	"sipsieve/cmd/sipsieve/config"
	"slices"

	"sipsieve/capture"
	"sipsieve/capture/hep"
	"sipsieve/capture/pcap"
)

// MostFiles is how many capture files are read at once: each has a buffer of its own, a compressed one of some MiB.
const MostFiles = 256

// Files are capture files that are read as one Source.
type Files struct {
	capture.Source
	each  []*pcap.Source
	feeds []*hep.File
}

// HEP selects the packets of capture files that are decoded as HEP.
type HEP struct {
	Read bool
	Port uint16 // all that is from or to this port is HEP; 0: what begins as a packet of version 3 does
}

// unwrap returns s, with its HEP packets decoded if h selects any.
func (c *Files) unwrap(s *pcap.Source, in HEP) capture.Source {
	c.each = append(c.each, s)
	if !in.Read {
		return s
	}
	f := hep.Unwrapped(s, in.Port)
	c.feeds = append(c.feeds, f)
	return f
}

// OpenFiles opens all files as one source in the order of packet time, paced speed times as fast as they were captured;
// 0 as fast as can be.
func OpenFiles(paths []string, in HEP, speed float64) (*Files, error) {
	if n := len(paths); n > MostFiles {
		return nil, fmt.Errorf("replay: %d files are to be merged, %d can be at once: replay them in turns, "+
			"or have run read the folder", n, MostFiles)
	}
	c := new(Files)
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
	c.Source = paced(c.Source, speed)
	return c, nil
}

// OpenFile opens one capture file with the settings of s; base keeps its stream numbers apart from those of others.
func OpenFile(s *config.Source, path string, base uint64) (*Files, error) {
	c, err := s.Files(base)
	if err != nil {
		return nil, err
	}
	one, err := pcap.Open(path, c)
	if err != nil {
		return nil, err
	}
	files := new(Files)
	files.Source = files.unwrap(one, HEP{s.HEP, s.HEPPort})
	files.Source = paced(files.Source, s.Speed)
	return files, nil
}

// Feeds returns what was found of HEP feeds in the files.
func (c *Files) Feeds() (list []hep.Stats) {
	for _, f := range c.feeds {
		list = append(list, f.Stats())
	}
	return list
}

// Undated returns how many frames had no valid timestamp.
func (c *Files) Undated() (n uint64) {
	for _, s := range c.each {
		n += s.Undated()
	}
	return n
}

// Late returns how many frames stood more than a second behind a later one.
func (c *Files) Late() (n uint64) {
	for _, s := range c.each {
		n += s.Late()
	}
	return n
}

// Strays returns how many frames had a timestamp minutes away from those around them.
func (c *Files) Strays() (n uint64) {
	for _, s := range c.each {
		n += s.Strays()
	}
	return n
}

// Piped reports whether one of the files is a pipe, whose packets come as they are written.
func (c *Files) Piped() bool { return slices.ContainsFunc(c.each, (*pcap.Source).Piped) }

// Ready reports whether Next returns without a wait.
func (c *Files) Ready() bool {
	return !slices.ContainsFunc(c.each, func(s *pcap.Source) bool { return !s.Ready() })
}

// Progress returns how many bytes have been read and how many there are; size is -1 if that is not known.
func (c *Files) Progress() (read, size int64) {
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
