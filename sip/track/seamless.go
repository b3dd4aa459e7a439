package track

import "time"

// Seamless makes Restore take calls of which nothing was missed between Save and Restore: their records bear no
// RestartGap and no revision is skipped, so that what was reported after the save is reported again alike. What t knows
// of such a call by its last messages alone gives way. It is called after Save.
func (t *Tracker) Seamless() { t.saving.seamless = true }

// First returns when the call of a State that Changed gave was seen first; the zero Time if it cannot be read.
func (s Saved) First() time.Time {
	r, err := readDialog(s.State)
	if s.Name == (Key{}) || err != nil {
		return time.Time{}
	}
	return when(r.first)
}

// giveWay forgets what is known of the call with that index.
func (t *Tracker) giveWay(index Key) {
	for n := t.index[index]; n != 0; n = t.index[index] {
		if d := t.dialogs.At(n); d.counted && !d.told {
			t.counts.Opened--
			t.counts.Live--
		}
		t.forget(n)
	}
}
