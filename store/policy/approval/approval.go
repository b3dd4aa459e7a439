// Package approval signs policies, and proves that a policy was approved: in which role, when, and with which changes in
// sight.
//
// # What is signed
//
// An Approval is of one file, byte for byte: it has the SHA-256 of the whole text, of which the hash that records name is
// the beginning. Another comment is another policy. With it are signed the role, the time, the policy that was in force
// before, and the changes from that one as review.Diff words them. The signature is Ed25519 (RFC 8032).
//
// # What is not here
//
// Nothing here reads a clock or decides who may approve: the configuration of a daemon has the roles with their keys.
package approval

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"sipsieve/store/policy"
	"sipsieve/store/policy/review"
)

// An Approval is what somebody signed about a policy.
type Approval struct {
	Role      string    `toml:"role"`
	Policy    string    `toml:"policy"`    // SHA-256 of the file, 64 hexadecimal digits
	Time      time.Time `toml:"time"`      // UTC, to the second
	Since     string    `toml:"since"`     // SHA-256 of the policy before; "" for none
	Changes   []string  `toml:"changes"`   // from that one, one line each: see review.Change
	Key       string    `toml:"key"`       // public key as an Approver has it: by whom, if the signature is true
	Signature string    `toml:"signature"` // base64
}

// String returns in which role and when it was signed.
func (a *Approval) String() string { return a.Role + " on " + a.Time.UTC().Format(time.RFC3339) }

// Hash returns the hash of the policy as records name it.
func (a *Approval) Hash() string { return shortened(a.Policy) }

// SinceHash returns that of the policy before, "" for none.
func (a *Approval) SinceHash() string { return shortened(a.Since) }

// shortened returns the hash that a SHA-256 begins with.
func shortened(digest string) string { return digest[:min(len(digest), 16)] }

// Sign returns the Approval of p in a role, with its changes from before; nil for no policy before.
func Sign(key ed25519.PrivateKey, role string, when time.Time, p, before *policy.Policy) (Approval, error) {
	a := Approval{Role: role, Policy: digest(p), Time: when.UTC().Truncate(time.Second)}
	if err := checkRole(role); err != nil {
		return a, err
	}
	if before != nil {
		a.Since = digest(before)
	}
	for _, c := range review.Diff(before, p) {
		a.Changes = append(a.Changes, fmt.Sprintf("%s: %s", c.Effect, c))
	}
	public, _ := key.Public().(ed25519.PublicKey)
	a.Key = keyText(public)
	a.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, a.message()))
	return a, nil
}

// digest returns the SHA-256 of the file of p in hexadecimal digits.
func digest(p *policy.Policy) string {
	sum := sha256.Sum256(p.Source())
	return hex.EncodeToString(sum[:])
}

// message returns what is signed: each part with its length before it, so that no two Approvals have one.
func (a *Approval) message() []byte {
	b := []byte("sipsieve policy approval 1\n")
	parts := append([]string{a.Role, a.Policy, a.Time.UTC().Format(time.RFC3339Nano), a.Since}, a.Changes...)
	for _, part := range parts {
		b = fmt.Appendf(b, "%d:%s\n", len(part), part)
	}
	return b
}

// signedBy reports whether the signature is that of key, of all that a says.
func (a *Approval) signedBy(key ed25519.PublicKey) bool {
	signature, err := base64.StdEncoding.DecodeString(a.Signature)
	return err == nil && ed25519.Verify(key, a.message(), signature)
}

// An Approver is a role with the key that it signs with.
type Approver struct {
	Role string
	Key  ed25519.PublicKey
}

// String returns o for ParseApprover.
func (o Approver) String() string { return o.Role + ":" + keyText(o.Key) }

const algorithm = "ed25519:"

func keyText(key ed25519.PublicKey) string { return algorithm + base64.StdEncoding.EncodeToString(key) }

// ParseApprover reads ROLE:ed25519:KEY, the key in base64.
func ParseApprover(text string) (o Approver, err error) {
	role, key, _ := strings.Cut(text, ":")
	encoded, ok := strings.CutPrefix(key, algorithm)
	raw, wrong := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || wrong != nil || len(raw) != ed25519.PublicKeySize || checkRole(role) != nil {
		return o, errors.New("want ROLE:ed25519:KEY, as sipsieve keys approver prints it")
	}
	if o = (Approver{Role: role, Key: raw}); o.String() != text { // the decoder skips ends of lines
		return Approver{}, errors.New("want ROLE:ed25519:KEY on one line")
	}
	return o, nil
}

// checkRole returns an error if role is none: it stands in logs and records.
func checkRole(role string) error {
	if len(role) < 1 || len(role) > 32 || strings.Trim(role, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return errors.New("role: want 1 to 32 of a-z, 0-9, _ and -, such as privacy-officer")
	}
	return nil
}
