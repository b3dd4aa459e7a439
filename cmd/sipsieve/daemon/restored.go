package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/disk"
	"sipsieve/store/policy"
	"sipsieve/store/postgres"
)

// restoredEvery is how often a database is compared with what was put into it.
const restoredEvery = 5 * time.Second

// A restoring notices that a database has less than what was put into it: a backup was restored, or a standby took over
// without the last transactions. It has the bus deliver again what is missing, and puts a record of what the bus has no
// more into the database. How far everything was put is kept in a file, which outlives a restart.
type restoring struct {
	log      *slog.Logger
	db       *postgres.Store
	source   refiller
	records  *lossRecords
	purposes []string
	path     string // of the file

	mu      sync.Mutex
	under   map[string]*restore // by purpose; under mu
	written string              // what the file has
}

// A restore is a purpose whose rows the bus delivers again.
type restore struct {
	Lost store.Cursor `json:"lost"` // the first publication of each sensor that the database lacked
	Last store.Cursor `json:"last"` // the last one that was put

	Since int64 `json:"since"` // when that was found, Unix milliseconds: the time of the loss, the same after a kill

	first store.Cursor // the first one of each sensor that came again, not before Lost
	again bool         // the bus delivers again
}

// A restoringNote is what the file has of a purpose.
type restoringNote struct {
	Put     store.Cursor `json:"put"`
	Restore *restore     `json:"restore,omitempty"`
}

// load reads the file. Without one, or with one that cannot be read, what was put before this start is not known.
func (r *restoring) load() {
	r.under = map[string]*restore{}
	text, err := os.ReadFile(r.path)
	notes := map[string]restoringNote{}
	if err == nil {
		err = json.Unmarshal(text, &notes)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.Error("whether the database was restored since the last stop is not known", "err", err)
	}
	for purpose, note := range notes {
		if note.Put != nil {
			r.db.SetCommitted(purpose, note.Put)
		}
		if one := note.Restore; one != nil && len(one.Lost) > 0 {
			one.first = store.Cursor{}
			one.Since = cmp.Or(one.Since, time.Now().UnixMilli()) // a file of an earlier version has none
			r.under[purpose] = one
		}
	}
}

// save writes the file if what it has to have is new.
func (r *restoring) save() {
	notes := map[string]restoringNote{}
	r.mu.Lock()
	for _, purpose := range r.purposes {
		notes[purpose] = restoringNote{r.db.Committed(purpose), r.under[purpose]}
	}
	text, err := json.Marshal(notes)
	r.mu.Unlock()
	if string(text) == r.written {
		return
	}
	if err == nil {
		err = disk.ReplaceFile(r.path, text, 0o600)
	}
	if err != nil {
		r.log.Error("how far records were put into the database is not kept", "err", err)
		return
	}
	r.written = string(text)
}

// run works until ctx ends.
func (r *restoring) run(ctx context.Context) {
	ticker := time.NewTicker(restoredEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		r.look(ctx)
		r.save()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	r.save()
}

// look goes one step with each purpose. What fails, such as a server that is away, is tried again with the next look.
func (r *restoring) look(ctx context.Context) {
	for _, purpose := range r.purposes {
		err := r.step(ctx, purpose)
		if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
			r.log.Error("what the database lacks cannot be filled in now", "purpose", purpose, "err", err)
		}
	}
}

// step compares a purpose, has the bus deliver again, or looks whether it has.
func (r *restoring) step(ctx context.Context, purpose string) error {
	r.mu.Lock()
	under := r.under[purpose]
	r.mu.Unlock()
	if under != nil && under.again {
		return r.finish(ctx, purpose, under)
	}
	if under == nil {
		lost, err := r.db.Lacking(ctx, purpose)
		delete(lost, lossSensor(PlaceStore, r.records.sensor)) // such records come from no bus
		if err != nil || len(lost) == 0 {
			return err
		}
		under = &restore{Lost: lost, Last: store.Cursor{}, Since: time.Now().UnixMilli(), first: store.Cursor{}}
		for sensor, s := range r.db.Committed(purpose) {
			if _, ok := lost[sensor]; ok {
				under.Last[sensor] = s
			}
		}
		r.mu.Lock()
		r.under[purpose] = under
		r.mu.Unlock()
		r.log.Error("the database lacks records that were put into it: it was restored, or a standby took over; "+
			"the bus delivers again what it still has", "purpose", purpose)
		r.save() // before the first one comes
	}
	if err := r.source.Again(ctx, purpose, under.Lost); err != nil {
		return err
	}
	under.again = true
	return nil
}

// finish announces what has not come again once the bus has delivered all.
func (r *restoring) finish(ctx context.Context, purpose string, under *restore) error {
	if behind, err := r.source.Behind(ctx, purpose); err != nil || behind > 0 {
		return err
	}
	has, err := r.db.Reached(ctx, purpose)
	if err != nil {
		return err
	}
	r.mu.Lock()
	missing := under.missing()
	r.mu.Unlock()
	if missing > 0 {
		if err := r.announce(ctx, purpose, under, missing); err != nil {
			return err
		}
	}
	r.db.SetCommitted(purpose, has)
	r.mu.Lock()
	delete(r.under, purpose)
	r.mu.Unlock()
	r.log.Info("the database has again what the bus still had", "purpose", purpose, "lost", missing)
	return nil
}

// announce puts the record of what is lost into the database, under the same id however often.
func (r *restoring) announce(ctx context.Context, purpose string, under *restore, missing uint64) error {
	err := r.db.Put(ctx, r.records.ofStore(purpose, under.loss(missing)))
	var refused store.Refused
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

// loss returns that so many publications are lost, the same after a kill.
func (u *restore) loss(missing uint64) cpni.Loss {
	since := time.UnixMilli(u.Since)
	return cpni.Loss{From: since, To: since, Count: missing, Reason: "damaged",
		Event: "restored " + u.Lost.String() + " " + u.Last.String()}
}

// missing returns how many publications did not come again. A stream gives them numbers without gaps, and loses the
// first ones first. Of a stream that was made anew since, what was put of the one before is not counted.
func (u *restore) missing() (n uint64) {
	for sensor, lost := range u.Lost {
		last := u.Last[sensor]
		if last.Stream != lost.Stream {
			continue
		}
		end := last.Number + 1
		if first, came := u.first[sensor]; came && first.Stream == lost.Stream {
			end = min(end, first.Number)
		}
		n += end - min(end, lost.Number)
	}
	return n
}

// Put takes note of what comes again, and puts it.
func (r *restoring) Put(ctx context.Context, xs []policy.Excerpt) error {
	r.mu.Lock()
	for _, x := range xs {
		if under := r.under[x.Purpose]; under != nil {
			under.came(x)
		}
	}
	r.mu.Unlock()
	return r.db.Put(ctx, xs)
}

// came enters a publication.
func (u *restore) came(x policy.Excerpt) {
	lost, ok := u.Lost[x.Sensor]
	if !ok || x.Published.Compare(lost) < 0 {
		return
	}
	if have, ok := u.first[x.Sensor]; !ok || x.Published.Compare(have) < 0 {
		u.first[x.Sensor] = x.Published
	}
}

// troubles adds which purposes lack rows, nothing for a nil restoring.
func (r *restoring) troubles(to map[string]string) {
	for _, purpose := range r.lacking() {
		to["store.restored."+purpose] = "the database lacks records that were put into it; the bus delivers again what it still has"
	}
}

// unready returns the same for readiness.
func (r *restoring) unready() (why []string) {
	if all := r.lacking(); len(all) > 0 {
		why = append(why, fmt.Sprintf("the database lacks records of %s, which are filled in", strings.Join(all, ", ")))
	}
	return why
}

func (r *restoring) lacking() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.under))
}
