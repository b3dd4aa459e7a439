package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/sqlite"
)

const (
	mendEvery   = 10 * time.Second // what is missing of damaged partitions is looked at
	settleEvery = time.Minute      // partitions without a Put for so long are checkpointed
	checkEvery  = 24 * time.Hour   // all partitions are read
)

// A mending looks after the files of a store: it has damage found, has the bus deliver again what it still has of
// damaged partitions, and announces what is missing after that.
type mending struct {
	log    *slog.Logger
	files  *sqlite.Store
	behind func(ctx context.Context, purpose string) (uint64, error) // excerpts that the bus has for the store
	again  func(ctx context.Context, purpose string) error           // has the bus deliver them again

	mu     sync.Mutex
	lost   map[string]cpni.Loss // by purpose, not announced
	failed map[string]bool      // purposes of which the bus would not deliver again: that was logged
}

// run works until ctx ends.
func (m *mending) run(ctx context.Context) {
	ticker := time.NewTicker(mendEvery)
	defer ticker.Stop()
	var settled, checked time.Time
	for ctx.Err() == nil {
		now := time.Now()
		if now.Sub(checked) >= checkEvery {
			checked = now
			m.report("check of the store", m.files.Check(ctx), ctx)
		}
		if now.Sub(settled) >= settleEvery {
			settled = now
			m.report("checkpoint of the store", m.files.Settle(ctx), ctx)
		}
		m.mend(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func (m *mending) report(what string, err error, ctx context.Context) {
	if err != nil && ctx.Err() == nil {
		m.log.Error(what, "err", err)
	}
}

// mend has the bus deliver again, once for each purpose that lacks rows. What has not come when it has delivered all is
// announced.
func (m *mending) mend(ctx context.Context) {
	redelivered := map[string]bool{}
	for _, d := range m.files.Damaged() {
		if d.Refilling && !redelivered[d.Purpose] {
			m.end(ctx, d)
			continue
		}
		if !redelivered[d.Purpose] {
			if err := m.again(ctx, d.Purpose); err != nil {
				if !m.failed[d.Purpose] && ctx.Err() == nil {
					m.failed[d.Purpose] = true
					m.log.Error("the bus does not deliver again what a damaged partition of the store lacks", "purpose", d.Purpose, "err", err)
				}
				continue
			}
			redelivered[d.Purpose], m.failed[d.Purpose] = true, false
		}
		m.log.Error("a partition of the store was damaged: it is set aside, and the bus delivers again what it still has",
			"purpose", d.Purpose, "expires", d.Expires, "rows", d.Missing)
		m.report("store", m.files.MarkRefilling(d.Place), ctx)
	}
}

// end announces what is missing, if the store has all that the bus had for it.
func (m *mending) end(ctx context.Context, d store.Damage) {
	behind, err := m.behind(ctx, d.Purpose)
	if err != nil || behind > 0 {
		return
	}
	if err := m.files.MarkAnnounced(d.Place); err != nil {
		m.report("store", err, ctx)
		return
	}
	m.log.Error("rows of a damaged partition of the store are lost", "purpose", d.Purpose, "expires", d.Expires,
		"lost", d.Missing)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	one := cpni.Loss{From: now, To: now, Count: uint64(d.Missing), Reason: "damaged"}
	if have, ok := m.lost[d.Purpose]; ok {
		one.From, one.Count = have.From, one.Count+have.Count
	}
	m.lost[d.Purpose] = one
}

// takeLosses returns what was lost since the last call, nothing for a nil mending.
func (m *mending) takeLosses() map[string]cpni.Loss {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lost := m.lost
	m.lost = map[string]cpni.Loss{}
	return lost
}

// troubles adds what is missing, by purpose; nothing for a nil mending.
func (m *mending) troubles(to map[string]string) {
	if m == nil {
		return
	}
	missing := map[string]int{}
	for _, d := range m.files.Missing() {
		missing[d.Purpose] += d.Missing
	}
	for purpose, n := range missing {
		to["store.damaged."+purpose] = fmt.Sprintf("%d rows of damaged partitions are missing", n)
	}
}
