package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sipsieve/cmd/sipsieve/config"
	"slices"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/track"
)

// liveLogName is the file of the live calls' checkpoint log in the state folder.
const liveLogName = "calls.journal"

// openLogs opens the checkpoint log of live sources, if there are any, and removes those that nobody reads.
func (d *daemon) openLogs() (err error) {
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
func (d *daemon) openLog(name string, cuts bool) (*checkpoint.Log, error) {
	l, err := checkpoint.Open(checkpoint.Config{Path: filepath.Join(d.State, name), Policy: d.Policy.Hash(),
		Sealer: d.Vault.Sealer("journal"), Log: d.log, Cuts: cuts})
	if err == nil {
		d.logs = append(d.logs, l)
	}
	return l, err
}

// restore gives the open calls that the last run left to dom.
func (d *daemon) restore(dom *pipeline.Domain) error {
	if d.liveLog == nil {
		return nil
	}
	if clock := d.liveLog.Clock(); clock != nil && dom.RestoreClock(clock) != nil {
		d.liveLog.Refuse(track.Key{})
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
	d.log.Info("checkpoint log read", "restored", r.Restored, "refused", r.Refused, "broken", r.Broken)
	return err
}

// keep takes note of what a shard says of an open call. What purposes keep of its texts is made here and now, so that
// no text goes any further.
func (c *collector) keep(s *track.Saved) { c.saved = c.entries(c.saved, s) }

// entries appends to list what the checkpoint log is to have of s.
func (c *collector) entries(list []checkpoint.Entry, s *track.Saved) []checkpoint.Entry {
	switch {
	case s.Name == track.Key{}:
		return append(list, checkpoint.Entry{Kind: checkpoint.ClockEntry, Body: s.State})
	case s.Gone:
		return append(list, checkpoint.Entry{Kind: checkpoint.GoneEntry, Name: s.Name})
	}
	if s.Event != nil { // before the state, so that no state is ever without it
		list = append(list, checkpoint.Entry{Kind: checkpoint.FrozenEntry, Name: s.Name, Body: c.freeze(s.Event)})
	}
	return append(list, checkpoint.Entry{Kind: checkpoint.StateEntry, Name: s.Name, Body: s.State})
}

// cut hands over to the log of a folder how far its files were read and the calls that were open then, once everything
// is durable that was released before.
func (c *collector) cut(feed int, cut *pipeline.Cut, saved []track.Saved) {
	f := c.d.feeds[feed].folder
	if f == nil {
		return
	}
	var list []checkpoint.Entry
	for i := range saved {
		list = c.entries(list, &saved[i])
	}
	c.backlog.then(f.save(cut, list))
}

// freeze returns what all purposes keep of the texts of ev's call.
func (c *collector) freeze(ev *track.Event) (body []byte) {
	r, ok := c.d.Records.Record(ev)
	if !ok {
		return nil
	}
	for _, p := range c.d.Purposes {
		c.frozen = p.Snapshot(c.frozen[:0], &r)
		if len(c.frozen) > 0 {
			body = checkpoint.AppendFrozen(body, p.Name, c.frozen)
		}
	}
	return body
}

// save hands over to the log of live calls what was kept, once everything is durable that was released before: a call is
// not gone from the log before its record is safe. What is live does not wait for room: then it is handed over later.
func (c *collector) save() {
	if len(c.saved) == 0 {
		return
	}
	if c.flush(); len(c.pending) == 0 {
		select {
		case c.out <- c.savedParcel():
			c.saved = nil
			return
		default:
		}
	}
	c.bound()
}

// savedParcel returns what hands over to the log what was kept.
func (c *collector) savedParcel() parcel {
	list := c.saved
	return parcel{done: func() error { c.d.liveLog.Put(list); return nil }}
}

// bound keeps what waits for the log from growing: old words on a call go when there are newer ones, and the
// oldest of all when there are more than calls can have at once.
func (c *collector) bound() {
	most := 3 * c.d.Limits.Calls
	if len(c.saved) < 2*c.newest && len(c.saved) < most {
		return
	}
	c.saved = checkpoint.NewestOf(c.saved)
	if n := len(c.saved) - most; n >= 0 {
		c.saved = slices.Delete(c.saved, 0, n+most/8) // in one go, not one by one
		c.d.liveLog.Drop()
	}
	c.newest = max(len(c.saved), 1024)
}
