package config

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"sipsieve/store/policy/approval"
)

// Rules is which policy is in force, and who must have approved it.
type Rules struct {
	File            string   `toml:"file"`             // the policy; "" for the shipped one
	RequireApproval bool     `toml:"require_approval"` // it takes effect only if each role of approvers has approved it
	Approvers       []string `toml:"approvers"`        // "ROLE:ed25519:KEY", as sipsieve keys approver prints it; one of a role's keys is enough

	old bool // it was written as a key of earlier versions: policy = "FILE"
}

// written is a Config as it is decoded: policy is a section, or the file of earlier versions.
type written struct {
	Config
	Rules toml.Primitive `toml:"policy"`
}

// read decodes src into c.
func read(src string, c *Config) (toml.MetaData, error) {
	w := written{Config: *c}
	md, err := toml.Decode(src, &w)
	if err != nil {
		return md, err
	}
	*c = w.Config
	for _, key := range md.Keys() {
		if len(key) > 1 || !strings.EqualFold(key[0], "policy") {
			continue
		}
		if c.Rules.old = md.Type(key...) == "String"; c.Rules.old {
			return md, md.PrimitiveDecode(w.Rules, &c.Rules.File)
		}
		return md, md.PrimitiveDecode(w.Rules, &c.Rules)
	}
	return md, nil
}

// validate reports everything that is wrong with r by itself. It reads no file.
func (r *Rules) validate(say complaint) {
	list, err := r.approvers()
	switch {
	case err != nil:
		say("policy.approvers", "%w", err)
	case r.RequireApproval && r.File == "":
		say("policy.require_approval", "the shipped policy has no approval: want file, a policy of your own")
	case r.RequireApproval && len(list) == 0:
		say("policy.require_approval", "want approvers: the roles that must have approved it, with their keys")
	}
}

// approvers reads Approvers.
func (r *Rules) approvers() (list []approval.Approver, err error) {
	for i, text := range r.Approvers {
		one, err := approval.ParseApprover(text)
		if err != nil {
			return nil, fmt.Errorf("number %d: %w", i+1, err)
		}
		list = append(list, one)
	}
	return list, nil
}

// CheckApproval reads into Approved who has approved the policy, of the approvers that the configuration names. Its error
// is a *KeyError: which approval is missing or untrue, if require_approval is set. If it is not, that is a warning.
func (s *Setup) CheckApproval() error {
	approvers, err := s.Rules.approvers()
	if err != nil || len(approvers) == 0 || s.Rules.File == "" {
		return err
	}
	list, err := approval.Read(s.Rules.File)
	if err == nil {
		s.Approved, err = list.Check(s.Rules.File, s.Policy, approvers)
	}
	if err == nil {
		return nil
	}
	if s.Rules.RequireApproval {
		return s.Wrong("policy.require_approval", "%w", err)
	}
	s.warnings = append(s.warnings, fmt.Sprintf("policy.approvers: %v: it takes effect all the same, without require_approval",
		err))
	return nil
}

// ApprovedBy returns in which roles the policy was approved and when, for people.
func (s *Setup) ApprovedBy() (list []string) {
	for i := range s.Approved {
		list = append(list, s.Approved[i].String())
	}
	return slices.Clip(list)
}

// SigningKey reads the private key at path, or the credential of its name that the service manager passes.
func SigningKey(path string) (ed25519.PrivateKey, error) {
	file, passed := credentialFor(path)
	return approval.LoadKey(file, passed)
}
