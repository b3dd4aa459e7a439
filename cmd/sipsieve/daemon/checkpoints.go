package daemon

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
)

// Files of checkpoint logs in the state folder.
const (
	liveLogName     = "calls.journal"    // of live calls
	excerptsLogName = "excerpts.journal" // of the excerpts that wait for the end of their window
)

// clearEvery is how often files that are kept no longer are looked for.
const clearEvery = time.Hour

// checkpoints are the logs in the state folder: of the open calls of everything live, of those of each folder, and of the
// excerpts that wait for the end of their window.
type checkpoints struct {
	setup *config.Setup
	log   *slog.Logger
	live  *checkpoint.Log // nil without one
	waits *checkpoint.Log // of excerpts
	all   []*checkpoint.Log
	ended chan struct{}         // closed by close; nil before run
	kept  atomic.Pointer[error] // why something that is to go cannot be removed; nil if all could
}

// openCheckpoints opens the log of excerpts and, if there are live sources, that of their calls, and removes the logs that
// nobody reads. A disk that fails keeps nobody from starting.
func openCheckpoints(s *config.Setup, log *slog.Logger) *checkpoints {
	c := &checkpoints{setup: s, log: log}
	c.clear(time.Now())
	live := slices.ContainsFunc(s.Source, func(s config.Source) bool { return s.Live() })
	if live && s.Calls.Journal {
		c.live = c.open(liveLogName, checkpoint.Config{})
	}
	c.waits = c.open(excerptsLogName, checkpoint.Config{OfExcerpts: true})
	return c
}

// clear removes what is not kept at now: logs that nobody reads, and files that were set aside, which are kept as long as
// what is not stored yet, of the purpose for which that is shortest. It logs when something cannot be removed, once until
// it is something else.
func (c *checkpoints) clear(now time.Time) {
	gone, err := checkpoint.Expire(c.setup.State, now.Add(-c.setup.Policy.ShortestBusRetain().Shortest()))
	err = errors.Join(err, c.drop())
	if !c.setup.Calls.Journal {
		err = errors.Join(err, checkpoint.Remove(filepath.Join(c.setup.State, liveLogName)))
	}
	if gone > 0 {
		c.log.Info("checkpoint logs that were set aside have expired", "gone", gone)
	}
	before := c.kept.Load()
	switch {
	case err == nil:
		c.kept.Store(nil)
	case before == nil || (*before).Error() != err.Error():
		c.log.Error("checkpoint logs that are to go cannot be removed", "err", err)
		c.kept.Store(&err)
	}
}

// drop removes the logs of folders that no source reads any more.
func (c *checkpoints) drop() error {
	there, err := fs.Glob(os.DirFS(c.setup.State), "folder-*.checkpoint") // no pattern in the names of the folder
	for _, name := range there {
		if !slices.ContainsFunc(c.setup.Source, func(s config.Source) bool {
			return s.Type == "directory" && s.CheckpointName() == name
		}) {
			err = errors.Join(err, checkpoint.Remove(filepath.Join(c.setup.State, name)))
		}
	}
	return err
}

// open opens a log of that kind in the state folder, which is closed with the others.
func (c *checkpoints) open(name string, kind checkpoint.Config) *checkpoint.Log {
	kind.Path, kind.Policy = filepath.Join(c.setup.State, name), c.setup.Policy.Hash()
	kind.Sealer, kind.Log = c.setup.Vault.Sealer("journal"), c.log
	l := checkpoint.Open(kind)
	c.all = append(c.all, l)
	return l
}

// restore gives the open calls that the last run left to dom. What the disk does not give is counted as lost.
func (c *checkpoints) restore(dom *pipeline.Domain) {
	if c.live == nil {
		return
	}
	if clock := c.live.Clock(); clock != nil && dom.RestoreClock(clock) != nil {
		c.live.Refuse(event.Key{})
	}
	taken := map[event.Key]bool{}
	err := c.live.Calls(func(one checkpoint.Restorable) {
		taken[one.Saved.Name] = true
		if dom.Restore(one.Saved, one.Facts) != nil {
			c.live.Refuse(one.Saved.Name)
			return
		}
		c.live.Accept()
	})
	if err != nil {
		c.live.KeepOnly(taken)
		c.log.Error("checkpoint log could not be read to its end: look at the disk of the state folder", "err", err)
	}
	r := checkpoint.Reported(c.live)
	if r.Restored > 0 {
		dom.Resume()
	}
	c.log.Info("checkpoint log read", "restored", r.Restored, "refused", r.Refused, "broken", r.Broken, "lost", r.Lost)
}

// run has all logs written in the background, and removes what has expired until close.
func (c *checkpoints) run() {
	for _, l := range c.all {
		go l.Run()
	}
	c.ended = make(chan struct{})
	go c.clearUntil(c.ended)
}

// clearUntil clears now and then until ended is closed.
func (c *checkpoints) clearUntil(ended <-chan struct{}) {
	ticker := time.NewTicker(clearEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case now := <-ticker.C:
			c.clear(now)
		}
	}
}

// close ends that when everything is written.
func (c *checkpoints) close() (err error) {
	if c.ended != nil {
		close(c.ended)
	}
	for _, l := range c.all {
		err = errors.Join(err, l.Close())
	}
	return err
}

// report returns what the logs hold, nil without any.
func (c *checkpoints) report() *checkpoint.Report { return checkpoint.Reported(c.all...) }

// trouble returns why a log cannot be opened or written at the moment, or one that is to go not be removed; nil without
// any trouble.
func (c *checkpoints) trouble() (err error) {
	if c == nil {
		return nil
	}
	if kept := c.kept.Load(); kept != nil {
		err = *kept
	}
	for _, l := range c.all {
		err = errors.Join(err, l.Trouble())
	}
	return err
}
