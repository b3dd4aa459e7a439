package track

import "sipsieve/sip"

// retime gives what was taken from the copy of m that was read first, and that is of the time until, m's own time,
// which is earlier.
func (t *callTable) retime(m *sip.Message, k Keys, until int64) {
	root, _ := t.find(k)
	if root == 0 {
		return
	}
	from, to := until-t.drift, t.steady(m.Time)
	for n := root; n != 0; n = t.dialogs.At(n).next {
		d := t.dialogs.At(n)
		if d.retime(from, to) && d.told {
			t.amend(d)
		}
		t.markDirty(n)
	}
	t.hops.retime(&t.dialogs.At(root).path, from, to)
}

func (d *dialog) retime(from, to int64) (changed bool) {
	return replace(from, to, &d.first, &d.setup, &d.progress, &d.ring, &d.answer, &d.acked, &d.cancelled, &d.refusedAt,
		&d.refreshed, &d.lost, &d.gone, &d.updated, &d.transferred, &d.holdSince, &d.ended.at, &d.unended.at,
		&d.early.at,
		&d.pending[0].at, &d.pending[1].at, &d.byes[0].at, &d.byes[1].at)
}
