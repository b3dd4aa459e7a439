package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/sqlite"
)

const (
	damageEvery = time.Second      // whether a partition is damaged, and whether it is filled again
	mendEvery   = 10 * time.Second // before what the bus or the store refused is tried again
	mendLimit   = 10 * time.Minute // for which a bus that is reached may refuse to deliver again
	settleEvery = time.Minute      // partitions without a Put for so long are checkpointed
	checkEvery  = 24 * time.Hour   // all partitions are read
)

// A mending looks after the files of a store: it has damage found, has the bus deliver again what it still has of
// damaged partitions, and puts a record of what is missing after that into the store.
type mending struct {
	log     *slog.Logger
	files   *sqlite.Store
	source  refiller
	records *lossRecords
	every   time.Duration // mendEvery but for tests
	limit   time.Duration // likewise mendLimit

	mu      sync.Mutex
	blocked map[string]*block // by purpose; under mu
}

// A refiller is where the rows of a store come from.
type refiller interface {
	Behind(ctx context.Context, purpose string) (uint64, error)         // how many excerpts are not in the store
	Again(ctx context.Context, purpose string, lost store.Cursor) error // has those and all behind them delivered again
	Away() bool                                                         // there is no connection
}

// A block is what keeps a purpose from being mended.
type block struct {
	err   error
	since time.Time // the bus was reached all the time
	next  time.Time // when it is tried again
}

// run works until ctx ends.
func (m *mending) run(ctx context.Context) {
	ticker := time.NewTicker(damageEvery)
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

// mend has the bus deliver again, once for each purpose that lacks rows. What has not come when it has delivered all, or
// when it has refused that for mendLimit, is announced.
func (m *mending) mend(ctx context.Context) {
	byPurpose := map[string][]store.Damage{}
	var order []string
	for _, d := range m.files.Damaged() {
		if byPurpose[d.Purpose] == nil {
			order = append(order, d.Purpose)
		}
		byPurpose[d.Purpose] = append(byPurpose[d.Purpose], d)
	}
	m.unblock(order)
	for _, purpose := range order {
		if m.waits(purpose) {
			continue
		}
		err := m.mendPurpose(ctx, byPurpose[purpose])
		if ctx.Err() != nil {
			return
		}
		if m.block(purpose, err) {
			for _, d := range byPurpose[purpose] {
				if !d.Pending {
					m.report("store", m.announce(ctx, d), ctx)
				}
			}
		}
	}
}

// mendPurpose goes one step with the damaged partitions of a purpose.
func (m *mending) mendPurpose(ctx context.Context, damaged []store.Damage) error {
	fresh, lost := false, store.Cursor{}
	for _, d := range damaged {
		fresh = fresh || !d.Refilling
		for sensor, place := range d.Had {
			if have, ok := lost[sensor]; !ok || place.Stream < have.Stream || place.Stream == have.Stream && place.Number < have.Number {
				lost[sensor] = place
			}
		}
	}
	purpose := damaged[0].Purpose
	if fresh {
		delete(lost, lossSensor(PlaceStore, m.records.sensor)) // such records come from no bus
		if err := m.source.Again(ctx, purpose, lost); err != nil {
			return err
		}
		for _, d := range damaged {
			if d.Refilling {
				continue
			}
			m.log.Error("a partition of the store was damaged: it is set aside, and the bus delivers again what it still has",
				"purpose", purpose, "expires", d.Expires, "rows", d.Missing)
			if err := m.files.MarkRefilling(d.Place, time.Now()); err != nil {
				return err
			}
		}
		return nil
	}
	if behind, err := m.source.Behind(ctx, purpose); err != nil || behind > 0 {
		return err
	}
	for _, d := range m.files.Damaged() { // of now: rows may have come since
		if d.Purpose == purpose && d.Refilling && !d.Pending {
			if err := m.announce(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// announce puts the record of what d lacks into the store, and enters then that it is announced. A kill in between has
// it put again under the same id.
func (m *mending) announce(ctx context.Context, d store.Damage) error {
	if d.From.IsZero() { // it was not refilled, and its rows show no times
		now := time.UnixMilli(time.Now().UnixMilli())
		if err := m.files.MarkRefilling(d.Place, now); err != nil {
			return err
		}
		d.From, d.To = now, now
	}
	lost := cpni.Loss{From: d.From, To: d.To, Count: uint64(d.Missing), Reason: "damaged",
		Event: fmt.Sprintf("store %v %d", d.Expires, d.Number)}
	err := m.files.Put(ctx, m.records.ofStore(d.Purpose, lost))
	if err != nil && !errors.As(err, new(store.Refused)) {
		return err
	}
	if err := m.files.MarkAnnounced(d.Place); err != nil {
		return err
	}
	m.log.Error("rows of a damaged partition of the store are lost", "purpose", d.Purpose, "expires", d.Expires,
		"lost", d.Missing)
	return nil
}

// unblock forgets the blocks of purposes that lack no rows any more: the next damage is waited for as long as the first.
func (m *mending) unblock(lacking []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.blocked, func(purpose string, _ *block) bool { return !slices.Contains(lacking, purpose) })
}

// waits reports whether a purpose is not tried yet.
func (m *mending) waits(purpose string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.blocked[purpose]
	return one != nil && time.Now().Before(one.next)
}

// block keeps what came of a step with a purpose, nil for nothing wrong, and logs it once. It reports whether a bus that
// was reached has failed for the limit: it is not waited for any longer.
func (m *mending) block(purpose string, err error) (giveUp bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		delete(m.blocked, purpose)
		return false
	}
	one, now := m.blocked[purpose], time.Now()
	if one == nil {
		m.log.Error("what a damaged partition of the store lacks cannot be filled in now", "purpose", purpose, "err", err)
		one = &block{since: now}
		m.blocked[purpose] = one
	}
	one.err, one.next = err, now.Add(m.every)
	if m.source.Away() {
		one.since = now
	}
	return now.Sub(one.since) >= m.limit
}

// lacking returns how many rows each purpose lacks: of those that are not announced, and of all.
func (m *mending) lacking() (mended, all map[string]int) {
	mended, all = map[string]int{}, map[string]int{}
	for _, d := range m.files.Damaged() {
		mended[d.Purpose] += d.Missing
	}
	for _, d := range m.files.Missing() {
		all[d.Purpose] += d.Missing
	}
	return mended, all
}

// troubles adds what is missing, by purpose; nothing for a nil mending.
func (m *mending) troubles(to map[string]string) {
	if m == nil {
		return
	}
	mended, all := m.lacking()
	m.mu.Lock()
	defer m.mu.Unlock()
	for purpose, n := range all {
		text := fmt.Sprintf("%d rows of damaged partitions are missing", n)
		switch one := m.blocked[purpose]; {
		case one != nil:
			text += fmt.Sprintf("; they cannot be filled in now: %v", one.err)
		case mended[purpose] > 0:
			text += "; the bus delivers again what it still has"
		}
		to["store.damaged."+purpose] = text
	}
}

// unready returns which purposes lack rows that may still come; nothing for a nil mending.
func (m *mending) unready() (why []string) {
	if m == nil {
		return nil
	}
	mended, _ := m.lacking()
	for _, purpose := range slices.Sorted(maps.Keys(mended)) {
		why = append(why, fmt.Sprintf("%s: damaged partitions of the store lack %d rows, which are filled in",
			store.StreamName(purpose), mended[purpose]))
	}
	return why
}
