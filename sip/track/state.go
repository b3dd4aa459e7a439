package track

import (
	"fmt"

	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// dialogState returns dialog n as Restore reads it. A fork has what it would inherit as the head.
func (t *callTable) dialogState(n uint32, d *dialog) []byte {
	r := restored{dialog: *d, row: uint8(t.rows.Of(n)), due: t.lapses.When(n), interim: t.interims.When(n), head: d.root == n}
	root := t.dialogs.At(d.root)
	r.answers = root.answers
	if root.guesses != 0 {
		r.asked = *t.guesses.At(root.guesses)
	}
	r.hops = t.hops.saved(&root.path, t.saving.keyer)
	c := mem.Coder{Bytes: make([]byte, 0, 480)}
	r.code(&c)
	return c.Bytes
}

// restoreHead gives d, which is the head of its forks, what they share.
func (t *callTable) restoreHead(d *dialog, r *restored) {
	t.hops.restore(&d.path, &r.hops)
	if r.asked != (guesses{}) {
		d.guesses = t.guesses.New()
		*t.guesses.At(d.guesses) = r.asked
	}
}

// clockState appends the clock and the losses of t as Restore reads them.
func (t *callTable) clockState(b []byte) []byte {
	c := mem.Coder{Bytes: b}
	codeClock(&c, &t.Clock, &t.losses)
	return c.Bytes
}

func (t *callTable) restoreClock(state []byte) error {
	var saved event.Clock
	var lost losses
	c := mem.Coder{Bytes: state, Reading: true}
	codeClock(&c, &saved, &lost)
	if c.Wrong || len(c.Bytes) != 0 {
		return fmt.Errorf("%w: of a clock", ErrState)
	}
	t.Drift, t.Steps = saved.Drift, saved.Steps
	for _, w := range lost {
		t.losses = t.losses.with(w)
	}
	return nil
}

// codeClock writes what of a clock and of losses a restart must keep, or reads it.
func codeClock(b *mem.Coder, c *event.Clock, l *losses) {
	b.Version(stateVersion)
	c.Code(b)
	l.code(b)
}
