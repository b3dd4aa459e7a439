package main

import (
	"errors"
	"fmt"

	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/capture/decode"
	"sipsieve/capture/pcap"
)

// sourceConfig is one thing to listen to.
type sourceConfig struct {
	Type        string   `toml:"type"`        // interface, file
	Interface   string   `toml:"interface"`   // interface: its name; never "any"
	Ports       []string `toml:"ports"`       // "5060", "5060-5070"; interface: default 5060-5061; file: default every port
	Tunnels     []string `toml:"tunnels"`     // mirrors to step into; interface: default none; file: default all
	Fanout      int      `toml:"fanout"`      // interface: rings that share its traffic by flow; default 1
	Ring        string   `toml:"ring"`        // interface: memory of one ring; default 32MiB
	Promiscuous bool     `toml:"promiscuous"` // interface: also frames addressed to others; for mirror ports
	Path        string   `toml:"path"`        // file: a capture file; - is standard input
	Speed       float64  `toml:"speed"`       // file: 1 as it was captured, 0 as fast as can be
}

func (s *sourceConfig) validate(key string, say func(key, format string, args ...any)) {
	switch s.Type {
	case "interface":
		if s.Interface == "" {
			say(key+".interface", "want a name, such as eth0")
		}
	case "file":
		if s.Path == "" {
			say(key+".path", "want a capture file")
		}
	default:
		say(key+".type", "want interface or file")
	}
	if _, err := s.portRanges(); err != nil {
		say(key+".ports", "%v", err)
	}
	if _, err := s.tunnels(); err != nil {
		say(key+".tunnels", "%v", err)
	}
	if s.Fanout < 0 || s.Fanout > 64 {
		say(key+".fanout", "want 1 to 64")
	}
	if _, err := s.blocks(); err != nil {
		say(key+".ring", "%v", err)
	}
	if s.Speed < 0 {
		say(key+".speed", "want 0 or more")
	}
}

// portRanges reads Ports.
func (s *sourceConfig) portRanges() (list []decode.PortRange, err error) {
	ports := s.Ports
	if len(ports) == 0 && s.Type == "interface" {
		ports = []string{"5060-5061"}
	}
	for _, text := range ports {
		var first, last uint16
		if n, _ := fmt.Sscanf(text, "%d-%d", &first, &last); n == 1 {
			last = first
		} else if n != 2 {
			return nil, errors.New("want ports such as \"5060\" or \"5060-5070\"")
		}
		if first == 0 || last < first {
			return nil, errors.New("want ports from 1 to 65535, the lower one first")
		}
		list = append(list, decode.PortRange{First: first, Last: last})
	}
	return list, nil
}

// tunnels reads Tunnels.
func (s *sourceConfig) tunnels() (t capture.Tunnels, err error) {
	if len(s.Tunnels) == 0 && s.Type == "file" {
		return pcap.DefaultConfig().Tunnels, nil
	}
	for _, name := range s.Tunnels {
		e, ok := capture.TunnelNamed(name)
		if !ok {
			return t, errors.New("want names such as gre, erspan2, vxlan or ipip")
		}
		t |= capture.TunnelsOf(e)
	}
	return t, nil
}

// blocks reads Ring as a number of blocks.
func (s *sourceConfig) blocks() (int, error) {
	if s.Ring == "" {
		return afpacket.DefaultConfig().Blocks, nil
	}
	n, err := readSize(s.Ring)
	if size := int64(afpacket.DefaultConfig().BlockSize); err != nil || n < 2*size || n >= 1<<31 || n%size != 0 {
		return 0, errors.New("want whole MiB from 2MiB to 2047MiB")
	}
	return int(n / int64(afpacket.DefaultConfig().BlockSize)), nil
}

// open opens what s names; base keeps its stream numbers apart from those of others.
func (s *sourceConfig) open(base uint64) ([]capture.Source, error) {
	if s.Type == "interface" {
		return s.openInterface(base)
	}
	one, err := s.openFile(s.Path, base)
	if err != nil {
		return nil, err
	}
	if s.Speed > 0 {
		one = paced(one, s.Speed)
	}
	return []capture.Source{one}, nil
}

func (s *sourceConfig) openInterface(base uint64) (list []capture.Source, err error) {
	c := afpacket.DefaultConfig()
	if c.Ports, err = s.portRanges(); err != nil {
		return nil, err
	}
	if c.Decode.Tunnels, err = s.tunnels(); err != nil {
		return nil, err
	}
	if c.Blocks, err = s.blocks(); err != nil {
		return nil, err
	}
	c.Interface, c.Fanout, c.Promiscuous, c.Decode.StreamBase = s.Interface, max(s.Fanout, 1), s.Promiscuous, base
	all, err := afpacket.OpenAll(c)
	for _, one := range all {
		list = append(list, one)
	}
	return list, err
}

func (s *sourceConfig) openFile(path string, base uint64) (capture.Source, error) {
	c := pcap.DefaultConfig()
	var err error
	if c.Ports, err = s.portRanges(); err != nil {
		return nil, err
	}
	if c.Tunnels, err = s.tunnels(); err != nil {
		return nil, err
	}
	c.StreamBase = base
	return pcap.Open(path, c)
}
