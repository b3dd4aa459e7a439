// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"fmt"

	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// dialogState returns dialog n as Restore reads it. A fork has what it would inherit as the head.
func (t *Table) dialogState(n uint32, d *dialog.Dialog) []byte {
	r := dialog.State{Dialog: *d, Row: uint8(t.rows.Of(n)), Due: t.lapses.When(n), Interim: t.interims.When(n), Head: d.Root == n}
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
	var lost losses
	c := mem.Coder{Bytes: state, Reading: true}
	codeClock(&c, &saved, &lost)
	if c.Wrong || len(c.Bytes) != 0 {
		return fmt.Errorf("%w: of a clock", dialog.ErrState)
	}
	t.Drift, t.Steps = saved.Drift, saved.Steps
	for _, w := range lost {
		t.losses = t.losses.with(w)
	}
	return nil
}

// codeClock writes what of a clock and of losses a restart must keep, or reads it.
func codeClock(b *mem.Coder, c *event.Clock, l *losses) {
	b.Version(dialog.StateVersion)
	c.Code(b)
	l.code(b)
}
