package collector

import (
	"slices"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/sip/event"
)

// saves are the entries of live calls on their way to their log. The end of a call, and what follows it of the same
// call, waits until everything that was released before it is settled in every lane; all else is written at once.
type saves struct {
	log     *checkpoint.Log
	entries []checkpoint.Entry // that are written next
	newest  int                // how many there were when those that a newer one replaces went last
	most    int                // of them

	ends    []endings // that wait for the lanes, in order
	coming  []checkpoint.Entry
	waiting map[event.Key]int // entries of ends and coming, by call
	calls   int               // of waiting at most
}

// endings are entries of one moment that wait until m has passed.
type endings struct {
	m       mark
	entries []checkpoint.Entry
}

// newSaves returns the saves of so many open calls, of which the ends of so many wait at most.
func newSaves(log *checkpoint.Log, openCalls, ends int) saves {
	return saves{log: log, most: 3 * openCalls, calls: ends, waiting: map[event.Key]int{}}
}

// add takes entries of one call. When as many calls wait as excerpts may, the end of another is written at once: its
// excerpt was shed by the lane that stands still, or is lost if the process is killed.
func (s *saves) add(entries []checkpoint.Entry) {
	for _, e := range entries {
		n := s.waiting[e.Name]
		if n == 0 && (e.Kind != checkpoint.GoneEntry || len(s.waiting) >= s.calls) {
			s.entries = append(s.entries, e)
			continue
		}
		s.waiting[e.Name] = n + 1
		s.coming = append(s.coming, e)
	}
}

// release moves the entries that no lane holds back any more to those that are written next.
func (s *saves) release(ls *lanes) {
	if len(s.coming) > 0 {
		s.ends = append(s.ends, endings{ls.liveMark(), s.coming})
		s.coming = nil
	}
	for len(s.ends) > 0 && ls.livePassed(s.ends[0].m) {
		for _, e := range s.ends[0].entries {
			if s.waiting[e.Name]--; s.waiting[e.Name] == 0 {
				delete(s.waiting, e.Name)
			}
		}
		s.entries = append(s.entries, s.ends[0].entries...)
		s.ends[0] = endings{}
		s.ends = s.ends[1:]
	}
}

// write hands the entries to the log, unless its disk is behind: then they are written later.
func (s *saves) write() {
	if len(s.entries) == 0 {
		return
	}
	if s.log.Offer(s.entries) {
		s.entries = nil
		return
	}
	s.bound()
}

// finish hands what may be written to the log, and waits until it has taken it.
func (s *saves) finish() {
	if len(s.entries) > 0 {
		s.log.Put(s.entries)
	}
}

// bound keeps the entries from growing: those that a newer one of their call replaces go, and the oldest of all when
// there are more than open calls can have at once.
func (s *saves) bound() {
	if len(s.entries) < 2*s.newest && len(s.entries) < s.most {
		return
	}
	s.entries = checkpoint.NewestOf(s.entries)
	if n := len(s.entries) - s.most; n >= 0 {
		s.entries = slices.Delete(s.entries, 0, n+s.most/8) // in one go, not one by one
		s.log.Drop()
	}
	s.newest = max(len(s.entries), 1024)
}
