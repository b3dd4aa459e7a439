package track

import "time"

// uses remember which Call-IDs and tags calls had lately, so that a call that has them again within the day is told
// from the one before. A newer one takes the place of an older one now and then.
type uses struct{ slots []use }

type use struct {
	mark   uint64
	day    int32
	number uint16
}

const useSlots = 1 << 16

func dayOf(ns int64) int32 { return int32(ns / int64(24*time.Hour)) }

// note remembers that d's Call-ID and tag were used.
func (u *uses) note(d *dialog) {
	if u.slots == nil {
		u.slots = make([]use, useSlots)
	}
	mark := d.index.short()
	u.slots[mark%useSlots] = use{mark, dayOf(d.first + d.drift), d.reuse}
}

// next returns how often before on the day of d its Call-ID and tag were used.
func (u *uses) next(d *dialog) uint16 {
	if u.slots == nil {
		return 0
	}
	mark := d.index.short()
	last := u.slots[mark%useSlots]
	if last.mark != mark || last.day != dayOf(d.first+d.drift) {
		return 0
	}
	return last.number + 1
}
