// This file has methods of Daemon because what proves that it ran stands apart from what runs it.

package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"sipsieve/cmd/sipsieve/collector"
	"sipsieve/cmd/sipsieve/coverage"
	"sipsieve/store"
)

// coverageFile is the file of the signs of life in the state folder.
const coverageFile = "coverage.json"

// openCoverage opens what puts records about this sensor on the stream OPS.
func (d *Daemon) openCoverage() (err error) {
	d.coverage, err = coverage.Open(coverage.Config{Path: filepath.Join(d.State, coverageFile), Site: d.Site, Sensor: d.Sensor,
		Policy: d.Policy, Approved: d.ApprovedBy(), Sink: d.spool.Publisher(), Ledger: d.Ledger,
		Down: func() bool { return len(d.deadSources()) > 0 }, Log: d.Log})
	return err
}

// earlierLosses returns what was lost before the start, for the collector to announce. On OPS each is a loss window; what
// OPS itself lost, or a purpose that the policy has no more, is announced there only.
func (d *Daemon) earlierLosses() (all []collector.Announcement) {
	for _, one := range damagesOf(d.spool).announcements(d.spool, d.Log) {
		d.coverage.Lose(one.Purpose, one.Loss)
		if !slices.Contains(d.PurposeNames(), one.Purpose) {
			d.announced = append(d.announced, one.Done)
			continue
		}
		all = append(all, one)
	}
	return all
}

// prove calls collect between the records of a start and of a stop, if the host has sources.
func (d *Daemon) prove(drain context.Context, collect func() error) error {
	if d.coverage == nil {
		return collect()
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(drain))
	ended := make(chan struct{})
	go func() { defer close(ended); d.coverage.Run(ctx, d.enterAnnounced) }()
	err := collect()
	stop()
	<-ended
	return errors.Join(err, d.coverage.Stop(drain))
}

// enterAnnounced keeps that what OPS itself lost is announced. Else it is announced again, under the same id.
func (d *Daemon) enterAnnounced() {
	for _, done := range d.announced {
		if err := done(); err != nil {
			d.Log.Error("a damage of the spool is logged again at the next start", "purpose", store.Ops, "err", err)
		}
	}
}
