// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

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

// ErrRoom says that a saved call was not taken, for there is no room.
var ErrRoom = errors.New("track: no room for a saved call")

// saving is what a Tracker remembers of what it has handed out.
type saving struct {
	keyer event.Keyer
	marks []uint8  // by the number of a dialog
	dirty []uint32 // dialogs that have changed, each once
	gone  []event.Key
	clock []byte // the state of the clock as it was handed out last

	seamless bool // nothing is missed between the save and the restore
}

// Marks of a dialog.
const (
	dirtyMark uint8 = 1 << iota
	savedMark       // it was handed out, and not taken back
)

// Save makes t remember which calls change, for changes. Addresses are hidden by keys of k.
func (t *Table) Save(k event.Keyer) { t.saving = &saving{keyer: k, clock: t.clockState(nil)} }

// markDirty takes note that dialog n changes.
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

// withdraw takes back what was handed out of dialog n.
func (t *Table) withdraw(n uint32, d *dialog.Dialog) {
	if s := t.saving; s != nil && int(n) < len(s.marks) && s.marks[n]&savedMark != 0 {
		s.marks[n] &^= savedMark
		s.gone = append(s.gone, d.Name())
	}
}

// Changes appends to dst what has changed since its last call: first what is over, then what goes on.
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

// saved returns dialog n as it stands.
func (t *Table) saved(n uint32, d *dialog.Dialog) Saved {
	s := Saved{Name: d.Name(), State: t.dialogState(n, d)}
	if d.Regathered && t.callersHop(d).Hop.Veil == 0 {
		s.Event = &event.Event{Time: d.Wall(d.FirstSeen), Key: d.Call, Kind: event.CallKind, Stage: event.Interim,
			Ordinal:  d.EventOrdinal(),
			Revision: int(d.Revision), Call: t.call(d, event.Interim, t.Now)}
	}
	d.Regathered = false
	return s
}

// Restore makes t follow the call that s is of, whose Facts are f from then on.
func (t *Table) Restore(s Saved, f facts.Facts) error {
	if s.Name == (event.Key{}) {
		return t.restoreClock(s.State)
	}
	r, err := dialog.ReadState(s.State)
	switch {
	case err != nil:
		return err
	case uint32(r.Row) > ringingClass:
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
	t.move(n, uint32(r.Row))
	t.timers.Set(n, r.Due)
	if r.Interim != 0 {
		t.interims.Set(n, r.Interim)
	}
	*t.saving.mark(n) |= savedMark
	return nil
}

// linkFork puts n among the forks of its INVITE.
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

// unveil makes the ends of root's hops that are m's known again, if root was restored.
func (t *Table) unveil(root *dialog.Dialog, m *sip.Message) {
	if !root.Restored {
		return
	}
	t.hops.Unveil(&root.Path, t.saving.keyer, m)
}

// Seamless makes restore take calls of which nothing was missed since they were saved. It is called after save.
func (t *Table) Seamless() { t.saving.seamless = true }

// dropKnown forgets what is known of the call with that index.
func (t *Table) dropKnown(index event.Key) {
	for n := t.index[index]; n != 0; n = t.index[index] {
		if d := t.dialogs.At(n); d.Counted && !d.Published {
			t.counts.Opened--
			t.counts.Live--
		}
		t.forget(n)
	}
}

// dialogState returns dialog n as Restore reads it. A fork has what it would inherit as the head.
func (t *Table) dialogState(n uint32, d *dialog.Dialog) []byte {
	r := dialog.State{Dialog: *d, Row: uint8(t.classes.Of(n)), Due: t.timers.When(n), Interim: t.interims.When(n),
		Head: d.Root == n}
	root := t.dialogs.At(d.Root)
	r.Answers = root.Answers
	if root.Guesses != 0 {
		r.Asked = *t.guesses.At(root.Guesses)
	}
	r.Hops = t.hops.Saved(&root.Path, t.saving.keyer)
	c := mem.Coder{Bytes: make([]byte, 0, 480)}
	r.Code(&c)
	return c.Bytes
}

// restoreHead gives d, which is the head of its forks, what they share.
func (t *Table) restoreHead(d *dialog.Dialog, r *dialog.State) {
	t.hops.Restore(&d.Path, &r.Hops)
	if r.Asked != (dialog.Guesses{}) {
		d.Guesses = t.guesses.New()
		*t.guesses.At(d.Guesses) = r.Asked
	}
}

// clockState appends the clock and the losses of t as Restore reads them.
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

// codeClock writes what of a clock and of losses a restart must keep, or reads it.
func codeClock(b *mem.Coder, c *event.Clock, l *event.Windows) {
	b.Version(dialog.StateVersion)
	c.Code(b)
	l.Code(b)
}
