package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

const tap = "[[source]]\ntype = \"interface\"\ninterface = \"eth0\"\n"

// TestTheRoleOfAHostIsItsSections has every combination of sections with the key that is named if it is none.
func TestTheRoleOfAHostIsItsSections(t *testing.T) {
	const hub, keep, spool = "[hub]\nurl = \"tls://hub.example:4222\"\n", "[store]\ntype = \"sqlite\"\n", "[bus]\ndisk = \"64MiB\"\n"
	for text, complaints := range map[string][]string{
		tap:                                   nil,
		tap + spool:                           nil,
		tap + keep:                            nil,
		tap + hub:                             nil,
		tap + spool + hub + keep:              nil,
		hub + keep:                            nil,
		"":                                    {":1: source: want [[source]]"},
		keep:                                  {":1: source: want [[source]]"},
		spool + keep:                          {"source: want [[source]]", ":1: bus: means nothing"},
		hub:                                   {":1: store: want [store]"},
		"site = \"a\"\n" + hub + keep + spool: {":6: bus: means nothing"},
	} {
		_, err := loadText(t, text)
		if (err == nil) != (complaints == nil) {
			t.Errorf("%q: err = %v, want %q", text, err, complaints)
		}
		for _, want := range complaints {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: err = %v, want %q", text, err, want)
			}
		}
	}
}

// TestWhatIsWrongWithAHubIsSaidAtItsLine has mistakes in [hub], none of which is quoted: a URL may hold a password.
func TestWhatIsWrongWithAHubIsSaidAtItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"url = \"nats://a:4222, tls://b\"":    "",
		"url = \"nats://user:secret@a:4222\"": "",
		"":                                    ":1: hub.url: want nats://",
		"url = \"http://user:secret@a:4222\"": ":2: hub.url: want nats://",
		"url = \"nats://a,secret\"":           ":2: hub.url: want nats://",
		"url = \"nats://a\"\nnkey = \"n\"\ncreds = \"c\"": ":3: hub.nkey: want creds or nkey",
		"url = \"nats://a\"\ncert = \"secret\"":           ":3: hub.cert: want cert and key",
		"url = \"nats://a\"\nkey = \"secret\"":            ":1: hub.cert: want cert and key",
		"url = \"nats://a\"\ninbox = \"secret.>\"":        ":3: hub.inbox: want a prefix",
		"url = \"nats://a\"\nport = 4222":                 ":3: hub.port: unknown key",
	} {
		_, err := loadText(t, "[hub]\n"+text+"\n"+tap)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: err = %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: err = %v, which quotes a value", text, err)
		}
	}
}

// TestKeysOfEarlierVersionsNameTheirPlace reads a file that has a bus elsewhere, for the daemon and for a reader.
func TestKeysOfEarlierVersionsNameTheirPlace(t *testing.T) {
	const text = tap + "[bus]\nurl = \"nats://user:secret@a:4222\"\ncreds = \"secret\"\n"
	_, err := loadText(t, text)
	var key *KeyError
	if !errors.As(err, &key) {
		t.Fatalf("err = %v, want a key", err)
	}
	for _, want := range []string{"sipsieve.toml:5: bus.url is now hub.url: ", "sipsieve.toml:6: bus.creds is now hub.creds: "} {
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("err = %v, want %q and no value", err, want)
		}
	}
}

// TestAStorageHostNeedsNoKeys resolves hosts without [keys].
func TestAStorageHostNeedsNoKeys(t *testing.T) {
	for text, wants := range map[string]bool{
		"[hub]\nurl = \"nats://a\"\n[store]\ntype = \"sqlite\"\n":       false,
		tap + "[hub]\nurl = \"nats://a\"\n[store]\ntype = \"sqlite\"\n": true,
	} {
		c, err := loadText(t, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Resolve(c); (err != nil) != wants {
			t.Errorf("%q: err = %v, want one: %t", text, err, wants)
		}
	}
}

func TestTheServiceManagersFilesComeFirst(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	write(t, dir+"/hub.creds")
	write(t, dir+"/hub.key")
	h := Hub{URL: "tls://a", Creds: "/etc/sipsieve/hub.creds", Key: "/etc/sipsieve/hub.key", Cert: "/etc/sipsieve/hub.pem"}
	if got, want := h.Files(), (Hub{URL: h.URL, Creds: dir + "/hub.creds", Key: dir + "/hub.key", Cert: h.Cert}); got != want {
		t.Errorf("files = %+v, want %+v", got, want)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}
