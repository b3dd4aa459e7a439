package hep

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// openConfig is the default with the word that there is no key.
func openConfig() Config {
	c := DefaultConfig()
	c.Insecure = true
	return c
}

func TestDefaultsAreValid(t *testing.T) {
	if err := openConfig().Validate(); err != nil {
		t.Error(err)
	}
}

// TestFeedWantsAKey: on loopback, too, any user can send.
func TestFeedWantsAKey(t *testing.T) {
	key, open := secretFile(t), secretFile(t)
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string // "" for none
	}{
		"nothing":            {func(c *Config) {}, "key_file: "},
		"allow alone":        {func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")} }, "key_f"},
		"insecure":           {func(c *Config) { c.Insecure = true }, ""},
		"a key":              {func(c *Config) { c.KeyFile = key }, ""},
		"both":               {func(c *Config) { c.KeyFile, c.Insecure = key, true }, "insecure: "},
		"a key others read":  {func(c *Config) { c.KeyFile = open }, "key_file: "},
		"a credential":       {func(c *Config) { c.KeyFile, c.Credential = open, true }, ""},
		"a folder":           {func(c *Config) { c.KeyFile = t.TempDir() }, "key_file: "},
		"insecure elsewhere": {func(c *Config) { c.Insecure, c.Listen = true, []string{"udp://0.0.0.0:9060"} }, "listen: "},
	} {
		cfg := DefaultConfig()
		c.change(&cfg)
		err := cfg.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: got = %v, want %q", name, err, c.want)
		}
	}
}

func TestEveryMistakeIsSaidUnderItsKey(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	absent := filepath.Join(folder, "absent")
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no name":          {func(c *Config) { c.Name = "" }, "name: "},
		"an address":       {func(c *Config) { c.Name = "192.0.2.1" }, "name: "},
		"address and port": {func(c *Config) { c.Name = "192.0.2.1:5060" }, "name: "},
		"nowhere":          {func(c *Config) { c.Listen = nil }, "listen: "},
		"a host name":      {func(c *Config) { c.Listen = []string{"udp://localhost:9060"} }, "listen: "},
		"another scheme":   {func(c *Config) { c.Listen = []string{"sctp://127.0.0.1:9060"} }, "listen: "},
		"no scheme":        {func(c *Config) { c.Listen = []string{"127.0.0.1:9060"} }, "listen: "},
		"open UDP":         {func(c *Config) { c.Listen = []string{"udp://0.0.0.0:9060"} }, "listen: "},
		"open TCP":         {func(c *Config) { c.Listen = []string{"tcp://[::]:9060"} }, "listen: "},
		"everybody":        {func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }, "allow: "},
		"no network":       {func(c *Config) { c.Allow = []netip.Prefix{{}} }, "allow: "},
		"no key file":      {func(c *Config) { c.KeyFile = absent }, "key_file: "},
		"an empty key":     {func(c *Config) { c.KeyFile = write("empty", "\nsecret\n") }, "key_file: "},
		"a long key":       {func(c *Config) { c.KeyFile = write("long", strings.Repeat("k", maxKey+1)) }, "key_file: "},
		"no certificate":   {func(c *Config) { c.Listen = []string{"tls://127.0.0.1:9061"} }, "certificate: "},
		"needless":         {func(c *Config) { c.ClientCA = absent }, "certificate: "},
		"no skew":          {func(c *Config) { c.Skew = 0 }, "skew: "},
		"a small queue":    {func(c *Config) { c.Queue = maxPacket }, "queue: "},
		"a small buffer":   {func(c *Config) { c.Buffer = 1 }, "buffer: "},
		"5000 connections": {func(c *Config) { c.Connections, c.Handshakes = 5000, 1 }, "connections: "},
		"more handshakes":  {func(c *Config) { c.Handshakes = c.Connections + 1 }, "handshakes: "},
		"no timeout":       {func(c *Config) { c.Timeout = 0 }, "timeout: "},
		"a short idle":     {func(c *Config) { c.Idle = time.Second }, "idle: "},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := openConfig()
			c.change(&cfg)
			cfg.Insecure = cfg.KeyFile == ""
			err := cfg.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got = %v, want %q alone", err, c.want)
			}
			if s, err := Open(cfg); err == nil {
				t.Errorf("Open accepts it: %v", s.Close())
			}
		})
	}
}

func TestAllMistakesAreSaidAtOnce(t *testing.T) {
	err := Config{}.Validate()
	for _, key := range []string{"name", "listen", "skew", "queue", "buffer", "connections", "handshakes", "timeout"} {
		if err == nil || !strings.Contains(err.Error(), key+": ") {
			t.Errorf("no error names %s", key)
		}
	}
}

func TestFeedFromElsewhereWantsKeyOrAllowList(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"key":   func(c *Config) { c.KeyFile = key },
		"allow": func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
	} {
		c := DefaultConfig()
		c.Listen = []string{"udp://0.0.0.0:9060", "tcp://[::]:9060"}
		change(&c)
		if c.Insecure = c.KeyFile == ""; c.Validate() != nil {
			t.Errorf("%s: %v", name, c.Validate())
		}
	}
}
