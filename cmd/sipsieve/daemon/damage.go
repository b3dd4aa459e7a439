package daemon

import (
	"fmt"
	"log/slog"
	"time"

	"sipsieve/cmd/sipsieve/collector"
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

// spoolReopened logs that the spool was opened anew, and what of it was damaged then.
func (d *Daemon) spoolReopened(why error, found []bus.Damage) {
	d.Log.Info("the disk can be written again: the spool was opened anew", "err", fmt.Errorf("state folder %s: %w", d.State, why))
	damages(found).write(d.Log)
}

// announcements returns what each purpose lost, for the collector to announce. Damages without a record are entered as
// announced: they were logged.
func (d damages) announcements(spool *bus.Bus, log *slog.Logger) (all []collector.Announcement) {
	for _, one := range d {
		done := func() error { return spool.Announced(one) }
		if one.Lost > 0 && one.Purpose != "" {
			all = append(all, collector.Announcement{Purpose: one.Purpose, Done: done, Loss: cpni.Loss{From: one.From, To: one.To,
				Count: one.Lost, Reason: "damaged", Event: "spool " + one.Found.UTC().Format(time.RFC3339Nano)}})
		} else if err := done(); err != nil {
			log.Error("a damage of the spool is logged again at the next start", "purpose", one.Purpose, "err", err)
		}
	}
	return all
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
		to["bus.damaged."+one.Purpose] = fmt.Sprintf("files were damaged at the start: %d records lost, %d put again",
			one.Lost, one.Kept)
	}
}
