// This file has methods of Daemon because what is made of a damaged spool is one subject.

package daemon

import (
	"cmp"
	"fmt"

	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store/bus"
	"sipsieve/store/cpni"
)

// logDamages logs what was damaged in the spool when it was opened.
func (d *Daemon) logDamages() {
	for _, one := range d.spool.Damages() {
		d.Log.Error("the spool was damaged: what is intact was put again, the rest is announced as a loss",
			"purpose", one.Purpose, "lost", one.Lost, "saved", one.Kept, "places", one.Places,
			"files", one.Other)
	}
}

// damageLosses returns what each purpose lost with the damages of the spool.
func (d *Daemon) damageLosses() map[string]cpni.Loss {
	losses := map[string]cpni.Loss{}
	for _, one := range d.spool.Damages() {
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

// addDamages adds what was damaged in the spool.
func addDamages(damages []bus.Damage, l *ledger.Bus) {
	for _, one := range damages {
		l.Damages++
		l.Lost += one.Lost
	}
}

// damageTroubles adds what was damaged in the spool, by purpose.
func (d *Daemon) damageTroubles(to map[string]string) {
	if d.spool == nil {
		return
	}
	for _, one := range d.spool.Damages() {
		to["bus.damaged."+cmp.Or(one.Purpose, "ops")] = fmt.Sprintf("files were damaged at the start: %d records lost, %d put again",
			one.Lost, one.Kept)
	}
}
