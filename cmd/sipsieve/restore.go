package main

import (
	"bytes"
	"cmp"
	enc "encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// journalName is the journal's file in the state folder.
const journalName = "calls.journal"

// openJournal reads the open calls that the last run left, if there are live sources to follow them on with.
func (d *daemon) openJournal() (err error) {
	live := slices.ContainsFunc(d.Source, func(s sourceConfig) bool { return s.Type == "interface" || s.Type == "hep" })
	path := filepath.Join(d.State, journalName)
	switch {
	case live && d.Calls.Journal:
		d.journal, d.kept, err = openJournal(path, d.policy.Hash(), d.keys.Sealer("journal"), d.log)
		return err
	case !d.Calls.Journal: // what nobody reads any more is not kept
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// restore gives the calls of the journal to the shards of their keys.
func (d *daemon) restore(dom *domain) {
	if d.journal == nil {
		return
	}
	for _, s := range dom.shards {
		if d.journal.clock != nil && s.track.Restore(track.Saved{State: d.journal.clock}, track.Facts{}) != nil {
			d.journal.refused.Add(1)
		}
	}
	for _, c := range d.kept.inOrder() {
		shard := dom.shards[int(c.saved.Shard()[0])%len(dom.shards)]
		if err := shard.track.Restore(c.saved, c.facts); err != nil {
			d.journal.refused.Add(1)
			d.journal.forget(c.saved.Name)
			continue
		}
		d.journal.restored.Add(1)
	}
	d.kept = nil
	if d.journal.restored.Load() > 0 {
		for _, s := range dom.shards {
			s.resume()
		}
	}
	d.log.Info("journal read", "restored", d.journal.restored.Load(), "refused", d.journal.refused.Load(),
		"broken", d.journal.broken.Load())
}

// A restorable is a call as a Tracker takes it up again.
type restorable struct {
	saved track.Saved
	facts track.Facts
}

// inOrder returns the calls, the first of the forks of each INVITE before the others.
func (k keptCalls) inOrder() (list []restorable) {
	for name, c := range k {
		one := restorable{saved: track.Saved{Name: name, State: c.state}}
		eachFrozen(c.frozen, func(purpose string, frozen []byte) { cpni.AppendFrozen(&one.facts, purpose, frozen) })
		list = append(list, one)
	}
	rank := func(r restorable) int {
		if r.saved.Head() {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b restorable) int {
		return cmp.Or(rank(a)-rank(b), bytes.Compare(a.saved.Name[:], b.saved.Name[:]))
	})
	return list
}

// appendFrozen adds what was frozen for a purpose to the body of an entry, and eachFrozen reads it.
func appendFrozen(b []byte, purpose string, frozen []byte) []byte {
	b = append(append(b, byte(len(purpose))), purpose...)
	return append(enc.BigEndian.AppendUint16(b, uint16(len(frozen))), frozen...)
}

func eachFrozen(b []byte, take func(purpose string, frozen []byte)) {
	for len(b) > 0 {
		name := 1 + int(b[0])
		if len(b) < name+2 {
			return
		}
		end := name + 2 + int(enc.BigEndian.Uint16(b[name:]))
		if len(b) < end {
			return
		}
		take(string(b[1:name]), b[name+2:end])
		b = b[end:]
	}
}

// keep takes note of what a shard says of an open call. What purposes keep of its texts is made here and now, so that
// no text goes any further.
func (c *collector) keep(s *track.Saved) {
	switch {
	case s.Name == track.Key{}:
		c.saved = append(c.saved, entry{kind: clockEntry, body: s.State})
		return
	case s.Gone:
		c.saved = append(c.saved, entry{kind: goneEntry, name: s.Name})
		return
	}
	if s.Event != nil { // before the state, so that no state is ever without it
		c.saved = append(c.saved, entry{kind: frozenEntry, name: s.Name, body: c.freeze(s.Event)})
	}
	c.saved = append(c.saved, entry{kind: stateEntry, name: s.Name, body: s.State})
}

// freeze returns what all purposes keep of the texts of ev's call.
func (c *collector) freeze(ev *track.Event) (body []byte) {
	r := c.d.records.Record(ev)
	for _, p := range c.d.purposes {
		c.frozen = p.Freeze(c.frozen[:0], &r)
		if len(c.frozen) > 0 {
			body = appendFrozen(body, p.Name, c.frozen)
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
	p := parcel{done: func() error { c.d.journal.in <- batch; return nil }}
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
	c.saved = newestOf(c.saved)
	if n := len(c.saved) - most; n >= 0 {
		c.saved = slices.Delete(c.saved, 0, n+most/8) // in one go, not one by one
		c.d.journal.failed.Add(1)
	}
	c.newest = max(len(c.saved), 1024)
}

// newestOf returns the entries of list that no later one makes old.
func newestOf(list []entry) (newest []entry) {
	type word struct {
		kind entryKind
		name track.Key
	}
	said := map[word]bool{}
	for _, e := range slices.Backward(list) {
		if w := (word{e.kind, e.name}); !said[w] && !said[word{goneEntry, e.name}] {
			said[w] = true
			newest = append(newest, e)
		}
	}
	slices.Reverse(newest)
	return newest
}

// changed returns what is to be kept of s's open calls, once a second and at the end.
func (s *shard) changed(clock time.Time) []track.Saved {
	if !s.saves {
		return nil
	}
	if now := time.Now().Truncate(saveEvery); now.After(s.savedAt) || clock.Equal(endOfTime) {
		s.savedAt = now
		return s.track.Changed(nil)
	}
	return nil
}

// resume lets the clock of a live domain whose calls were restored run before its first packet.
func (s *shard) resume() {
	counts := s.track.Counts()
	s.counts.Store(&counts)
	s.looked = time.Now()
	s.wire = s.looked
}
