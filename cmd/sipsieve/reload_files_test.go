package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/store/policy/approval"
)

// TestAReloadDoesNotWaitForAPipe puts a pipe that nobody writes to, and a file without an end, in the place of each file that
// a reload reads. Each is refused, the next reload is not, and the daemon stops.
func TestAReloadDoesNotWaitForAPipe(t *testing.T) {
	t.Parallel()
	s, address := newSite(t, 1), ownAddress()
	s.awaitsFeed(t, address)
	s.ownPolicy(t)
	s.changes(t, "[policy]\n", "[policy]\napprovers = [\"officer:ed25519:TLWr9q15+/WrvMr8wmnYXNJlHtS4hbWGnyQa7fCluik=\"]\n")
	p := s.start(t)
	s.up(t)
	for _, name := range []string{s.config, s.policyPath(), approval.PathOf(s.policyPath())} {
		kept, err := os.ReadFile(name)
		missing := errors.Is(err, os.ErrNotExist)
		for what, put := range map[string]func() error{
			"pipe":   func() error { return syscall.Mkfifo(name, 0o600) },
			"device": func() error { return os.Symlink("/dev/zero", name) },
		} {
			if err := os.Remove(name); err != nil && !missing {
				t.Fatal(err)
			}
			if err := put(); err != nil {
				t.Fatal(err)
			}
			s.reload(t, p, func(r *daemon.Status) bool { return strings.Contains(r.Reload.Why, name+": is a pipe") })
			err := os.Remove(name)
			if !missing {
				err = errors.Join(err, os.WriteFile(name, kept, 0o600))
			}
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			s.reload(t, p, func(r *daemon.Status) bool { return r.Reload.Successful })
		}
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
}

// TestAReloadWarnsOfWhatIsNotApproved: a reload that demands approvals no more is logged, and so is a policy that lacks one.
func TestAReloadWarnsOfWhatIsNotApproved(t *testing.T) {
	t.Parallel()
	s, address := newSite(t, 1), ownAddress()
	s.awaitsFeed(t, address)
	text := s.ownPolicy(t)
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	officer, err := approval.ApproverOf("officer", key)
	if err != nil {
		t.Fatal(err)
	}
	s.changes(t, "[policy]\n", fmt.Sprintf("[policy]\nrequire_approval = true\napprovers = [%q]\n", officer))
	s.approves(t, key)
	p := s.start(t)
	s.up(t)
	s.changes(t, "require_approval = true", "require_approval = false")
	other := s.writesPolicy(t, strings.Replace(text, "18 months", "17 months", 1))
	s.reload(t, p, func(r *daemon.Status) bool { return r.Policy == other })
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
	logs(t, p, map[string]int{"approvals are demanded no more": 1, "policy.approvers: ": 1, s.policyPath() + ":60: ": 1})
}

// approves signs the policy of s as officer.
func (s *site) approves(t *testing.T, key ed25519.PrivateKey) {
	t.Helper()
	p, err := config.ReadPolicy(s.policyPath())
	if err != nil {
		t.Fatal(err)
	}
	a, err := approval.Sign(key, "officer", time.Now(), p, nil)
	if err = errors.Join(err, approval.Add(s.policyPath(), a)); err != nil {
		t.Fatal(err)
	}
}
