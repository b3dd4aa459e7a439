// This file has methods of Saved and Table because a restart without a gap is a mode of its own.

package calls

import (
	"time"

	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
)

// Seamless makes restore take calls of which nothing was missed since they were saved. It is called after save.
func (t *Table) Seamless() { t.saving.seamless = true }

// First returns when the call of a State that Changed gave was seen first; the zero Time if it cannot be read.
func (s Saved) First() time.Time {
	r, err := dialog.ReadState(s.State)
	if s.Name == (event.Key{}) || err != nil {
		return time.Time{}
	}
	return event.When(r.FirstSeen)
}

// giveWay forgets what is known of the call with that index.
func (t *Table) giveWay(index event.Key) {
	for n := t.index[index]; n != 0; n = t.index[index] {
		if d := t.dialogs.At(n); d.Counted && !d.Published {
			t.counts.Opened--
			t.counts.Live--
		}
		t.forget(n)
	}
}
