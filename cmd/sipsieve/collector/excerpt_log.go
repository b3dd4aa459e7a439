package collector

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/sip/event"
	"sipsieve/store"
	"sipsieve/store/policy"
)

const (
	// mostSaved is the size in bytes above which an excerpt is not written to the log: a block has no room for it, nor has
	// a stream.
	mostSaved = 512 << 10

	// mostUnwritten is how many entries wait for a disk that is behind until those of excerpts that are gone are left out.
	mostUnwritten = 16_000
)

// An excerptLog is what waits for the end of its window, on its way to a checkpoint log. Its excerpts have numbers, and
// those below saved are on the disk. Without a log none ever is.
type excerptLog struct {
	log     *checkpoint.Log // nil for none
	prefix  [8]byte         // of the names of entries, random
	next    uint64          // number of the next excerpt, from 1
	saved   uint64
	entries []checkpoint.Entry // that are handed over next
	batches uint64             // that were handed over
	offers  []offer            // of these, those that are not on the disk
}

// An offer is a batch with everything below a number.
type offer struct{ batch, below uint64 }

func newExcerptLog(log *checkpoint.Log) excerptLog {
	x := excerptLog{log: log, next: 1, saved: 1}
	_, _ = rand.Read(x.prefix[:])
	return x
}

// add gives g its number and its name, and has it written; ends is when its window does.
func (x *excerptLog) add(g *gathered, ends time.Time) {
	g.number = x.next
	x.next++
	copy(g.name[:], x.prefix[:])
	binary.BigEndian.PutUint64(g.name[8:], g.number)
	if x.log == nil || len(g.Body()) > mostSaved {
		g.number = unsaved
		return
	}
	body := binary.BigEndian.AppendUint64(nil, uint64(ends.Unix()))
	x.entries = append(x.entries, checkpoint.Entry{Kind: checkpoint.ExcerptEntry, Name: g.name, Body: append(body, g.Body()...)})
}

// readSaved returns an excerpt that add had written, and the end of its window. Errors quote nothing of it.
func readSaved(s *checkpoint.SavedExcerpt) (g gathered, ends time.Time, err error) {
	if len(s.Body) < 8 {
		return g, ends, fmt.Errorf("collector: %w", policy.ErrForeign)
	}
	x, err := store.Kept(s.Body[8:], policy.Sequence{})
	ends = time.Unix(int64(binary.BigEndian.Uint64(s.Body)), 0)
	return gathered{Excerpt: x, name: s.Name, place: noPlace}, ends, err
}

// remove has it written that an excerpt waits no more.
func (x *excerptLog) remove(name event.Key) {
	if x.log != nil {
		x.entries = append(x.entries, checkpoint.Entry{Kind: checkpoint.GoneEntry, Name: name})
	}
}

// has reports whether g is on the disk.
func (x *excerptLog) has(g *gathered) bool { return g.number < x.saved }

// write hands the entries to the log, unless its disk is behind: then they are written later.
func (x *excerptLog) write() {
	if x.log == nil {
		return
	}
	if len(x.entries) > 0 {
		if x.log.Offer(x.entries) {
			x.handed()
		} else if len(x.entries) > mostUnwritten {
			x.entries = withoutGone(x.entries)
		}
	}
	x.update()
}

// flush writes everything, and waits for the disk. The error is why something is not there.
func (x *excerptLog) flush() error {
	if x.log == nil {
		return nil
	}
	x.log.Put(x.entries)
	x.handed()
	err := x.log.Flush()
	x.batches++
	x.update()
	return err
}

// handed notes that the log has taken the entries.
func (x *excerptLog) handed() {
	x.batches++
	x.offers = append(x.offers, offer{x.batches, x.next})
	x.entries = nil
}

// update notes what the log has written.
func (x *excerptLog) update() {
	written := x.log.Written()
	for len(x.offers) > 0 && x.offers[0].batch <= written {
		x.saved = x.offers[0].below
		x.offers = x.offers[1:]
	}
}

// withoutGone returns entries without those of excerpts that came and went in them.
func withoutGone(entries []checkpoint.Entry) (left []checkpoint.Entry) {
	came, went := map[event.Key]bool{}, map[event.Key]bool{}
	for _, e := range entries {
		if e.Kind == checkpoint.GoneEntry {
			went[e.Name] = true
		} else {
			came[e.Name] = true
		}
	}
	for _, e := range entries {
		if !came[e.Name] || !went[e.Name] {
			left = append(left, e)
		}
	}
	return left
}
