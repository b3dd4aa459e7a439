package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/capture/decode"
	"sipsieve/capture/hep"
	"sipsieve/capture/pcap"
)

// sourceConfig is one thing to listen to.
type sourceConfig struct {
	Type        string   `toml:"type"`        // interface, file, directory, hep
	Interface   string   `toml:"interface"`   // interface: its name; never "any"
	Ports       []string `toml:"ports"`       // "5060", "5060-5070"; interface: default 5060-5061; files: default every port
	Tunnels     []string `toml:"tunnels"`     // mirrors to step into; interface: default none; files: default all
	VLANs       []uint16 `toml:"vlans"`       // interface: only these; default all
	Fanout      int      `toml:"fanout"`      // interface: rings that share its traffic by flow; default 1
	Ring        string   `toml:"ring"`        // interface: memory of one ring; default 32MiB
	Block       string   `toml:"block"`       // interface: a part of a ring that is handed over at once; default 1MiB
	Retire      string   `toml:"retire"`      // interface: how long a block waits to be full, 1ms to 1s; default 60ms
	Promiscuous bool     `toml:"promiscuous"` // interface: also frames addressed to others; for mirror ports
	Path        string   `toml:"path"`        // file: a capture file, - is standard input; directory: the folder
	Pattern     string   `toml:"pattern"`     // directory: of the names of its files; default *.pcap*
	Settle      string   `toml:"settle"`      // directory: how long its newest file has not grown when it is read; default 5m
	Speed       float64  `toml:"speed"`       // file: 1 as it was captured, 0 as fast as can be
	HEP         bool     `toml:"hep"`         // files: read the packets of a HEP feed in it as what they carry
	HEPPort     uint16   `toml:"hep_port"`    // files, with hep: what is from or to this port is HEP; default by content
	Name        string   `toml:"name"`        // hep: what records call the feed; default hep
	Listen      []string `toml:"listen"`      // hep: udp://, tcp:// or tls://; default udp and tcp on 127.0.0.1:9060
	Allow       []string `toml:"allow"`       // hep: prefixes of addresses that may send; default all
	KeyFile     string   `toml:"key_file"`    // hep: its first line is the key that packets must bear; mode 0600
	Insecure    bool     `toml:"insecure"`    // hep: no key; any user who can reach the address can forge calls
	Skew        string   `toml:"skew"`        // hep: a stamp further off its arrival is not believed; default 2s
	Certificate string   `toml:"certificate"` // hep: PEM file for tls://
	PrivateKey  string   `toml:"private_key"` // hep: PEM file for tls://
	ClientCA    string   `toml:"client_ca"`   // hep: PEM file of who may sign the senders' certificates
}

func (s *sourceConfig) validate(key string, say func(key, format string, args ...any)) {
	switch s.Type {
	case "interface":
		if s.Interface == "" {
			say(key+".interface", "want a name, such as eth0")
		}
	case "file", "directory":
		if s.Path == "" {
			say(key+".path", "want a capture file, or a folder of them")
		}
	case "hep":
		if c, err := s.feed(); err != nil {
			say(key, "%v", err)
		} else if err := c.Validate(); err != nil {
			say(key, "%v", err)
		}
	default:
		say(key+".type", "want interface, file, directory or hep")
		return
	}
	for _, name := range s.misplaced() {
		say(key+"."+name, "means nothing to a source of type %s", s.Type)
	}
	for _, one := range []struct {
		name string
		read func() error
	}{
		{"ports", func() error { _, err := s.portRanges(); return err }},
		{"tunnels", func() error { _, err := s.tunnels(); return err }},
		{"block", func() error { _, err := s.blockSize(); return err }},
		{"ring", func() error { _, err := s.blocks(); return err }},
		{"retire", func() error { _, err := s.retire(); return err }},
		{"settle", func() error { _, err := s.settle(); return err }},
		{"pattern", s.checkPattern},
	} {
		if err := one.read(); err != nil {
			say(key+"."+one.name, "%v", err)
		}
	}
	if s.Fanout < 0 || s.Fanout > 64 {
		say(key+".fanout", "want 1 to 64")
	}
	if s.Speed < 0 {
		say(key+".speed", "want 0 or more")
	}
}

// misplaced returns the keys that are set and that a source of another type only has, which would do nothing.
func (s *sourceConfig) misplaced() (names []string) {
	link, feed := s.Type == "interface", s.Type == "hep"
	dir, files := s.Type == "directory", s.Type == "file" || s.Type == "directory"
	for _, k := range []struct {
		name    string
		set, ok bool
	}{
		{"interface", s.Interface != "", link},
		{"ports", len(s.Ports) > 0, link || files},
		{"tunnels", len(s.Tunnels) > 0, link || files},
		{"vlans", len(s.VLANs) > 0, link},
		{"fanout", s.Fanout != 0, link},
		{"ring", s.Ring != "", link},
		{"block", s.Block != "", link},
		{"retire", s.Retire != "", link},
		{"promiscuous", s.Promiscuous, link},
		{"path", s.Path != "", files},
		{"pattern", s.Pattern != "", dir},
		{"settle", s.Settle != "", dir},
		{"speed", s.Speed != 0, s.Type == "file"},
		{"hep", s.HEP, files},
		{"hep_port", s.HEPPort != 0, files && s.HEP},
		{"name", s.Name != "", feed},
		{"listen", len(s.Listen) > 0, feed},
		{"allow", len(s.Allow) > 0, feed},
		{"key_file", s.KeyFile != "", feed},
		{"insecure", s.Insecure, feed},
		{"skew", s.Skew != "", feed},
		{"certificate", s.Certificate != "", feed},
		{"private_key", s.PrivateKey != "", feed},
		{"client_ca", s.ClientCA != "", feed},
	} {
		if k.set && !k.ok {
			names = append(names, k.name)
		}
	}
	return names
}

// points returns the names of interfaces and feeds: what a record may call its capture point.
func (c *config) points() (names []string) {
	for i := range c.Source {
		switch s := &c.Source[i]; s.Type {
		case "interface":
			names = append(names, s.Interface)
		case "hep":
			names = append(names, cmp.Or(s.Name, hep.DefaultConfig().Name))
		}
	}
	return names
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
	if len(s.Tunnels) == 0 && s.Type != "interface" {
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

// blockSize reads Block, in bytes.
func (s *sourceConfig) blockSize() (int, error) {
	if s.Block == "" {
		return afpacket.DefaultConfig().BlockSize, nil
	}
	n, err := readSize(s.Block)
	if err != nil || n < 128<<10 || n > 64<<20 || n&(n-1) != 0 {
		return 0, errors.New("want a power of two from 128KiB to 64MiB")
	}
	return int(n), nil
}

// blocks reads Ring as a number of blocks.
func (s *sourceConfig) blocks() (int, error) {
	size, err := s.blockSize()
	if err != nil {
		return 0, err
	}
	n := int64(afpacket.DefaultConfig().Blocks) * int64(afpacket.DefaultConfig().BlockSize)
	if s.Ring != "" {
		n, err = readSize(s.Ring)
	}
	if err != nil || n < 2*int64(size) || n >= 1<<31 || n%int64(size) != 0 {
		return 0, errors.New("want two or more whole blocks (1MiB each, or what block says), and at most 2047MiB")
	}
	return int(n / int64(size)), nil
}

// retire reads Retire.
func (s *sourceConfig) retire() (time.Duration, error) {
	if s.Retire == "" {
		return afpacket.DefaultConfig().Retire, nil
	}
	d, err := time.ParseDuration(s.Retire)
	if err != nil || d < time.Millisecond || d > time.Second {
		return 0, errors.New("want a time from 1ms to 1s, such as 60ms")
	}
	return d, nil
}

// settle reads Settle.
func (s *sourceConfig) settle() (time.Duration, error) {
	if s.Settle == "" {
		return pcap.DefaultDirConfig().Settle, nil
	}
	d, err := time.ParseDuration(s.Settle)
	if err != nil || d <= 0 {
		return 0, errors.New("want a time such as 5m")
	}
	return d, nil
}

// checkPattern says what is wrong with Pattern.
func (s *sourceConfig) checkPattern() error {
	if _, err := path.Match(s.Pattern, ""); err != nil {
		return errors.New("want a pattern of names, such as *.pcap or eth0-[0-9]*.pcap*")
	}
	return nil
}

// feed returns the settings of a HEP feed.
func (s *sourceConfig) feed() (hep.Config, error) {
	c := hep.DefaultConfig()
	c.Name, c.Insecure = cmp.Or(s.Name, c.Name), s.Insecure
	c.KeyFile, c.Credential = passed(s.KeyFile)
	if s.Skew != "" {
		var err error
		if c.Skew, err = time.ParseDuration(s.Skew); err != nil {
			return c, errors.New("skew: want a time such as 2s")
		}
	}
	c.Certificate, c.ClientCA = s.Certificate, s.ClientCA
	c.PrivateKey, _ = passed(s.PrivateKey)
	if len(s.Listen) > 0 {
		c.Listen = s.Listen
	}
	for _, text := range s.Allow {
		p, err := prefixOf(text)
		if err != nil {
			return c, errors.New("allow: want addresses or prefixes, such as 192.0.2.0/24")
		}
		c.Allow = append(c.Allow, p)
	}
	return c, nil
}

// passed returns the file in place of the one at path that the service manager passes under the same name, and whether
// there is one: so one configuration serves the unit, which may not read /etc/sipsieve, and the other verbs.
func passed(path string) (file string, credential bool) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" || path == "" {
		return path, false
	}
	file = filepath.Join(dir, filepath.Base(path))
	if _, err := os.Stat(file); err != nil {
		return path, false
	}
	return file, true
}

// open opens what s names, a folder's files aside; base keeps its stream numbers apart from those of others.
func (s *sourceConfig) open(base uint64) ([]capture.Source, error) {
	switch s.Type {
	case "interface":
		return s.openInterface(base)
	case "hep":
		c, err := s.feed()
		if err != nil {
			return nil, err
		}
		one, err := hep.Open(c)
		if err != nil {
			return nil, err
		}
		return []capture.Source{one}, nil
	}
	one, err := s.openFile(s.Path, base)
	if err != nil {
		return nil, err
	}
	if s.Speed > 0 {
		one.Source = paced(one.Source, s.Speed)
	}
	return []capture.Source{one}, nil
}

// openLasting opens s as the daemon does: a feed whose address is taken, or not there yet, is opened when it can be.
func (s *sourceConfig) openLasting(base uint64) ([]capture.Source, error) {
	if s.Type != "hep" {
		return s.open(base)
	}
	c, err := s.feed()
	if err != nil {
		return nil, err
	}
	return []capture.Source{reopen(c)}, nil
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
	if c.BlockSize, err = s.blockSize(); err != nil {
		return nil, err
	}
	if c.Retire, err = s.retire(); err != nil {
		return nil, err
	}
	c.Interface, c.VLANs, c.Promiscuous = s.Interface, s.VLANs, s.Promiscuous
	c.Fanout, c.Decode.StreamBase = max(s.Fanout, 1), base
	all, err := afpacket.OpenAll(c)
	for _, one := range all {
		list = append(list, one)
	}
	return list, err
}

// openDir returns what watches the folder that s names; what was read of it is remembered in the state folder.
func (s *sourceConfig) openDir(state string) (*pcap.Dir, error) {
	c := pcap.DefaultDirConfig()
	c.Path, c.Pattern, c.State = s.Path, cmp.Or(s.Pattern, c.Pattern), state
	var err error
	if c.Settle, err = s.settle(); err != nil {
		return nil, err
	}
	return pcap.OpenDir(c)
}

// overlaps reports interfaces of c that show the same frames.
func (c *config) overlaps() error {
	var names []string
	for _, s := range c.Source {
		if s.Type == "interface" {
			names = append(names, s.Interface)
		}
	}
	if len(names) < 2 {
		return nil
	}
	return afpacket.Overlaps(names)
}
