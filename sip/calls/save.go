// This file has methods of Table because checkpoints are a subject of their own, beside the calls that they hold.

package calls

import (
	"errors"
	"fmt"
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
)

// ErrRoom is returned for a saved call that a limit refused.
var ErrRoom = errors.New("track: no room for a saved call")

// saving is what a Table remembers of the checkpoints that Changes returned.
type saving struct {
	keyer event.Keyer
	marks []uint8  // by number of the dialog
	dirty []uint32 // dialogs that have changed, each once
	gone  []event.Key
	clock []byte // the last clock state that Changes returned

	seamless bool // no message is missed between Save and Restore
}

// Marks of a dialog.
const (
	dirtyMark uint8 = 1 << iota
	savedMark       // it has a checkpoint
)

// Save makes t record which calls change, for Changes. Addresses are replaced by keys of k.
func (t *Table) Save(k event.Keyer) { t.saving = &saving{keyer: k, clock: t.clockState(nil)} }

// markDirty marks dialog n as changed, for Changes.
func (t *Table) markDirty(n uint32) {
	if t.saving != nil {
		t.saving.markDirty(n)
	}
}

func (s *saving) markDirty(n uint32) {
	if m := s.mark(n); *m&dirtyMark == 0 {
		*m |= dirtyMark
		s.dirty = append(s.dirty, n)
	}
}

// mark returns the marks of dialog n.
func (s *saving) mark(n uint32) *uint8 {
	for int(n) >= len(s.marks) {
		s.marks = append(s.marks, 0)
	}
	return &s.marks[n]
}

// withdraw deletes the checkpoint of dialog n, if it has one.
func (t *Table) withdraw(n uint32, d *dialog.Dialog) {
	if s := t.saving; s != nil && int(n) < len(s.marks) && s.marks[n]&savedMark != 0 {
		s.marks[n] &^= savedMark
		s.gone = append(s.gone, d.Name())
	}
}

// Changes appends to dst the checkpoints that have changed since its last call: those of ended calls before those of
// open ones.
func (t *Table) Changes(dst []Saved) []Saved {
	s := t.saving
	if s == nil {
		return dst
	}
	if clock := t.clockState(nil); !slices.Equal(clock, s.clock) {
		s.clock = clock
		dst = append(dst, Saved{State: clock})
	}
	for _, name := range s.gone {
		dst = append(dst, Saved{Name: name, Gone: true})
	}
	for _, n := range s.dirty {
		s.marks[n] &^= dirtyMark
		if d := t.dialogs.At(n); d.Saveable() {
			s.marks[n] |= savedMark
			dst = append(dst, t.saved(n, d))
		}
	}
	s.gone, s.dirty = s.gone[:0], s.dirty[:0]
	return dst
}

// saved returns the checkpoint of dialog n.
func (t *Table) saved(n uint32, d *dialog.Dialog) Saved {
	s := Saved{Name: d.Name(), State: t.dialogState(n, d)}
	if d.Regathered && t.callersHop(d).Hop.Hidden == 0 {
		s.Event = &event.Event{Time: d.Wall(d.FirstSeen), Key: d.Call, Kind: event.CallKind, Stage: event.Interim,
			Ordinal:  d.EventOrdinal(),
			Revision: int(d.Revision), Call: t.call(d, event.Interim, t.Now)}
	}
	d.Regathered = false
	return s
}

// Restore makes t follow the call of s with the Facts f. The error wraps dialog.ErrState or is ErrRoom.
func (t *Table) Restore(s Saved, f facts.Facts) error {
	if s.Name == (event.Key{}) {
		return t.restoreClock(s.State)
	}
	r, err := dialog.ReadState(s.State)
	switch {
	case err != nil:
		return err
	case uint32(r.Class) > ringingClass:
		return fmt.Errorf("%w: of a call", dialog.ErrState)
	}
	if t.saving.seamless && r.Head {
		t.dropKnown(r.Index)
	}
	if !t.makeRoom() {
		t.refuse(CallsBound)
		return ErrRoom
	}
	n := t.dialogs.New()
	d := t.dialogs.At(n)
	*d = r.Dialog
	d.Restored = true
	if !t.saving.seamless {
		d.Faults |= event.RestartGap
		d.ReserveRevisions(t.stages)
	}
	d.Text = t.texts.arena.Put(mem.Text{}, f.Bytes())
	t.linkFork(n, d, &r)
	if !d.Published {
		t.countCall(d)
	}
	t.move(n, uint32(r.Class))
	t.timers.Set(n, r.Due)
	if r.Interim != 0 {
		t.interims.Set(n, r.Interim)
	}
	*t.saving.mark(n) |= savedMark
	return nil
}

// linkFork adds n to the forks of its INVITE.
func (t *Table) linkFork(n uint32, d *dialog.Dialog, r *dialog.State) {
	head := t.index[d.Index]
	if head != 0 {
		d.Root, d.Next = head, t.dialogs.At(head).Next
		t.dialogs.At(head).Next = n
		return
	}
	d.Root, t.index[d.Index], t.index[d.Call.AnyTag()] = n, n, n
	t.restoreHead(d, r)
}

// unhide gives the hops of root, if that was restored, the addresses of m whose keys they hold.
func (t *Table) unhide(root *dialog.Dialog, m *sip.Message) {
	if !root.Restored {
		return
	}
	t.hops.Unhide(&root.Path, t.saving.keyer, m)
}

// Seamless declares that no message is missed between Save and Restore. It is called after Save.
func (t *Table) Seamless() { t.saving.seamless = true }

// dropKnown forgets the call with that index, which a restored one replaces.
func (t *Table) dropKnown(index event.Key) {
	for n := t.index[index]; n != 0; n = t.index[index] {
		if d := t.dialogs.At(n); d.Counted && !d.Published {
			t.counts.Opened--
			t.counts.Live--
		}
		t.forget(n)
	}
}

// dialogState returns dialog n as Restore reads it. The state of a fork includes what the forks share, which it needs
// if it becomes the first.
func (t *Table) dialogState(n uint32, d *dialog.Dialog) []byte {
	r := dialog.State{Dialog: *d, Class: uint8(t.classes.Of(n)), Due: t.timers.When(n), Interim: t.interims.When(n),
		Head: d.Root == n}
	root := t.dialogs.At(d.Root)
	r.Answers = root.Answers
	if root.Guesses != 0 {
		r.Requests = *t.guesses.At(root.Guesses)
	}
	r.Hops = t.hops.Saved(&root.Path, t.saving.keyer)
	c := mem.Coder{Bytes: make([]byte, 0, 480)}
	r.Code(&c)
	return c.Bytes
}

// restoreHead restores what forks share in d, the first of them.
func (t *Table) restoreHead(d *dialog.Dialog, r *dialog.State) {
	t.hops.Restore(&d.Path, &r.Hops)
	if r.Requests != (dialog.Guesses{}) {
		d.Guesses = t.guesses.New()
		*t.guesses.At(d.Guesses) = r.Requests
	}
}

// clockState appends the clock and the losses of t, as Restore reads them.
func (t *Table) clockState(b []byte) []byte {
	c := mem.Coder{Bytes: b}
	codeClock(&c, &t.Clock, &t.losses)
	return c.Bytes
}

func (t *Table) restoreClock(state []byte) error {
	var saved event.Clock
	var lost event.Windows
	c := mem.Coder{Bytes: state, Reading: true}
	codeClock(&c, &saved, &lost)
	if c.Wrong || len(c.Bytes) != 0 {
		return fmt.Errorf("%w: of a clock", dialog.ErrState)
	}
	t.Drift, t.Steps = saved.Drift, saved.Steps
	for _, w := range lost {
		t.losses.Add(w, 0)
	}
	return nil
}

// codeClock writes a clock and losses, or reads them.
func codeClock(b *mem.Coder, c *event.Clock, l *event.Windows) {
	b.Version(dialog.StateVersion)
	c.Code(b)
	l.Code(b)
}
