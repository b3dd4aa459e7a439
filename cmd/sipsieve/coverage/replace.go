// This file has methods of Log because another policy comes into force in the middle of what it proves.

package coverage

import (
	"context"
	"time"

	"sipsieve/store/policy"
)

// Replace has p be in force, which was approved in these roles. swap does it and returns since when; if it returns an error,
// nothing is replaced. The span of the policy before ends then, and that of p begins. It may be called from any goroutine, and
// waits until Run has begun.
func (l *Log) Replace(ctx context.Context, p *policy.Policy, approved []string, swap func() (time.Time, error)) error {
	select {
	case <-l.begun:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	since, err := swap()
	if err != nil {
		return err
	}
	counts := l.config.Ledger()
	since = later(since, l.segment)
	l.end(since, counts)
	l.config.Policy, l.config.Approved = p, approved
	l.putText(since)
	l.save(later(time.Now(), since), counts)
	return nil
}
