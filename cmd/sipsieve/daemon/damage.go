package daemon

import (
	"cmp"
	"fmt"
	"log/slog"

	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store/bus"
	"sipsieve/store/cpni"
)

// damages are what was damaged in the spool when it was opened.
type damages []bus.Damage

// damagesOf returns the damages of the spool, nil if the host has none.
func damagesOf(spool *bus.Bus) damages {
	if spool == nil {
		return nil
	}
	return spool.Damages()
}

// write logs all damages.
func (d damages) write(log *slog.Logger) {
	for _, one := range d {
		log.Error("the spool was damaged: what is intact was put again, the rest is announced as a loss",
			"purpose", one.Purpose, "lost", one.Lost, "saved", one.Kept, "places", one.Places,
			"files", one.Other)
	}
}

// losses returns what each purpose lost.
func (d damages) losses() map[string]cpni.Loss {
	losses := map[string]cpni.Loss{}
	for _, one := range d {
		if one.Lost == 0 || one.Purpose == "" {
			continue
		}
		l, again := losses[one.Purpose]
		if !again {
			l = cpni.Loss{From: one.From, To: one.To, Reason: "damaged"}
		}
		if one.From.Before(l.From) {
			l.From = one.From
		}
		if one.To.After(l.To) {
			l.To = one.To
		}
		l.Count += one.Lost
		losses[one.Purpose] = l
	}
	return losses
}

// addTo adds how many there were, and what was lost, to l.
func (d damages) addTo(l *ledger.Bus) {
	for _, one := range d {
		l.Damages++
		l.Lost += one.Lost
	}
}

// troubles adds what was damaged, by purpose.
func (d damages) troubles(to map[string]string) {
	for _, one := range d {
		to["bus.damaged."+cmp.Or(one.Purpose, "ops")] = fmt.Sprintf("files were damaged at the start: %d records lost, %d put again",
			one.Lost, one.Kept)
	}
}
