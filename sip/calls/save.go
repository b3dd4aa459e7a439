// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
)

// A Saved is what a Tracker hands out of one open call, or of one answered fork of it, so that another Tracker can
// follow the call after a restart: numbers and keyed hashes, no text and no address. One without a Name is of the
// Tracker's clock and of the losses that it was told of, and is the same for every Tracker of a domain.
type Saved struct {
	Name  event.Key    // what the call is found by among the saved ones
	Gone  bool         // it is over: nothing of it is to be kept
	State []byte       // versioned; nil when gone
	Event *event.Event // the call as it stands, at Interim; nil if its Facts are those of when it was saved last
}

// Format writes a mask for every verb and flag: an Event holds text about people.
func (s Saved) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for s.
func (s Saved) LogValue() slog.Value { return slog.StringValue("***") }

// Shard returns what the call's Messages are sharded by, of a State that Changed gave; zero of what is for all.
func (s Saved) Shard() (k event.Key) {
	if s.Name != (event.Key{}) && len(s.State) > len(k) {
		copy(k[:], s.State[1:])
	}
	return k
}

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

// unsave takes back what was handed out of dialog n.
func (t *Table) unsave(n uint32, d *dialog.Dialog) {
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
	case uint32(r.Row) > ringRow:
		return fmt.Errorf("%w: of a call", dialog.ErrState)
	}
	if t.saving.seamless && r.Head {
		t.giveWay(r.Index)
	}
	if !t.makeRoom() {
		t.keepOut(CallsBound)
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
	d.Text = t.texts.Put(mem.Text{}, f.Bytes())
	t.chain(n, d, &r)
	if !d.Published {
		t.count(d)
	}
	t.move(n, uint32(r.Row))
	t.lapses.Set(n, r.Due)
	if r.Interim != 0 {
		t.interims.Set(n, r.Interim)
	}
	*t.saving.mark(n) |= savedMark
	return nil
}

// chain puts n among the forks of its INVITE.
func (t *Table) chain(n uint32, d *dialog.Dialog, r *dialog.State) {
	head := t.index[d.Index]
	if head != 0 {
		d.Root, d.Next = head, t.dialogs.At(head).Next
		t.dialogs.At(head).Next = n
		return
	}
	d.Root, t.index[d.Index], t.index[d.Call.AnyTag()] = n, n, n
	t.restoreHead(d, r)
}

// Head reports whether s, whose State Changed gave, is the first of its INVITE's forks.
func (s Saved) Head() bool { return len(s.State) > dialog.HeadAt && s.State[dialog.HeadAt] == 1 }

// unveil makes the ends of root's hops that are m's known again, if root was restored.
func (t *Table) unveil(root *dialog.Dialog, m *sip.Message) {
	if !root.Restored {
		return
	}
	t.hops.Unveil(&root.Path, t.saving.keyer, m)
}
