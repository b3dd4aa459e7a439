package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// retime gives what was taken from the copy of m that was read first, and that is of the time until, m's own time,
// which is earlier.
func (t *callTable) retime(m *sip.Message, k event.Keys, until int64) {
	root, _ := t.find(k)
	if root == 0 {
		return
	}
	from, to := until-t.Drift, t.Steady(m.Time)
	for n := root; n != 0; n = t.dialogs.At(n).next {
		d := t.dialogs.At(n)
		if d.retime(from, to) && d.told {
			t.amend(d)
		}
		t.markDirty(n)
	}
	t.hops.retime(&t.dialogs.At(root).path, from, to)
}
