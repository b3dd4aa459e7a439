package track

import "sipsieve/sip"

// retime gives what was taken from the copy of m that was read first, and that is of the time until, m's own time,
// which is earlier.
func (t *Tracker) retime(m *sip.Message, k Keys, until int64) {
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
	for n := t.dialogs.At(root).hops; n != 0; n = t.hops.At(n).next {
		h := t.hops.At(n)
		replace(from, to, &h.invited, &h.final.at)
		t.earlyByes(h.tagless).retime(from, to)
		for i := range min(int(h.forks), maxForks) {
			f := t.fork(h, i)
			replace(from, to, &f.progress, &f.ring, &f.answered)
			t.earlyByes(f.ends).retime(from, to)
		}
	}
}

func (e *endings) retime(from, to int64) {
	if e != nil {
		replace(from, to, &e[0].at, &e[1].at)
	}
}

func (d *dialog) retime(from, to int64) (changed bool) {
	return replace(from, to, &d.first, &d.setup, &d.progress, &d.ring, &d.answer, &d.acked, &d.cancelled, &d.refusedAt,
		&d.refreshed, &d.lost, &d.gone, &d.updated, &d.transferred, &d.holdSince, &d.ended.at, &d.unended.at,
		&d.early.at,
		&d.pending[0].at, &d.pending[1].at, &d.byes[0].at, &d.byes[1].at)
}

// replace changes each of times that equals the old value to the new one, and reports whether there was any.
func replace(from, to int64, times ...*int64) (changed bool) {
	for _, t := range times {
		if *t == from {
			*t, changed = to, true
		}
	}
	return changed
}
