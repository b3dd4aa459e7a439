// This file has methods of Daemon because a running one takes up another policy.

package daemon

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sipsieve/cmd/sipsieve/archive"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
	"sipsieve/store/policy/review"
)

// A ReloadStatus is what became of the last attempt to read the configuration again.
type ReloadStatus struct {
	Successful bool   `json:"successful"`    // also before the first attempt
	Since      string `json:"since"`         // when the configuration in force took effect, RFC 3339
	Why        string `json:"why,omitempty"` // it was refused
}

// reloads are the attempts to read the configuration again.
type reloads struct {
	one sync.Mutex // for the whole of an attempt

	mu      sync.Mutex // around what follows
	inForce *config.Setup
	since   time.Time
	refused error // of the last attempt
}

// InForce returns the Setup whose policy is in force. All else of it is as in the Setup that d was made with.
func (d *Daemon) InForce() *config.Setup {
	d.reloads.mu.Lock()
	defer d.reloads.mu.Unlock()
	return d.reloads.inForce
}

// LastReload returns whether the last attempt to read the configuration again was successful, true before the first, and
// when the configuration in force took effect.
func (d *Daemon) LastReload() (successful bool, since time.Time) {
	d.reloads.mu.Lock()
	defer d.reloads.mu.Unlock()
	return d.reloads.refused == nil, d.reloads.since
}

// reloadStatus returns that for the status.
func (d *Daemon) reloadStatus() (s ReloadStatus) {
	d.reloads.mu.Lock()
	defer d.reloads.mu.Unlock()
	s.Successful, s.Since = d.reloads.refused == nil, d.reloads.since.UTC().Format(time.RFC3339)
	if !s.Successful {
		s.Why = d.reloads.refused.Error()
	}
	return s
}

// reloadUntil reads the configuration again at each of d.Reloads until ctx ends.
func (d *Daemon) reloadUntil(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.Reloads:
			d.Reload(ctx)
		}
	}
}

// Reload reads the configuration and its policy again, and has both take effect between two records: all of it or, if
// anything is wrong with it or waits for a restart, nothing. The outcome is logged, and kept for the status.
func (d *Daemon) Reload(ctx context.Context) {
	d.reloads.one.Lock()
	defer d.reloads.one.Unlock()
	before := d.InForce()
	next, err := d.Reread(time.Now())
	if err == nil {
		err = d.takeUp(ctx, before, next)
	}
	d.reloads.mu.Lock()
	defer d.reloads.mu.Unlock()
	if d.reloads.refused = err; err != nil {
		d.Log.Error("configuration refused: the one before stays in force", "policy", before.Policy.Hash(), "err", err)
		return
	}
	d.reloads.inForce, d.reloads.since = next, time.Now()
	d.logAllowed(before, next)
	if d.Level != nil {
		_ = d.Level.UnmarshalText([]byte(next.LogLevel)) // which is checked
	}
	d.Log.Info("configuration read again", "policy", next.Policy.Hash())
}

// takeUp has the policy of next take effect in place of that of before. After an error nothing of it has.
func (d *Daemon) takeUp(ctx context.Context, before, next *config.Setup) error {
	if before.Policy.Hash() == next.Policy.Hash() && slices.Equal(before.ApprovedBy(), next.ApprovedBy()) {
		return nil
	}
	records, err := newLossRecords(next)
	if err != nil {
		return err
	}
	if err := archive.Keep(d.State, next.Policy); err != nil {
		return err
	}
	d.logChange(before, next)
	if d.coverage != nil {
		both := slices.Concat(before.Policy.Fields(), next.Policy.Fields())
		d.reading.selectHeaders(both)
		err = d.coverage.Replace(ctx, next.Policy, next.ApprovedBy(), func() (time.Time, error) {
			return d.reading.collector.Replace(ctx, next.Purposes)
		})
		if err != nil {
			d.reading.selectHeaders(before.Policy.Fields())
			return err
		}
		d.reading.selectHeaders(next.Policy.Fields())
	}
	d.keeping.replace(next.Policy, records.policy)
	return nil
}

// logChange logs what becomes different, and who approved it.
func (d *Daemon) logChange(before, next *config.Setup) {
	for _, f := range next.Policy.Lint(time.Now()) {
		d.Log.Warn("policy deserves a second look", "err", fmt.Sprintf("%s:%d: %s: %s", next.PolicyName(), f.Line, f.Key, f.Text))
	}
	for _, c := range review.Diff(before.Policy, next.Policy) {
		d.Log.Info("policy changes", "effect", c.Effect.String(), "change", c.String())
	}
	for _, who := range next.ApprovedBy() {
		d.Log.Info("policy approved", "policy", next.Policy.Hash(), "role", who)
	}
}

// logAllowed logs what next allows and its operator may not expect, and that approvals are demanded no more.
func (d *Daemon) logAllowed(before, next *config.Setup) {
	if before.Rules.RequireApproval && !next.Rules.RequireApproval {
		d.Log.Warn("approvals are demanded no more", "policy", next.Policy.Hash())
	}
	for _, text := range next.Warnings() {
		if !slices.Contains(before.Warnings(), text) {
			d.Log.Warn("configuration deserves a second look", "err", text)
		}
	}
}

// selectHeaders has all feeds read the headers that these fields need.
func (r *reading) selectHeaders(fields []cpni.Field) {
	for _, f := range r.feeds {
		f.selectHeaders(cpni.Selection(fields))
	}
}

// replace has another policy in force: p in the store, and one of the same text, bound, for records of losses.
func (k *keeping) replace(p, losses *policy.Policy) {
	if s, ok := k.store.(interface{ Replace(*policy.Policy) }); ok {
		s.Replace(p)
	}
	k.records.mu.Lock()
	defer k.records.mu.Unlock()
	k.records.policy = losses
}
