package track

import (
	"time"

	"sipsieve/sip/event"
)

// seamless makes restore take calls of which nothing was missed since they were saved. It is called after save.
func (t *callTable) seamless() { t.saving.seamless = true }

// First returns when the call of a State that Changed gave was seen first; the zero Time if it cannot be read.
func (s Saved) First() time.Time {
	r, err := readDialog(s.State)
	if s.Name == (event.Key{}) || err != nil {
		return time.Time{}
	}
	return event.When(r.first)
}

// giveWay forgets what is known of the call with that index.
func (t *callTable) giveWay(index event.Key) {
	for n := t.index[index]; n != 0; n = t.index[index] {
		if d := t.dialogs.At(n); d.counted && !d.told {
			t.counts.Opened--
			t.counts.Live--
		}
		t.forget(n)
	}
}
