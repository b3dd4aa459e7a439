// Package source opens what a configuration names to read packets from: interfaces, HEP feeds, capture files and folders.
//
// # Which type opens what
//
// An interface is one *afpacket.Source a ring; a HEP feed is one source that listens again when its address is taken or
// fails; capture files are one *Files in the order of packet time, paced if the configuration says so.
//
// # Clock
//
// Packet time is that of the packets. The wall clock is read for two waits only: between two attempts to listen, and
// before a packet of a paced file.
package source

import (
	"fmt"
	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/capture/hep"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/config"
)

// Open opens a live source: the rings of an interface, or a HEP feed; base keeps its stream numbers apart from those of
// others.
func Open(s *config.Source, base uint64) ([]capture.Source, error) {
	if s.Type == "interface" {
		return openInterface(s, base)
	}
	c, err := s.Feed()
	if err != nil {
		return nil, err
	}
	one, err := hep.Open(c)
	if err != nil {
		return nil, err
	}
	return []capture.Source{one}, nil
}

// OpenLasting is Open for the daemon: a feed whose address is taken, or not there yet, is opened when it can be.
func OpenLasting(s *config.Source, base uint64) ([]capture.Source, error) {
	if s.Type == "interface" {
		return openInterface(s, base)
	}
	c, err := s.Feed()
	if err != nil {
		return nil, err
	}
	return []capture.Source{newFeed(c)}, nil
}

func openInterface(s *config.Source, base uint64) (list []capture.Source, err error) {
	c, err := s.Rings(base)
	if err != nil {
		return nil, err
	}
	all, err := afpacket.Open(c)
	for _, one := range all {
		list = append(list, one)
	}
	return list, err
}

// OpenDir returns a watcher of the folder of s. The file state keeps which of its files were read.
func OpenDir(s *config.Source, state string) (*pcap.Dir, error) {
	c, err := s.Folder(state)
	if err != nil {
		return nil, err
	}
	return pcap.OpenDir(c)
}

// Obstacle returns why a live source has no packets now, "" if it is open. The source has not ended: it resumes when
// its interface or its address is there again.
func Obstacle(s capture.Source) string {
	switch s := s.(type) {
	case *afpacket.Source:
		if state := s.State(); state != afpacket.Up {
			return fmt.Sprintf("interface %s is %s", s.Name(), state)
		}
	case *feed:
		if err := s.Trouble(); err != nil {
			return fmt.Sprintf("not listening: %v", err)
		}
	}
	return ""
}
