// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
)

// callIDReuse remembers which Call-IDs and tags calls had lately, so that a call that has them again within the day
// has an ordinal of its own. A newer one takes the place of an older one now and then.
type callIDReuse struct{ slots []use }

type use struct {
	mark   uint64
	day    int32
	number uint16
}

const useSlots = 1 << 16

// keep remembers that d's Call-ID and tag were used.
func (u *callIDReuse) keep(d *dialog.Dialog) {
	if u.slots == nil {
		u.slots = make([]use, useSlots)
	}
	mark, day := d.ReuseMark(), event.DayOf(d.FirstSeen+d.Drift)
	if last := u.slots[mark%useSlots]; last.mark == mark && last.day == day && last.number > d.Reuse {
		return // a later call had them too
	}
	u.slots[mark%useSlots] = use{mark, day, d.Reuse}
}

// next returns how often before on the day of d its Call-ID and tag were used.
func (u *callIDReuse) next(d *dialog.Dialog) uint16 {
	if u.slots == nil {
		return 0
	}
	mark := d.ReuseMark()
	last := u.slots[mark%useSlots]
	if last.mark != mark || last.day != event.DayOf(d.FirstSeen+d.Drift) {
		return 0
	}
	return last.number + 1
}

// reuseCallID opens a call under a Call-ID and tag that a call had which is over. One of whose forks is up goes on.
func (t *Table) reuseCallID(n uint32, m *sip.Message, k event.Keys) bool {
	up := false
	for x := n; x != 0; x = t.dialogs.At(x).Next {
		up = up || t.dialogs.At(x).Phase != dialog.Terminated
	}
	for x := n; x != 0 && !up; {
		next := t.dialogs.At(x).Next
		t.forget(x)
		x = next
	}
	if up {
		t.reuse.keep(t.dialogs.At(n))
	}
	return t.openInvite(m, k)
}
