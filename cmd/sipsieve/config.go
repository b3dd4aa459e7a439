package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"sipsieve/sip/track"
	"sipsieve/store/policy"
)

// A config is the daemon's configuration. The roles of a host are the sections that it has.
type config struct {
	Site     string         `toml:"site"`      // in subjects and records: [a-z0-9_-]{1,32}
	Sensor   string         `toml:"sensor"`    // likewise; one a host
	Region   string         `toml:"region"`    // ISO 3166 alpha-2: where numbers without + are read; "" for nowhere
	State    string         `toml:"state"`     // folder of everything that the daemon writes
	Policy   string         `toml:"policy"`    // "" for the shipped policy
	LogLevel string         `toml:"log_level"` // debug, info, warn, error
	LogJSON  bool           `toml:"log_json"`  // JSON lines, not text
	Shards   int            `toml:"shards"`    // 0: one a processor
	Show     string         `toml:"show"`      // a purpose whose excerpts are printed as they come
	Keys     keysConfig     `toml:"keys"`
	Source   []sourceConfig `toml:"source"`
	Bus      *busConfig     `toml:"bus"`
	Store    *storeConfig   `toml:"store"`
	HTTP     httpConfig     `toml:"http"`
	Calls    callsConfig    `toml:"calls"`
	Trunk    []trunkConfig  `toml:"trunk"`

	file string
	at   policy.Locator
	dir  string // what relative paths are relative to
}

// keysConfig says where the roots of ids and pseudonyms are.
type keysConfig struct {
	File string `toml:"file"` // made by sipsieve keys init; the daemon takes the credential that its unit passes first
	Demo bool   `toml:"demo"` // the published demonstration keys: for trying out only

	random bool // a key that nobody has and that is gone after the run; no file can say so
}

// busConfig is NATS JetStream: embedded in the daemon, or elsewhere.
type busConfig struct {
	URL   string `toml:"url"`   // of a NATS server that has the streams, which check asks for; "" for the embedded one
	Creds string `toml:"creds"` // credentials file for URL
	Disk  string `toml:"disk"`  // room of the embedded streams, such as 1GiB
}

// storeConfig is the store that this host keeps.
type storeConfig struct {
	Type string `toml:"type"` // sqlite
	Path string `toml:"path"` // folder; default STATE/store
}

// httpConfig is where /metrics, /healthz and /readyz are.
type httpConfig struct {
	Listen      string `toml:"listen"`       // host:port; "" for nowhere
	AllowRemote bool   `toml:"allow_remote"` // listen may be an address that is not loopback: anybody there reads counts
}

// callsConfig are the limits of what is remembered.
type callsConfig struct {
	Limit       int      `toml:"limit"`         // calls that are followed at once
	Bindings    int      `toml:"bindings"`      // registrations that are followed at once
	Ring        string   `toml:"ring"`          // longest wait for a final response
	MaxCall     string   `toml:"max_call"`      // longest call without a session timer
	Interim     string   `toml:"interim"`       // how often a call that is up is told at stage interim; 0s for never
	PerSource   int      `toml:"per_source"`    // unanswered calls of one /24 or /48 at once; 0 for no limit
	PerSecond   int      `toml:"per_second"`    // calls that one /24 or /48 opens a second beyond that; 0 for no limit
	Reorder     string   `toml:"reorder"`       // memory for messages that wait for earlier ones of other live sources
	Emergency   []string `toml:"emergency"`     // emergency numbers as dialled, besides 911, 112 and 933
	LinkHeaders []string `toml:"link_headers"`  // headers in which a B2BUA names the other leg's Call-ID
	Journal     bool     `toml:"journal"`       // open calls survive a restart, sealed in the state folder
	CallIDRules []string `toml:"call_id_rules"` // how it makes one Call-ID of the other: "B2B_*", "*_b2b-1"
}

// defaultConfig returns the settings that suit a small SBC.
func defaultConfig() config {
	l := track.DefaultLimits()
	return config{Site: "site-1", Sensor: "sensor-1", State: "/var/lib/sipsieve", LogLevel: "info",
		HTTP: httpConfig{Listen: "127.0.0.1:9470"},
		Calls: callsConfig{Limit: l.Calls, Bindings: l.Bindings, Ring: "4m", MaxCall: "4h", Interim: "0s",
			PerSource: l.PerSource, PerSecond: l.PerSecond, Reorder: "64MiB", Journal: true}}
}

// loadConfig reads the configuration at path. Everything that is wrong with it is returned at once, each with file,
// line and key. Relative paths in it are relative to the working directory.
func loadConfig(path string) (config, error) {
	c, err := loadForReader(path)
	if c.file == "" { // it could not be read
		return c, err
	}
	return c, errors.Join(append([]error{err}, c.validateSources()...)...)
}

// loadForReader does the same for a verb that opens no source: it does not look at them, so that who reads records, or
// replays a file elsewhere, needs no key of a feed.
func loadForReader(path string) (config, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return config{}, fmt.Errorf("config: %w", err)
	}
	c := defaultConfig()
	md, err := toml.Decode(string(src), &c)
	if err != nil {
		return c, policy.Misread(path, err)
	}
	c.file, c.at, c.dir = path, policy.Locate(src), filepath.Dir(path)
	var errs []error
	for _, key := range md.Undecoded() {
		errs = append(errs, c.wrong(strings.Join(key, "."), "unknown key"))
	}
	errs = append(errs, c.validate()...)
	return c, errors.Join(errs...)
}

// A badKey is a key of the configuration that cannot be used.
type badKey struct{ error }

func (b *badKey) Unwrap() error { return b.error }

// wrong says what is wrong at key.
func (c *config) wrong(key, format string, args ...any) error {
	return &badKey{fmt.Errorf("%s:%d: %s: %w", c.file, c.at.Line(key), key, fmt.Errorf(format, args...))}
}

// validate returns everything that is wrong with c by itself.
func (c *config) validate() (errs []error) {
	say := func(key, format string, args ...any) { errs = append(errs, c.wrong(key, format, args...)) }
	for _, n := range [][2]string{{"site", c.Site}, {"sensor", c.Sensor}} {
		if !plainName(n[1]) {
			say(n[0], "want 1 to 32 of a-z, 0-9, _ and -")
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		say("log_level", "want debug, info, warn or error")
	}
	if c.Region != "" && (len(c.Region) != 2 || strings.ToUpper(c.Region) != c.Region) {
		say("region", "want two capital letters of ISO 3166, such as US")
	}
	if address, err := net.ResolveTCPAddr("tcp", c.HTTP.Listen); c.HTTP.Listen == "" {
	} else if err != nil {
		say("http.listen", "want an address and a port, such as 127.0.0.1:9470")
	} else if !address.IP.IsLoopback() && !c.HTTP.AllowRemote {
		say("http.listen", "is not loopback, so that others could read it: want 127.0.0.1, or allow_remote = true")
	}
	if c.Shards < 0 || c.Shards > 256 {
		say("shards", "want 0 to 256")
	}
	if c.Keys.Demo && c.Keys.File != "" {
		say("keys.demo", "either a file or the demonstration keys")
	}
	if c.Bus == nil && c.Store != nil {
		say("store", "a store is fed from the bus: add [bus]")
	}
	if c.Store != nil && c.Store.Type != "sqlite" {
		say("store.type", "want sqlite")
	}
	if _, err := c.limits(); err != nil {
		say("calls", "%v", err)
	}
	if _, err := readSize(c.Calls.Reorder); err != nil {
		say("calls.reorder", "%v", err)
	}
	c.Calls.validateLinks(say)
	if c.Bus != nil {
		if _, err := c.Bus.room(); err != nil {
			say("bus.disk", "%v", err)
		}
	}
	return append(errs, c.trunkErrors()...)
}

// validateSources returns what is wrong with the sources. It reads the keys and certificates that feeds name.
func (c *config) validateSources() (errs []error) {
	say := func(key, format string, args ...any) { errs = append(errs, c.wrong(key, format, args...)) }
	for i := range c.Source {
		c.Source[i].validate(sourceKey(i), say)
	}
	return errs
}

// room returns Disk in bytes, 1 GiB if it is not set.
func (b *busConfig) room() (int64, error) {
	if b.Disk == "" {
		return 1 << 30, nil
	}
	return readSize(b.Disk)
}

// readSize reads a size in bytes, such as 512MiB.
func readSize(text string) (int64, error) {
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

// limits reads the limits of Calls.
func (c *config) limits() (track.Limits, error) {
	l := track.Limits{Calls: c.Calls.Limit, Bindings: c.Calls.Bindings, PerSource: c.Calls.PerSource,
		PerSecond: c.Calls.PerSecond}
	var errs [3]error
	l.Ring, errs[0] = time.ParseDuration(c.Calls.Ring)
	l.Talk, errs[1] = time.ParseDuration(c.Calls.MaxCall)
	l.Interim, errs[2] = time.ParseDuration(c.Calls.Interim)
	switch {
	case errors.Join(errs[:]...) != nil, l.Ring < time.Second, l.Talk < time.Second, l.Interim < 0:
		return l, errors.New("ring, max_call, interim: want times such as 4m or 4h")
	case l.Calls < 1, l.Bindings < 1, l.PerSource < 0, l.PerSecond < 0:
		return l, errors.New("limit, bindings: want 1 or more; per_source, per_second: want 0 or more")
	}
	return l, nil
}

// plainName reports whether name may stand in a subject: [a-z0-9_-]{1,32}.
func plainName(name string) bool {
	for _, r := range name {
		if r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return name != "" && len(name) <= 32
}
