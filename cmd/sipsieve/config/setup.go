package config

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"

	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/configs"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
	"sipsieve/store/policy/approval"
	"sipsieve/store/vault"
)

// A Setup is a Config with its policy and keys read.
type Setup struct {
	Config
	Policy   *policy.Policy
	Approved approval.List // of the policy: see CheckApproval
	Vault    *vault.Keys
	Purposes []*policy.Purpose // those that are enabled
	Limits   track.Limits
	Records  *cpni.Reader // makes records of events
	Trunks   []string     // names by number, which Plan gives to trunks; NoTrunk is number 0
	trunks   *cpni.Trunks // nil without any
	budgets  track.Budgets
}

// Resolve reads the policy and the keys that c names, and joins them. An error wraps policy.ErrNotBuilt if the policy
// has what this version cannot do.
func Resolve(c Config) (*Setup, error) {
	p, err := ReadPolicy(c.Rules.File)
	if err != nil {
		return nil, err
	}
	return resolve(c, p)
}

// ResolveText is Resolve with the policy src; name stands for its file in errors.
func ResolveText(c Config, name string, src []byte) (*Setup, error) {
	p, err := policy.Parse(name, src)
	if err != nil {
		return nil, err
	}
	return resolve(c, p)
}

func resolve(c Config, p *policy.Policy) (s *Setup, err error) {
	s = &Setup{Config: c, Policy: p, Purposes: p.Purposes(), Trunks: []string{NoTrunk}}
	if s.trunks, err = mapTrunks(c.Trunk); err != nil {
		return nil, err
	}
	for i := range c.Trunk {
		s.Trunks = append(s.Trunks, c.Trunk[i].Name)
	}
	s.Records = s.reader()
	c.Keys.Random = c.Keys.Random || s.random()
	if s.Vault, err = c.Keys.load(); err != nil {
		return nil, err
	}
	s.Limits, _ = c.Calls.limits()
	s.budgets = track.NewBudgets(s.Limits, s.devices(), s.domains(), s.Trackers())
	return s, Bind(p, s.Vault)
}

// random reports whether the keys do not matter: nothing is made an id or a pseudonym.
func (s *Setup) random() bool { return s.Hub != nil && !s.Collects() && s.Keys == (Keys{}) }

// ReadPolicy reads the policy at path, the shipped one if path is empty.
func ReadPolicy(path string) (*policy.Policy, error) {
	if path == "" {
		return policy.Parse("policy.toml", configs.Policy)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return policy.Parse(path, src)
}

// Only leaves one purpose, all of them when name is empty. The error names those that could have been chosen.
func (s *Setup) Only(name string) error {
	if name == "" {
		return nil
	}
	p, ok := s.Policy.Purpose(name)
	if !ok {
		return s.UnknownPurpose()
	}
	s.Purposes = []*policy.Purpose{p}
	return nil
}

// UnknownPurpose returns the error of a purpose that the policy does not have, with the names of those that it has.
func (s *Setup) UnknownPurpose() error {
	return fmt.Errorf("purpose: not an enabled purpose of the policy: want %s", strings.Join(s.PurposeNames(), ", "))
}

// PurposeNames returns the names of Purposes, in their order.
func (s *Setup) PurposeNames() (names []string) {
	for _, p := range s.Purposes {
		names = append(names, p.Name)
	}
	return names
}

// Trackers returns how many Trackers share a domain's calls.
func (s *Setup) Trackers() int {
	if s.Shards > 0 {
		return s.Shards
	}
	return runtime.GOMAXPROCS(0)
}

// Plan returns what a domain is made from; shards < 1 is the number of the configuration.
func (s *Setup) Plan(shards int, live bool) pipeline.Plan {
	if shards < 1 {
		shards = s.Trackers()
	}
	p := pipeline.Plan{Shards: shards, Keyer: event.NewKeyer(s.Vault.TrackRoot()), Live: live, Limits: s.Limits,
		Selection: cpni.Selection(s.Policy.Fields()), Stages: s.Policy.Stages(), Links: s.linkHeaders(),
		Devices: s.devices(), Budgets: s.budgets, Trunks: len(s.Trunk), TrunkOf: s.trunkOf()}
	if limit, err := s.Calls.ReorderLimit(); err == nil {
		p.Reorder = int(limit)
	}
	if shards != s.Trackers() { // a verb that has one domain
		p.Budgets = track.NewBudgets(s.Limits, s.devices(), 1, shards)
	}
	if cpni.NeedsLegs(s.Policy.Fields()) {
		p.Linking = s.Calls.linking(p.Keyer)
	}
	return p
}

// Follow passes the record of every event of d to each. It returns what ended the reading of a file early.
func (s *Setup) Follow(ctx context.Context, d *pipeline.Domain, each func(*cpni.Record)) error {
	return d.Follow(ctx, func(ev *event.Event) {
		r, ok := s.Records.Record(ev)
		if !ok {
			return
		}
		r.Site, r.Sensor = s.Site, s.Sensor
		each(&r)
	})
}

// trunkOf returns what finds the number of the trunk of an address on a VLAN, from 1; 0 for none.
func (s *Setup) trunkOf() func(netip.Addr, uint16) int {
	numbers := map[string]int{}
	for i := range s.Trunk {
		numbers[s.Trunk[i].Name] = i + 1
	}
	return func(a netip.Addr, vlan uint16) int {
		if t := s.trunks.Of(a, vlan); t != nil {
			return numbers[t.Name]
		}
		return 0
	}
}

// domains returns how many clocks the sources have: all live ones one, each file and each folder its own.
func (s *Setup) domains() (n int) {
	live := 0
	for i := range s.Source {
		if t := s.Source[i].Type; t == "file" || t == "directory" {
			n++
		} else {
			live = 1
		}
	}
	return max(n+live, 1)
}

// devices returns how many devices are remembered: as many as bindings, none if no purpose takes records of them.
func (s *Setup) devices() int {
	for _, u := range s.Purposes {
		if slices.Contains(u.Kinds, cpni.DeviceKind.String()) {
			return s.Limits.Bindings
		}
	}
	return 0
}

// linkHeaders returns the headers that name other legs: those of the calls, and those of the trunks.
func (s *Setup) linkHeaders() []string {
	names := slices.Clone(s.Calls.LinkHeaders)
	for _, t := range s.Trunk {
		if name := strings.ToLower(t.LinkHeader); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// reader returns what makes records of events.
func (s *Setup) reader() *cpni.Reader {
	var points []string // what a record may call its capture point: interfaces and feeds
	for i := range s.Source {
		if s.Source[i].Live() {
			points = append(points, s.Source[i].DisplayName())
		}
	}
	r := cpni.NewReader(s.Region)
	r.Map(s.trunks)
	r.Emergency(s.Calls.Emergency)
	r.Points(points)
	return r
}
