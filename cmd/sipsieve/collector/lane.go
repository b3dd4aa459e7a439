package collector

import (
	"slices"

	"sipsieve/store/policy"
)

// A lane is what waits for the stream of one purpose. Its publisher has one batch of it at a time; what is live goes
// before what is of files. But for the publisher it is of the Collector's goroutine.
type lane struct {
	purpose     *policy.Purpose
	priority    int // of purpose: no other replaces it
	publisher   *publisher
	live, files queue
	windows     windows // of a purpose that has some, or had before the start
	busy        *queue  // whose batch the publisher has; nil if it has none
	room        []byte  // for excerpts in windows, which live for longer than others
}

// Kinds of the queues of a lane.
const (
	ofLive = iota
	ofFiles
)

// add appends an excerpt, which is of a file if waits is true. It reports false if nothing is put any more.
func (l *lane) add(x policy.Excerpt, waits bool) bool {
	q, kind := &l.live, ofLive
	if waits {
		q, kind = &l.files, ofFiles
	}
	length := l.purpose.Window()
	switch {
	case length > 0:
		l.windows.add(x, kind, q.reserve(), length)
		return true
	case q.stopped:
		return false
	}
	q.add(x)
	l.feed()
	return true
}

// leave has windows leave, those for which it is time, and returns how many of their excerpts have expired.
func (l *lane) leave(isTime func(*window) bool) (expired int) {
	expired = l.windows.leave(isTime, [2]uint64{l.live.added, l.files.added})
	l.feed()
	return expired
}

// feed gives the publisher a batch, if it has none and there is one.
func (l *lane) feed() {
	if l.busy != nil {
		return
	}
	for _, q := range []*queue{&l.live, &l.files, &l.windows.leaving} {
		if q.ready() {
			l.busy = q
			l.publisher.batches <- q.take() // never waits: the publisher has taken the batch before
			return
		}
	}
}

// flush makes everything go that waits, however little it is.
func (l *lane) flush() {
	for _, q := range []*queue{&l.live, &l.files, &l.windows.leaving} {
		q.due = len(q.waiting) > 0
	}
	l.feed()
}

// settle ends the batch that the publisher has, and gives it the next.
func (l *lane) settle() {
	l.busy.settle()
	l.busy = nil
	l.feed()
}

// end stops what is put after the publisher gave up. It returns how many excerpts are neither put nor in a log.
func (l *lane) end() (lost int) {
	l.busy = nil
	for _, q := range []*queue{&l.live, &l.files} {
		if q.size() > 0 || l.purpose.Window() == 0 {
			lost += q.end()
		}
	}
	return lost + l.windows.end()
}

// empty reports whether nothing waits but for the end of its window.
func (l *lane) empty() bool {
	return l.live.size() == 0 && l.files.size() == 0 && l.windows.leaving.size() == 0
}

// liveSize returns how many live excerpts are not settled, without those that wait for the end of their window.
func (l *lane) liveSize() int { return l.live.size() + l.windows.outLive }

// shed drops the newest live excerpts, n at most, and returns their places.
func (l *lane) shed(n int) []uint64 {
	if len(l.live.waiting) == 0 {
		return l.windows.shed(n)
	}
	n = min(n, len(l.live.waiting))
	places := slices.Clone(l.live.places[len(l.live.places)-n:])
	l.live.drop(n)
	return places
}

// head returns the place of a kind of queue before which everything is settled.
func (l *lane) head(kind int) uint64 {
	q := &l.live
	if kind == ofFiles {
		q = &l.files
	}
	return min(q.head(), l.windows.head(kind))
}

// putBefore returns a place before which everything live is put, as far as that is to be known of the one at place.
func (l *lane) putBefore(place uint64) uint64 {
	if l.windows.holds(place) {
		return min(place, l.head(ofLive))
	}
	return l.head(ofLive)
}

// limits bound what waits to be put. What waits for the end of its window is bounded by windowLimit.
type limits struct {
	live  int // live excerpts of all purposes
	least int // of each purpose, if live is less for them
	shed  int // excerpts shed in one go
	files int // excerpts of one purpose, beyond which no more is taken of files
	cuts  int // cuts and ends of files, likewise
}

// defaultLimits need 100 to 200 MB when nothing is taken.
func defaultLimits() limits {
	return limits{live: 64_000, least: 8000, shed: 1000, files: 8000, cuts: 64}
}

// lanes are the lanes of all purposes, by number.
type lanes struct {
	all    []*lane
	limits limits
}

// flush makes everything go that waits.
func (ls *lanes) flush() {
	for _, l := range ls.all {
		l.flush()
	}
}

// live returns how many live excerpts are not settled.
func (ls *lanes) live() (n int) {
	for _, l := range ls.all {
		n += l.liveSize()
	}
	return n
}

// limit returns how many live excerpts may wait.
func (ls *lanes) limit() int { return max(ls.limits.live, ls.limits.least*len(ls.all)) }

// victim returns the number of the lane whose newest live excerpts are shed: that of the least important purpose, and of
// equals the last, of those that stand still or have their share of the limit. When the limit is reached there is one.
func (ls *lanes) victim() (number int) {
	share := ls.limit() / len(ls.all)
	number = -1
	for i, l := range ls.all {
		excess := l.liveSize() >= share || l.publisher.standstill.Load() != nil
		if !excess || len(l.live.waiting) == 0 && !l.windows.canShed() {
			continue
		}
		if number < 0 || l.purpose.Priority >= ls.all[number].purpose.Priority {
			number = i
		}
	}
	return number
}

// takesFiles reports whether every lane has room for more of files.
func (ls *lanes) takesFiles() bool {
	for _, l := range ls.all {
		if l.files.size()+l.windows.waits >= ls.limits.files {
			return false
		}
	}
	return true
}

// empty reports whether nothing waits.
func (ls *lanes) empty() bool {
	for _, l := range ls.all {
		if !l.empty() {
			return false
		}
	}
	return true
}

// A mark is a place in the queue of each lane: what was released before one moment stands before it.
type mark []uint64

// liveMark returns the mark of now in what is live.
func (ls *lanes) liveMark() (m mark) {
	for _, l := range ls.all {
		m = append(m, l.live.added)
	}
	return m
}

// fileMark returns the mark of now in what is of files.
func (ls *lanes) fileMark() (m mark) {
	for _, l := range ls.all {
		m = append(m, l.files.added)
	}
	return m
}

// livePassed reports whether everything live before m is settled.
func (ls *lanes) livePassed(m mark) bool {
	for i, l := range ls.all {
		if l.head(ofLive) < m[i] {
			return false
		}
	}
	return true
}

// filesPassed reports whether everything of files before m is settled.
func (ls *lanes) filesPassed(m mark) bool {
	for i, l := range ls.all {
		if l.head(ofFiles) < m[i] {
			return false
		}
	}
	return true
}
