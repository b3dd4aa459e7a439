package config

import (
	"cmp"
	"crypto/sha256"
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

// A Source is one [[source]]: one thing to read packets from.
type Source struct {
	Type        string   `toml:"type"`        // interface, file, directory, hep
	Interface   string   `toml:"interface"`   // interface: its name; never "any"
	Ports       []string `toml:"ports"`       // "5060", "5060-5070"; interface: default 5060-5061; files: default every port
	Tunnels     []string `toml:"tunnels"`     // tunnels to decode; interface: default none; files: default all
	VLANs       []uint16 `toml:"vlans"`       // interface: only these; default all
	Fanout      int      `toml:"fanout"`      // interface: rings among which its flows are shared; default 1
	Ring        string   `toml:"ring"`        // interface: memory of one ring; default 32MiB
	Block       string   `toml:"block"`       // interface: unit in which the kernel hands over frames; default 1MiB
	Retire      string   `toml:"retire"`      // interface: timeout of a block that is not full, 1ms to 1s; default 60ms
	Promiscuous bool     `toml:"promiscuous"` // interface: promiscuous mode, for mirror ports
	Path        string   `toml:"path"`        // file: a capture file, - is standard input; directory: the folder
	Pattern     string   `toml:"pattern"`     // directory: pattern of the names of its files; default *.pcap*
	Settle      string   `toml:"settle"`      // directory: its newest file is read when it has not grown for so long; default 5m
	Speed       float64  `toml:"speed"`       // file: pace: 1 as captured, 0 as fast as possible
	HEP         bool     `toml:"hep"`         // files: decode HEP packets in it
	HEPPort     uint16   `toml:"hep_port"`    // files, with hep: port of HEP packets; default recognised by content
	Name        string   `toml:"name"`        // hep: name of the feed in records; default hep
	Listen      []string `toml:"listen"`      // hep: udp://, tcp:// or tls://; default udp and tcp on 127.0.0.1:9060
	Allow       []string `toml:"allow"`       // hep: prefixes of addresses that may send; default all
	KeyFile     string   `toml:"key_file"`    // hep: file whose first line is the key that packets must have; mode 0600
	Insecure    bool     `toml:"insecure"`    // hep: no key; any user who can reach the address can forge calls
	Skew        string   `toml:"skew"`        // hep: a timestamp further from the arrival is replaced by it; default 2s
	Certificate string   `toml:"certificate"` // hep: PEM file for tls://
	PrivateKey  string   `toml:"private_key"` // hep: PEM file for tls://
	ClientCA    string   `toml:"client_ca"`   // hep: PEM file of the CAs of the senders' certificates
}

// SourceKey is the key of the i-th source in the configuration, which names it in the log, ledger and metrics.
func SourceKey(i int) string { return fmt.Sprintf("source.%d", i) }

// Live reports whether s is a source of the wire: an interface or a HEP feed.
func (s *Source) Live() bool { return s.Type == "interface" || s.Type == "hep" }

// DisplayName returns what the operator calls s: its interface, feed or folder. Of a file it is the folder too: the
// name of a capture file may name a person.
func (s *Source) DisplayName() string {
	switch s.Type {
	case "interface":
		return s.Interface
	case "hep":
		return cmp.Or(s.Name, hep.DefaultConfig().Name)
	case "file":
		return filepath.Dir(s.Path)
	}
	return s.Path
}

// validate reports everything that is wrong with s, whose keys begin with key.
func (s *Source) validate(key string, say complaint) {
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
		if c, err := s.Feed(); err != nil {
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
		{"ports", func() error { _, err := s.PortRanges(); return err }},
		{"tunnels", func() error { _, err := s.TunnelSet(); return err }},
		{"block", func() error { _, err := s.blockSize(); return err }},
		{"ring", func() error { _, err := s.blocks(); return err }},
		{"retire", func() error { _, err := s.retire(); return err }},
		{"settle", func() error { _, err := s.SettleTime(); return err }},
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
func (s *Source) misplaced() (names []string) {
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

// PortNames returns Ports, or the default of an interface; none for every port.
func (s *Source) PortNames() (names []string) {
	if len(s.Ports) > 0 || s.Type != "interface" {
		return s.Ports
	}
	for _, r := range afpacket.DefaultConfig().Ports {
		names = append(names, fmt.Sprintf("%d-%d", r.First, r.Last))
	}
	return names
}

// PortRanges reads PortNames.
func (s *Source) PortRanges() (list []decode.PortRange, err error) {
	for _, text := range s.PortNames() {
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

// TunnelSet reads Tunnels.
func (s *Source) TunnelSet() (t capture.Tunnels, err error) {
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
func (s *Source) blockSize() (int, error) {
	if s.Block == "" {
		return afpacket.DefaultConfig().BlockSize, nil
	}
	n, err := parseSize(s.Block)
	if err != nil || n < 128<<10 || n > 64<<20 || n&(n-1) != 0 {
		return 0, errors.New("want a power of two from 128KiB to 64MiB")
	}
	return int(n), nil
}

// blocks reads Ring as a number of blocks.
func (s *Source) blocks() (int, error) {
	size, err := s.blockSize()
	if err != nil {
		return 0, err
	}
	n := int64(afpacket.DefaultConfig().Blocks) * int64(afpacket.DefaultConfig().BlockSize)
	if s.Ring != "" {
		n, err = parseSize(s.Ring)
	}
	if err != nil || n < 2*int64(size) || n >= 1<<31 || n%int64(size) != 0 {
		return 0, errors.New("want two or more whole blocks (1MiB each, or what block says), and at most 2047MiB")
	}
	return int(n / int64(size)), nil
}

// retire reads Retire.
func (s *Source) retire() (time.Duration, error) {
	if s.Retire == "" {
		return afpacket.DefaultConfig().Retire, nil
	}
	d, err := time.ParseDuration(s.Retire)
	if err != nil || d < time.Millisecond || d > time.Second {
		return 0, errors.New("want a time from 1ms to 1s, such as 60ms")
	}
	return d, nil
}

// SettleTime reads Settle.
func (s *Source) SettleTime() (time.Duration, error) {
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
func (s *Source) checkPattern() error {
	if _, err := path.Match(s.Pattern, ""); err != nil {
		return errors.New("want a pattern of names, such as *.pcap or eth0-[0-9]*.pcap*")
	}
	return nil
}

// Feed returns the settings of a HEP feed.
func (s *Source) Feed() (hep.Config, error) {
	c := hep.DefaultConfig()
	c.Name, c.Insecure = cmp.Or(s.Name, c.Name), s.Insecure
	c.KeyFile, c.Credential = credentialFor(s.KeyFile)
	if s.Skew != "" {
		var err error
		if c.Skew, err = time.ParseDuration(s.Skew); err != nil {
			return c, errors.New("skew: want a time such as 2s")
		}
	}
	c.Certificate, c.ClientCA = s.Certificate, s.ClientCA
	c.PrivateKey, _ = credentialFor(s.PrivateKey)
	if len(s.Listen) > 0 {
		c.Listen = s.Listen
	}
	for _, text := range s.Allow {
		p, err := parsePrefix(text)
		if err != nil {
			return c, errors.New("allow: want addresses or prefixes, such as 192.0.2.0/24")
		}
		c.Allow = append(c.Allow, p)
	}
	return c, nil
}

// credentialFor returns the file in place of the one at path that the service manager passes under the same name, and whether
// there is one: so one configuration serves the unit, which may not read /etc/sipsieve, and the other verbs.
func credentialFor(path string) (file string, credential bool) {
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

// Rings returns the settings of the rings of an interface; base keeps its stream numbers apart from those of others.
func (s *Source) Rings(base uint64) (c afpacket.Config, err error) {
	c = afpacket.DefaultConfig()
	if c.Ports, err = s.PortRanges(); err != nil {
		return c, err
	}
	if c.Decode.Tunnels, err = s.TunnelSet(); err != nil {
		return c, err
	}
	if c.Blocks, err = s.blocks(); err != nil {
		return c, err
	}
	if c.BlockSize, err = s.blockSize(); err != nil {
		return c, err
	}
	if c.Retire, err = s.retire(); err != nil {
		return c, err
	}
	c.Interface, c.VLANs, c.Promiscuous = s.Interface, s.VLANs, s.Promiscuous
	c.Fanout, c.Decode.StreamBase = max(s.Fanout, 1), base
	return c, nil
}

// Files returns how the capture files of s are read; base keeps their stream numbers apart from those of others.
func (s *Source) Files(base uint64) (c pcap.Config, err error) {
	c = pcap.DefaultConfig()
	c.StreamBase = base
	if c.Ports, err = s.PortRanges(); err != nil {
		return c, err
	}
	c.Tunnels, err = s.TunnelSet()
	return c, err
}

// Folder returns how the folder of s is watched. What was read of it is remembered in the file state.
func (s *Source) Folder(state string) (c pcap.DirConfig, err error) {
	c = pcap.DefaultDirConfig()
	c.Path, c.Pattern, c.State = s.Path, cmp.Or(s.Pattern, c.Pattern), state
	c.Settle, err = s.SettleTime()
	return c, err
}

// CheckpointName is the file of the checkpoint log of a folder in the state folder: it is the folder's wherever that
// stands in the configuration.
func (s *Source) CheckpointName() string {
	path, _ := filepath.Abs(s.Path)
	h := sha256.Sum256([]byte(path + "\x00" + cmp.Or(s.Pattern, pcap.DefaultDirConfig().Pattern)))
	return fmt.Sprintf("folder-%x.checkpoint", h[:8])
}
