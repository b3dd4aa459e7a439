// This file has methods of Daemon because the logs of open calls are opened, restored and dropped in one place.

package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sipsieve/cmd/sipsieve/config"
	"slices"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
)

// liveLogName is the file of the live calls' checkpoint log in the state folder.
const liveLogName = "calls.journal"

// openLogs opens the checkpoint log of live sources, if there are any, and removes those that nobody reads.
func (d *Daemon) openLogs() (err error) {
	if err := d.dropLogs(); err != nil {
		return err
	}
	live := slices.ContainsFunc(d.Source, func(s config.Source) bool { return s.Type == "interface" || s.Type == "hep" })
	switch {
	case live && d.Calls.Journal:
		d.liveLog, err = d.openLog(liveLogName, false)
		return err
	case !d.Calls.Journal: // what nobody reads any more is not kept
		err = os.Remove(filepath.Join(d.State, liveLogName))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return err
}

// openLog opens a checkpoint log in the state folder, which is closed when the daemon stops.
func (d *Daemon) openLog(name string, cuts bool) (*checkpoint.Log, error) {
	l, err := checkpoint.Open(checkpoint.Config{Path: filepath.Join(d.State, name), Policy: d.Policy.Hash(),
		Sealer: d.Vault.Sealer("journal"), Log: d.Log, Cuts: cuts})
	if err == nil {
		d.logs = append(d.logs, l)
	}
	return l, err
}

// restore gives the open calls that the last run left to dom.
func (d *Daemon) restore(dom *pipeline.Domain) error {
	if d.liveLog == nil {
		return nil
	}
	if clock := d.liveLog.Clock(); clock != nil && dom.RestoreClock(clock) != nil {
		d.liveLog.Refuse(event.Key{})
	}
	err := d.liveLog.Calls(func(c checkpoint.Restorable) {
		if dom.Restore(c.Saved, c.Facts) != nil {
			d.liveLog.Refuse(c.Saved.Name)
			return
		}
		d.liveLog.Accept()
	})
	r := checkpoint.Reported(d.liveLog)
	if r.Restored > 0 {
		dom.Resume()
	}
	d.Log.Info("checkpoint log read", "restored", r.Restored, "refused", r.Refused, "broken", r.Broken)
	return err
}
