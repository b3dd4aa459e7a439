package config

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Bus is the embedded NATS JetStream of a host with sources: its spool, which everything that it publishes goes through.
type Bus struct {
	Disk    string `toml:"disk"`     // room of its streams, such as 1GiB
	OpsDisk string `toml:"ops_disk"` // room of the stream OPS beside that, which has no age limit; default 64MiB
	Rate    int    `toml:"rate"`     // calls a second in the busiest hour, for what check says of an outage of the hub; default 10
}

// Hub is the NATS server, or the cluster, that has the streams of many hosts.
type Hub struct {
	URL   string `toml:"url"`   // nats:// or tls://, host and port; servers of one cluster between commas
	Creds string `toml:"creds"` // credentials file of the user: JWT and seed
	NKey  string `toml:"nkey"`  // in place of creds: file with the seed of the user's nkey
	CA    string `toml:"ca"`    // PEM file of the CAs of the server's certificate; default the host's
	Cert  string `toml:"cert"`  // PEM file of this host's own certificate, for servers that require one
	Key   string `toml:"key"`   // PEM file of its private key
	Inbox string `toml:"inbox"` // prefix of the subjects of answers that the user may subscribe to; default _INBOX
}

// Store is the store that this host keeps.
type Store struct {
	Type         string `toml:"type"`          // sqlite: files on this host; postgres: a database that several hosts may share
	Path         string `toml:"path"`          // sqlite: folder; default STATE/store
	URL          string `toml:"url"`           // postgres: postgres://HOST/DATABASE, without a password
	User         string `toml:"user"`          // postgres: role that owns the tables
	PasswordFile string `toml:"password_file"` // postgres: file with the role's password
	CA           string `toml:"ca"`            // postgres: PEM file of the CAs of the server's certificate; default the host's
}

// DiskLimit returns Disk in bytes, 1 GiB if it is not set.
func (b *Bus) DiskLimit() (int64, error) {
	if b == nil || b.Disk == "" {
		return 1 << 30, nil
	}
	return parseSize(b.Disk)
}

// OpsLimit returns OpsDisk in bytes, 64 MiB if it is not set.
func (b *Bus) OpsLimit() (int64, error) {
	if b == nil || b.OpsDisk == "" {
		return 64 << 20, nil
	}
	return parseSize(b.OpsDisk)
}

// Size returns a size such as 500GiB in bytes, 0 for "".
func Size(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	return parseSize(text)
}

// CallRate returns Rate, 10 calls a second if it is not set.
func (b *Bus) CallRate() int {
	if b == nil || b.Rate == 0 {
		return 10
	}
	return b.Rate
}

// validate reports everything that is wrong with b.
func (b *Bus) validate(say complaint) {
	if _, err := b.DiskLimit(); err != nil {
		say("bus.disk", "%v", err)
	}
	if _, err := b.OpsLimit(); err != nil {
		say("bus.ops_disk", "%v", err)
	}
	if rate := b.CallRate(); rate < 1 || rate > 1_000_000 {
		say("bus.rate", "want calls a second, 1 or more")
	}
}

// validate reports everything that is wrong with h by itself. It reads no file.
func (h *Hub) validate(say complaint) {
	if h == nil {
		return
	}
	if _, err := h.Servers(); err != nil {
		say("hub.url", "%v", err)
	}
	if h.Creds != "" && h.NKey != "" {
		say("hub.nkey", "want creds or nkey, not both")
	}
	if (h.Cert == "") != (h.Key == "") {
		say("hub.cert", "want cert and key, or neither")
	}
	if strings.ContainsAny(h.Inbox, "*> \t\r\n") || strings.HasSuffix(h.Inbox, ".") {
		say("hub.inbox", "want a prefix of subjects, such as _INBOX_sbc1")
	}
}

// Servers returns host and port of each server of URL. Its error quotes nothing: a URL may hold a password.
func (h *Hub) Servers() (list []string, err error) {
	for one := range strings.SplitSeq(h.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return nil, errors.New("want nats://HOST:PORT or tls://HOST:PORT, servers of one cluster between commas")
		}
		list = append(list, u.Host)
	}
	return list, nil
}

// Files returns h with the files that the service manager passes in place of those that it names.
func (h *Hub) Files() Hub {
	passed := *h
	for _, file := range []*string{&passed.Creds, &passed.NKey, &passed.CA, &passed.Cert, &passed.Key} {
		*file, _ = credentialFor(*file)
	}
	return passed
}

// validate reports everything that is wrong with s by itself. It reads no file.
func (s *Store) validate(say complaint) {
	if s == nil {
		return
	}
	others := map[string]string{"store.url": s.URL, "store.user": s.User, "store.password_file": s.PasswordFile,
		"store.ca": s.CA}
	switch s.Type {
	case "sqlite":
	case "postgres":
		others = map[string]string{"store.path": s.Path}
		if s.URL == "" {
			say("store.url", "want postgres://HOST/DATABASE")
		}
	default:
		say("store.type", "want sqlite or postgres")
		return
	}
	for _, key := range slices.Sorted(maps.Keys(others)) {
		if others[key] != "" {
			say(key, "a store of type %s has none", s.Type)
		}
	}
}

// Files returns s with the files that the service manager passes in place of those that it names.
func (s *Store) Files() Store {
	passed := *s
	for _, file := range []*string{&passed.PasswordFile, &passed.CA} {
		*file, _ = credentialFor(*file)
	}
	return passed
}
