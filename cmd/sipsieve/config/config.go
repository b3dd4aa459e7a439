// Package config reads the daemon's configuration and what it names: sources, trunks, limits, the policy and the keys.
//
// A Config is the text as it was written, checked. A Setup is that with its policy and keys read: what every verb is
// built from.
//
// # Mistakes
//
// Everything that is wrong with a file is returned at once, each mistake with file, line and key, none with the value:
// a value may be a telephone number or a key. A key that no section has is a mistake too.
//
// # What is not here
//
// Nothing is opened but the policy, the keys and, for HEP feeds, key and certificate files. Interfaces, capture files,
// the bus and the store are opened by those who read or write them.
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sipsieve/capture/afpacket"
	"sipsieve/store"
	"sipsieve/store/policy/locate"
)

// A Config is the daemon's configuration. The roles of a host are the sections that it has.
type Config struct {
	Site     string   `toml:"site"`      // in subjects and records: [a-z0-9_-]{1,32}
	Sensor   string   `toml:"sensor"`    // likewise; one a host
	Region   string   `toml:"region"`    // ISO 3166 alpha-2: region of numbers without +; "" for none
	State    string   `toml:"state"`     // folder of everything that the daemon writes
	LogLevel string   `toml:"log_level"` // debug, info, warn, error
	LogJSON  bool     `toml:"log_json"`  // JSON lines, not text
	Shards   int      `toml:"shards"`    // 0: one a processor
	Show     string   `toml:"show"`      // purpose whose excerpts are printed as they are published
	Rules    Rules    `toml:"policy"`
	Keys     Keys     `toml:"keys"`
	Source   []Source `toml:"source"`
	Bus      *Bus     `toml:"bus"`   // nil for the defaults
	Hub      *Hub     `toml:"hub"`   // nil for none
	Store    *Store   `toml:"store"` // nil for none
	HTTP     HTTP     `toml:"http"`
	Calls    Calls    `toml:"calls"`
	Trunk    []Trunk  `toml:"trunk"`

	File     string         `toml:"-"` // where it was read; "" for Default
	at       locate.Locator // finds the line of a key
	warnings []string       // of what it names
}

// HTTP is where /metrics, /healthz and /readyz are.
type HTTP struct {
	Listen      string `toml:"listen"`       // host:port; "" for nowhere
	AllowRemote bool   `toml:"allow_remote"` // allow an address that is not loopback: its counts are open to all
}

// Default returns the settings that suit a small SBC.
func Default() Config {
	return Config{Site: "site-1", Sensor: "sensor-1", State: "/var/lib/sipsieve", LogLevel: "info",
		HTTP: HTTP{Listen: "127.0.0.1:9470"}, Calls: defaultCalls()}
}

// Load reads the configuration at path. Everything that is wrong with it is returned at once, each mistake as a
// *KeyError with file, line and key. Relative paths in it are relative to the working directory.
func Load(path string) (Config, error) {
	c, err := LoadForReader(path)
	if c.File == "" || errors.Is(err, errMoved) { // it could not be read, or its sections mean what they do no more
		return c, err
	}
	return c, errors.Join(append([]error{err}, append(c.validateRoles(), c.validateSources()...)...)...)
}

// LoadForReader is Load for a verb that opens no source: it checks neither the sources nor whether the sections make a
// host's role, so that a verb that reads records, or replays a file elsewhere, needs no key of a feed.
func LoadForReader(path string) (Config, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return ParseForReader(path, src)
}

// ParseForReader is LoadForReader for the text src of the file that path names.
func ParseForReader(path string, src []byte) (Config, error) {
	c := Default()
	md, err := read(string(src), &c)
	if err != nil {
		return c, locate.Misread(path, err)
	}
	c.File, c.at = path, locate.Keys(src)
	var errs []error
	for _, key := range md.Undecoded() {
		errs = append(errs, c.unknown(strings.Join(key, ".")))
	}
	errs = append(errs, c.validate()...)
	return c, errors.Join(errs...)
}

// A KeyError is a key of the configuration that cannot be used. Its text begins with file, line and key.
type KeyError struct{ err error }

// Error implements error.
func (e *KeyError) Error() string { return e.err.Error() }

// Unwrap returns the error without its type.
func (e *KeyError) Unwrap() error { return e.err }

// Wrong returns a *KeyError: what is wrong with key, a dotted path such as source.0.ports.
func (c *Config) Wrong(key, format string, args ...any) error {
	return &KeyError{fmt.Errorf("%s:%d: %s: %w", c.File, c.Line(key), key, fmt.Errorf(format, args...))}
}

// errMoved is wrapped by the error of a key that stands elsewhere now.
var errMoved = errors.New("a host with [[source]] puts excerpts on its own streams first ([bus]), and the server under " +
	"[hub] gets them from there")

// moved are the keys of earlier versions and the ones in their place.
var moved = map[string]string{"bus.url": "hub.url", "bus.creds": "hub.creds"}

// unknown returns the *KeyError of a key that no section has, with the key in its place if an earlier version had it.
func (c *Config) unknown(key string) error {
	now, ok := moved[key]
	if !ok {
		return c.Wrong(key, "unknown key")
	}
	return &KeyError{fmt.Errorf("%s:%d: %s is now %s: %w", c.File, c.Line(key), key, now, errMoved)}
}

// Line returns the line of key in the file, or that of the section that it would be in.
func (c *Config) Line(key string) int { return c.at.Line(key) }

// A complaint takes note that something is wrong with key.
type complaint func(key, format string, args ...any)

// validate returns everything that is wrong with c by itself, the sources aside.
func (c *Config) validate() (errs []error) {
	say := func(key, format string, args ...any) { errs = append(errs, c.Wrong(key, format, args...)) }
	for _, n := range [][2]string{{"site", c.Site}, {"sensor", c.Sensor}} {
		if store.CheckName(n[1]) != nil {
			say(n[0], "want 1 to 32 of a-z, 0-9, _ and -")
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		say("log_level", "want debug, info, warn or error")
	}
	if c.Region != "" && !isRegion(c.Region) {
		say("region", wantRegion)
	}
	if c.Shards < 0 || c.Shards > 256 {
		say("shards", "want 0 to 256")
	}
	if c.Keys.Demo && c.Keys.File != "" {
		say("keys.demo", "either a file or the demonstration keys")
	}
	c.Rules.validate(say)
	c.Bus.validate(say)
	c.Hub.validate(say)
	c.Store.validate(say)
	c.HTTP.validate(say)
	c.Calls.validate(say)
	validateTrunks(c.Trunk, say)
	return errs
}

// Collects reports whether the host reads sources, and so has a spool.
func (c *Config) Collects() bool { return len(c.Source) > 0 }

// validateRoles returns what is wrong with the sections of c taken together: they name what the host does.
func (c *Config) validateRoles() (errs []error) {
	switch {
	case c.Collects():
	case c.Hub == nil:
		errs = append(errs, c.Wrong("source", "want [[source]] to read, or [hub] and [store] to keep what other hosts publish"))
	case c.Store == nil:
		errs = append(errs, c.Wrong("store", "want [store]: a host with [hub] and without [[source]] keeps what the hub has"))
	}
	if c.Bus != nil && !c.Collects() {
		errs = append(errs, c.Wrong("bus", "means nothing to a host without [[source]]"))
	}
	return errs
}

// validateSources returns what is wrong with the sources. It reads the keys and certificates that feeds name.
func (c *Config) validateSources() (errs []error) {
	say := func(key, format string, args ...any) { errs = append(errs, c.Wrong(key, format, args...)) }
	folders := map[string]int{} // by the name of the checkpoint log
	for i := range c.Source {
		s := &c.Source[i]
		s.validate(SourceKey(i), say)
		if s.Type != "directory" {
			continue
		}
		if first, twice := folders[s.CheckpointName()]; twice {
			say(SourceKey(i)+".path", "the same files as %s", SourceKey(first))
			continue
		}
		folders[s.CheckpointName()] = i
	}
	return errs
}

// Overlaps returns an error that names the interfaces of c that show the same frames, nil without any.
func (c *Config) Overlaps() error {
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

// StoreName returns where the store is: its folder, or the URL of its database.
func (c *Config) StoreName() string {
	if c.Store != nil && c.Store.Type == "postgres" {
		return c.Store.URL
	}
	return c.StorePath()
}

// StorePath returns the folder of a store of type sqlite.
func (c *Config) StorePath() string {
	if c.Store != nil && c.Store.Path != "" {
		return c.Store.Path
	}
	return filepath.Join(c.State, "store")
}

// SocketPath returns the unix socket on which a running daemon answers the other verbs.
func (c *Config) SocketPath() string { return filepath.Join(c.State, "sipsieve.sock") }

// Warnings returns what c allows and its operator may not expect, a line each: check, doctor and the start print them.
func (c *Config) Warnings() (list []string) {
	for i, s := range c.Source {
		if s.Type == "hep" && s.Insecure {
			list = append(list, fmt.Sprintf("%s.insecure: any user who can reach the feed can forge calls: want key_file",
				SourceKey(i)))
		}
	}
	if text := c.MissingRegion(); text != "" && c.Collects() {
		list = append(list, "region: "+text)
	}
	if c.Rules.old {
		list = append(list, fmt.Sprintf("policy = %q is read as [policy] file = %[1]q: write it so, below the keys that are in no section",
			c.Rules.File))
	}
	return append(list, c.warnings...)
}

// MissingRegion returns which numbers become non_e164 for want of a region, "" if every number has one.
func (c *Config) MissingRegion() string {
	if c.Region != "" {
		return ""
	}
	var without []string
	for _, t := range c.Trunk {
		if t.Region == "" {
			without = append(without, t.Name)
		}
	}
	switch {
	case len(c.Trunk) == 0:
		return "without a region, numbers that are dialled without + are non_e164"
	case len(without) > 0:
		return fmt.Sprintf("neither it nor that of trunk %s is set: numbers that are dialled there without + are non_e164",
			strings.Join(without, ", "))
	}
	return ""
}

// validate reports an address to listen to that others could reach.
func (h *HTTP) validate(say complaint) {
	if h.Listen == "" {
		return
	}
	address, err := net.ResolveTCPAddr("tcp", h.Listen)
	switch {
	case err != nil:
		say("http.listen", "want an address and a port, such as 127.0.0.1:9470")
	case !address.IP.IsLoopback() && !h.AllowRemote:
		say("http.listen", "is not loopback, so that others could read it: want 127.0.0.1, or allow_remote = true")
	}
}

// parseSize reads a size in bytes, such as 512MiB.
func parseSize(text string) (int64, error) {
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if digits, ok := strings.CutSuffix(text, unit); ok {
			var n int64
			if _, err := fmt.Sscanf(digits, "%d", &n); err == nil && n > 0 && n < 1<<20 {
				return n << (10 * (i + 1)), nil
			}
		}
	}
	return 0, errors.New("want a size such as 512MiB or 1GiB")
}
