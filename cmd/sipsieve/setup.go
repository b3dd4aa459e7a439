package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/track"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
	"sipsieve/store/vault"
)

// A setup is a configuration with its policy and keys read.
type setup struct {
	config
	policy   *policy.Policy
	keys     *vault.Keys
	purposes []*policy.Purpose
	limits   track.Limits
	budgets  track.Budgets
	records  *cpni.Reader
	trunks   trunkNumbers
	site     string
	sensor   string
}

// newSetup reads the policy and the keys that c names, and joins them.
func newSetup(c config) (*setup, error) {
	p, err := readPolicy(c.Policy)
	if err != nil {
		return nil, err
	}
	records, err := c.reader()
	if err != nil {
		return nil, err
	}
	s := &setup{config: c, policy: p, records: records, site: c.Site, sensor: c.Sensor, trunks: c.trunkNumbers()}
	if s.keys, err = c.Keys.load(); err != nil {
		return nil, err
	}
	s.purposes = p.Purposes()
	for _, u := range s.purposes {
		s.keys.SetEpoch(u.Name, u.Epoch)
	}
	s.limits, _ = c.limits()
	s.budgets = track.NewBudgets(s.limits, s.devices(), s.domains(), s.shards())
	return s, p.Bind(s.keys, s.keys)
}

// shards returns how many Trackers share a domain's calls.
func (c *config) shards() int {
	if c.Shards > 0 {
		return c.Shards
	}
	return runtime.GOMAXPROCS(0)
}

// domains returns how many clocks the sources of c have: all live ones one, each file and each folder its own.
func (c *config) domains() (n int) {
	live := 0
	for i := range c.Source {
		if t := c.Source[i].Type; t == "file" || t == "directory" {
			n++
		} else {
			live = 1
		}
	}
	return max(n+live, 1)
}

// devices returns how many devices are remembered: as many as bindings, none if no purpose takes records of them.
func (s *setup) devices() int {
	if slices.ContainsFunc(s.purposes, func(u *policy.Purpose) bool { return slices.Contains(u.Kinds, cpni.DeviceKind.String()) }) {
		return s.limits.Bindings
	}
	return 0
}

// plan returns what a domain of s is made from.
func (s *setup) plan(shards int, live bool) pipeline.Plan {
	if shards < 1 {
		shards = s.shards()
	}
	p := pipeline.Plan{Shards: shards, Keyer: track.NewKeyer(s.keys.TrackRoot()), Live: live, Limits: s.limits,
		Selection: cpni.Selection(s.policy.Fields()), Stages: s.policy.Stages(), Links: s.linkHeaders(),
		Devices: s.devices(), Budgets: s.budgets, Trunks: len(s.trunks.names), TrunkOf: s.trunks.of}
	if room, err := readSize(s.Calls.Reorder); err == nil {
		p.Reorder = int(room)
	}
	if shards != s.shards() { // a verb that has one domain
		p.Budgets = track.NewBudgets(s.limits, s.devices(), 1, shards)
	}
	if cpni.NeedsLegs(s.policy.Fields()) {
		p.Linking = s.Calls.linking(p.Keyer)
	}
	return p
}

// credential is the key file as the systemd unit passes it.
const credential = "sipsieve.keys"

// load reads the keys: those that systemd passes to the daemon, else those that k names.
func (k *keysConfig) load() (*vault.Keys, error) {
	switch {
	case k.Demo:
		return vault.Demo(), nil
	case k.random:
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
