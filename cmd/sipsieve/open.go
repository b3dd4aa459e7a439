package main

import (
	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/capture/hep"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/config"
)

// openSource opens what s names, a folder's files aside; base keeps its stream numbers apart from those of others.
func openSource(s *config.Source, base uint64) ([]capture.Source, error) {
	switch s.Type {
	case "interface":
		return openInterface(s, base)
	case "hep":
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
	one, err := openFile(s, s.Path, base)
	if err != nil {
		return nil, err
	}
	if s.Speed > 0 {
		one.Source = paced(one.Source, s.Speed)
	}
	return []capture.Source{one}, nil
}

// openLasting opens s as the daemon does: a feed whose address is taken, or not there yet, is opened when it can be.
func openLasting(s *config.Source, base uint64) ([]capture.Source, error) {
	if s.Type != "hep" {
		return openSource(s, base)
	}
	c, err := s.Feed()
	if err != nil {
		return nil, err
	}
	return []capture.Source{reopen(c)}, nil
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

// openDir returns what watches the folder that s names; what was read of it is remembered in the state folder.
func openDir(s *config.Source, state string) (*pcap.Dir, error) {
	c, err := s.Folder(state)
	if err != nil {
		return nil, err
	}
	return pcap.OpenDir(c)
}
