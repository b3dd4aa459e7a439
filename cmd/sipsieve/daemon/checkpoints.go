package daemon

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
)

// liveLogName is the file of the live calls' checkpoint log in the state folder.
const liveLogName = "calls.journal"

// checkpoints are the logs of open calls in the state folder: that of everything live, and one of each folder.
type checkpoints struct {
	setup *config.Setup
	log   *slog.Logger
	live  *checkpoint.Log // nil without one
	all   []*checkpoint.Log
}

// openCheckpoints opens the log of live sources, if there are any, and removes the logs that nobody reads.
func openCheckpoints(s *config.Setup, log *slog.Logger) (*checkpoints, error) {
	c := &checkpoints{setup: s, log: log}
	if err := c.drop(); err != nil {
		return nil, err
	}
	var err error
	switch live := slices.ContainsFunc(s.Source, func(s config.Source) bool { return s.Live() }); {
	case live && s.Calls.Journal:
		c.live, err = c.open(liveLogName, false)
	case !s.Calls.Journal: // what nobody reads any more is not kept
		if err = os.Remove(filepath.Join(s.State, liveLogName)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return c, err
}

// drop removes the logs of folders that no source reads any more.
func (c *checkpoints) drop() error {
	there, err := os.ReadDir(c.setup.State)
	for _, e := range there {
		unused := !slices.ContainsFunc(c.setup.Source, func(s config.Source) bool {
			return s.Type == "directory" && s.CheckpointName() == e.Name()
		})
		if ours, _ := filepath.Match("folder-*.checkpoint", e.Name()); ours && unused {
			err = errors.Join(err, os.Remove(filepath.Join(c.setup.State, e.Name())))
		}
	}
	return err
}

// open opens a log in the state folder, which is closed with the others.
func (c *checkpoints) open(name string, cuts bool) (*checkpoint.Log, error) {
	l, err := checkpoint.Open(checkpoint.Config{Path: filepath.Join(c.setup.State, name), Policy: c.setup.Policy.Hash(),
		Sealer: c.setup.Vault.Sealer("journal"), Log: c.log, Cuts: cuts})
	if err == nil {
		c.all = append(c.all, l)
	}
	return l, err
}

// restore gives the open calls that the last run left to dom.
func (c *checkpoints) restore(dom *pipeline.Domain) error {
	if c.live == nil {
		return nil
	}
	if clock := c.live.Clock(); clock != nil && dom.RestoreClock(clock) != nil {
		c.live.Refuse(event.Key{})
	}
	err := c.live.Calls(func(one checkpoint.Restorable) {
		if dom.Restore(one.Saved, one.Facts) != nil {
			c.live.Refuse(one.Saved.Name)
			return
		}
		c.live.Accept()
	})
	r := checkpoint.Reported(c.live)
	if r.Restored > 0 {
		dom.Resume()
	}
	c.log.Info("checkpoint log read", "restored", r.Restored, "refused", r.Refused, "broken", r.Broken,
		"lost", r.LostCalls)
	return err
}

// run has all logs written in the background.
func (c *checkpoints) run() {
	for _, l := range c.all {
		go l.Run()
	}
}

// close ends that when everything is written.
func (c *checkpoints) close() (err error) {
	for _, l := range c.all {
		err = errors.Join(err, l.Close())
	}
	return err
}

// report returns what the logs hold, nil without any.
func (c *checkpoints) report() *checkpoint.Report { return checkpoint.Reported(c.all...) }

// trouble returns why a log cannot be written at the moment, nil if all can, and without any.
func (c *checkpoints) trouble() (err error) {
	if c == nil {
		return nil
	}
	for _, l := range c.all {
		err = errors.Join(err, l.Trouble())
	}
	return err
}
