package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/source"
	"sync/atomic"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/hep"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
)

const (
	// lookEvery is how often a folder is looked at for files that are finished.
	lookEvery = time.Second
	// rereadSpan is how much before the last cut is read again at a start, packet time: registrations are refreshed
	// within an hour as a rule, and the calls that began since then are known again with their texts. Those that began
	// earlier are restored from the checkpoint log.
	rereadSpan = time.Hour
	// leastWait is how long frames wait at least for a file that is still written and may have earlier ones.
	leastWait = 10 * time.Second
)

// A folder reads the files of a directory source as one domain. Its checkpoint log has how far they have been read and
// the calls that were open then.
type folder struct {
	setup    *config.Setup
	troubles *troubles
	key      string
	source   *config.Source
	base     uint64
	log      *checkpoint.Log
	dir      *pcap.Dir
	last     string // what look failed with last
	failing  bool   // that was reported, and is not over
	idle     atomic.Bool

	since    time.Time    // what is read again begins here; EndOfTime if nothing is
	again    []*pcap.File // that are read again
	known    bool         // what the log says was read is taken over
	begun    bool         // a domain was opened
	retrying map[*pcap.File]*retry
}

// A folderPosition is how far the files of a folder have been read, as far as that has changed.
type folderPosition struct {
	marks     []pcap.Mark
	forgotten []string
	but       map[event.Key]bool // calls that the log has and that were restored from it
}

// A folderCut is what the last entry of a cut says.
type folderCut struct {
	Clock int64 `json:"clock"` // of the domain, nanoseconds since 1970
}

// openFolder returns the feed of the files of folder number i. An error is of the configuration, or of the state folder.
func openFolder(i int, logs *checkpoints, t *troubles) (*feed, error) {
	s := logs.setup
	name, file := config.SourceKey(i), s.Source[i].CheckpointName()
	dir, err := source.OpenDir(&s.Source[i], filepath.Join(s.State, name+".read"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f := &folder{setup: s, troubles: t, key: name, source: &s.Source[i], base: uint64(i) << 56, dir: dir,
		since: pipeline.EndOfTime, retrying: map[*pcap.File]*retry{}}
	f.idle.Store(true)
	f.log = logs.open(file, checkpoint.Config{Cuts: true})
	feed := newFeed(name, s.Trunks, f.next)
	feed.folder = f
	return feed, nil
}

// remember takes over what the checkpoint log says was read. As long as the log cannot be read, nothing else is: its files
// would all be read again.
func (f *folder) remember() error {
	if f.known {
		return nil
	}
	if err := f.log.Reopen(); err != nil {
		return err
	}
	files, last, err := f.log.Files()
	if err != nil || last == nil {
		f.known = err == nil
		return err
	}
	var cut folderCut
	err = json.Unmarshal(last, &cut)
	var marks []pcap.Mark
	for _, b := range files {
		var m pcap.Mark
		err = errors.Join(err, json.Unmarshal(b, &m))
		marks = append(marks, m)
	}
	if err != nil {
		return fmt.Errorf("%s: checkpoint: %w", f.key, err)
	}
	f.known = true
	f.dir.Remember(marks)
	again, gone, err := f.dir.Again(time.Unix(0, cut.Clock).Add(-rereadSpan))
	if err != nil {
		return nil // the folder is not there: next returns that
	}
	if len(again) > 0 {
		f.again, f.since = again, gone
	}
	return nil
}

// next returns a domain of what there is and what will be in the folder, io.EOF when ctx has ended. A domain ends when
// nothing has come for as long as a call may last.
func (f *folder) next(ctx context.Context) (*pipeline.Domain, func(error) error, error) {
	if ctx.Err() != nil {
		return nil, nil, io.EOF
	}
	if err := f.remember(); err != nil {
		return nil, nil, err
	}
	c, err := f.source.Files(f.base)
	if err != nil {
		return nil, nil, err
	}
	s := &folderSource{folder: f, series: pcap.NewSeries(c), closed: make(chan struct{}), active: time.Now()}
	if s.Source = s.series; f.source.HEP {
		s.Source = hep.Unwrapped(s.series, f.source.HEPPort)
	}
	plan := f.setup.Plan(f.setup.Shards, false)
	plan.Saves, plan.Eager = f.setup.Calls.Journal, true
	if f.begun {
		s.base.Store(new(folderCounts))
		return pipeline.New([]capture.Source{s}, plan).Named(f.key), nil, nil
	}
	s.series.Resume(f.since, f.again...)
	if s.again, s.but = s.series.Again(), map[event.Key]bool{}; !s.again {
		s.base.Store(new(folderCounts))
	}
	calls, err := f.saved(plan.Shards, s.but)
	if err != nil { // the next attempt begins as this one did
		return nil, nil, err
	}
	f.begun = true
	plan.Resume = func(shard int, t *track.Tracker) { f.restore(calls[shard], t) }
	f.again = nil
	return pipeline.New([]capture.Source{s}, plan).Named(f.key), nil, nil
}

// saved returns the calls of the log that began before what is read again, by shard, and notes their names.
func (f *folder) saved(shards int, names map[event.Key]bool) ([][]checkpoint.Restorable, error) {
	list := make([][]checkpoint.Restorable, shards)
	if !f.setup.Calls.Journal {
		return list, nil
	}
	err := f.log.Calls(func(c checkpoint.Restorable) {
		if c.Saved.First().Before(f.since) {
			i := int(c.Saved.Shard()[0]) % shards
			list[i] = append(list[i], c)
			names[c.Saved.Name] = true
		}
	})
	return list, err
}

// restore gives calls to t.
func (f *folder) restore(calls []checkpoint.Restorable, t *track.Tracker) {
	if len(calls) == 0 {
		return
	}
	t.Seamless()
	for _, c := range calls {
		if t.Restore(c.Saved, c.Facts) != nil {
			f.log.Reject()
			continue
		}
		f.log.Accept()
	}
}

// save returns what hands over to the log what is to be kept of a cut.
func (f *folder) save(cut *pipeline.Cut, entries []checkpoint.Entry) func() error {
	p, ok := cut.Position.(*folderPosition)
	if ok {
		for i := range p.marks {
			body, _ := json.Marshal(&p.marks[i])
			entries = append(entries, checkpoint.Entry{Kind: checkpoint.FileEntry, Name: nameOf(p.marks[i].Name), Body: body})
		}
		for _, name := range p.forgotten {
			entries = append(entries, checkpoint.Entry{Kind: checkpoint.GoneEntry, Name: nameOf(name)})
		}
	}
	body, _ := json.Marshal(folderCut{cut.Clock().UnixNano()})
	entries = append(entries, checkpoint.Entry{Kind: checkpoint.CutEntry, Body: body})
	return func() error {
		if ok && cut.Whole() {
			f.log.PutWhole(entries, p.but)
		} else {
			f.log.Put(entries)
		}
		return nil
	}
}

// nameOf returns what the checkpoint log calls a file.
func nameOf(file string) (k event.Key) {
	h := sha256.Sum256([]byte("file " + file))
	copy(k[:], h[:])
	return k
}

// note reports what failed at a look, once until it is something else, and once that nothing fails any more.
func (f *folder) note(err error, unreadable int) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case err != nil && text != f.last:
		f.failing = true
		f.troubles.Trouble(f.key, "not read", err)
	case f.failing && err == nil && unreadable == 0:
		f.failing = false
		f.troubles.Recovered(f.key, "read again")
	}
	f.last = text
}

// longestWait returns how long frames wait for a file that is still written: as long as one that has not grown does.
func (f *folder) longestWait() time.Duration {
	d, _ := f.source.SettleTime()
	return max(d, leastWait)
}
