// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// Retime gives what was taken from the copy of m that was read first, and that is of the time until, m's own time,
// which is earlier.
func (t *Table) Retime(m *sip.Message, k event.Keys, until int64) {
	root, _ := t.find(k)
	if root == 0 {
		return
	}
	from, to := until-t.Drift, t.Steady(m.Time)
	for n := root; n != 0; n = t.dialogs.At(n).Next {
		d := t.dialogs.At(n)
		if d.Retime(from, to) && d.Published {
			t.amend(d)
		}
		t.markDirty(n)
	}
	t.hops.Retime(&t.dialogs.At(root).Path, from, to)
}
