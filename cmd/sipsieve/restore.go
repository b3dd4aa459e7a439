package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/track"
)

// journalName is the journal's file in the state folder.
const journalName = "calls.journal"

// openJournal reads the open calls that the last run left, if there are live sources to follow them on with.
func (d *daemon) openJournal() (err error) {
	live := slices.ContainsFunc(d.Source, func(s sourceConfig) bool { return s.Type == "interface" || s.Type == "hep" })
	path := filepath.Join(d.State, journalName)
	switch {
	case live && d.Calls.Journal:
		d.journal, d.kept, err = checkpoint.Open(path, d.policy.Hash(), d.keys.Sealer("journal"), d.log)
		return err
	case !d.Calls.Journal: // what nobody reads any more is not kept
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// restore gives the calls of the checkpoint log to dom.
func (d *daemon) restore(dom *pipeline.Domain) {
	if d.journal == nil {
		return
	}
	if clock := d.journal.Clock(); clock != nil && dom.RestoreClock(clock) != nil {
		d.journal.Refuse(track.Key{})
	}
	for _, c := range d.kept.InOrder() {
		if err := dom.Restore(c.Saved, c.Facts); err != nil {
			d.journal.Refuse(c.Saved.Name)
			continue
		}
		d.journal.Accept()
	}
	d.kept = nil
	r := d.journal.Report()
	if r.Restored > 0 {
		dom.Resume()
	}
	d.log.Info("journal read", "restored", r.Restored, "refused", r.Refused, "broken", r.Broken)
}

// keep takes note of what a shard says of an open call. What purposes keep of its texts is made here and now, so that
// no text goes any further.
func (c *collector) keep(s *track.Saved) {
	switch {
	case s.Name == track.Key{}:
		c.saved = append(c.saved, checkpoint.Entry{Kind: checkpoint.ClockEntry, Body: s.State})
		return
	case s.Gone:
		c.saved = append(c.saved, checkpoint.Entry{Kind: checkpoint.GoneEntry, Name: s.Name})
		return
	}
	if s.Event != nil { // before the state, so that no state is ever without it
		c.saved = append(c.saved, checkpoint.Entry{Kind: checkpoint.FrozenEntry, Name: s.Name, Body: c.freeze(s.Event)})
	}
	c.saved = append(c.saved, checkpoint.Entry{Kind: checkpoint.StateEntry, Name: s.Name, Body: s.State})
}

// freeze returns what all purposes keep of the texts of ev's call.
func (c *collector) freeze(ev *track.Event) (body []byte) {
	r := c.d.records.Record(ev)
	for _, p := range c.d.purposes {
		c.frozen = p.Freeze(c.frozen[:0], &r)
		if len(c.frozen) > 0 {
			body = checkpoint.AppendFrozen(body, p.Name, c.frozen)
		}
	}
	return body
}

// save hands over to the journal what was kept, once everything is durable that was told before: a call is not gone
// from the journal before its record is safe. What is live does not wait for room: then it is handed over later.
func (c *collector) save() {
	if len(c.saved) == 0 {
		return
	}
	c.flush()
	batch := c.saved
	p := parcel{done: func() error { c.d.journal.Put(batch); return nil }}
	if c.waits {
		c.out <- p
		c.saved = nil
		return
	}
	if len(c.pending) == 0 {
		select {
		case c.out <- p:
			c.saved = nil
			return
		default:
		}
	}
	c.bound()
}

// bound keeps what waits for the journal from growing: old words on a call go when there are newer ones, and the
// oldest of all when there are more than calls can have at once.
func (c *collector) bound() {
	most := 3 * c.d.limits.Calls
	if len(c.saved) < 2*c.newest && len(c.saved) < most {
		return
	}
	c.saved = checkpoint.NewestOf(c.saved)
	if n := len(c.saved) - most; n >= 0 {
		c.saved = slices.Delete(c.saved, 0, n+most/8) // in one go, not one by one
		c.d.journal.Drop()
	}
	c.newest = max(len(c.saved), 1024)
}
