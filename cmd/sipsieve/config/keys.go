package config

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"sipsieve/store/policy"
	"sipsieve/store/vault"
)

// Keys says where the roots of ids and pseudonyms are.
type Keys struct {
	File string `toml:"file"` // made by sipsieve keys init; the daemon takes the credential that its unit passes first
	Demo bool   `toml:"demo"` // the published demonstration keys: for trying out only

	Random bool `toml:"-"` // a key that nobody has and that is gone after the run; no file can choose it
}

// credential is the key file as the systemd unit passes it.
const credential = "sipsieve.keys"

// load reads the keys: those that systemd passes to the daemon, else those that k names.
func (k *Keys) load() (*vault.Keys, error) {
	switch {
	case k.Demo:
		return vault.Demo(), nil
	case k.Random:
		return vault.Random(), nil
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		path := filepath.Join(dir, credential)
		if _, err := os.Stat(path); err == nil {
			return vault.LoadCredential(path)
		}
	}
	if k.File == "" {
		return nil, errors.New("keys: want [keys] with file = \"...\": make one with sipsieve keys init FILE")
	}
	return vault.Load(k.File)
}

// Bind joins the purposes of p with their keys. The error wraps policy.ErrNotBuilt if p has what this version cannot do.
func Bind(p *policy.Policy, k *vault.Keys) error {
	return p.Bind(func(purpose string, epoch time.Duration) policy.Keys { return k.Purpose(purpose, epoch) })
}
