// This file has methods of Table because the reuse of a Call-ID is a subject of its own.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
)

// callIDReuse counts how often a Call-ID and caller's tag were used for a new call on one day of UTC, so that each such
// call has an ordinal of its own. It is a hash table of fixed size: a new entry replaces another in the same slot.
type callIDReuse struct{ slots []use }

// A use is the last call with a Call-ID and tag.
type use struct {
	mark   uint64 // of the Call-ID and tag
	day    int32  // since 1970
	number uint16 // Dialog.Reuse
}

const useSlots = 1 << 16

// keep records the use of d's Call-ID and tag.
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

// next returns how often the Call-ID and tag of d were used before on the day of d.
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

// reuseCallID opens a new call with the INVITE m, whose Call-ID and tag are those of the ended call n. Dialog n and its
// forks are forgotten unless a fork has not ended.
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
