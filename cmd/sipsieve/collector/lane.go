package collector

import (
	"sipsieve/store/policy"
)

// A lane is what waits for the stream of one purpose. Its publisher has one batch of it at a time; what is live goes
// before what is of files. But for the publisher it is of the Collector's goroutine.
type lane struct {
	purpose     *policy.Purpose
	publisher   *publisher
	live, files queue
	busy        *queue // whose batch the publisher has; nil if it has none
}

// add appends an excerpt, which is of a file if waits is true. It reports false if nothing is put any more.
func (l *lane) add(x policy.Excerpt, waits bool) bool {
	q := &l.live
	if waits {
		q = &l.files
	}
	if q.stopped {
		return false
	}
	q.add(x)
	l.feed()
	return true
}

// feed gives the publisher a batch, if it has none and there is one.
func (l *lane) feed() {
	if l.busy != nil {
		return
	}
	for _, q := range []*queue{&l.live, &l.files} {
		if q.ready() {
			l.busy = q
			l.publisher.batches <- q.take() // never waits: the publisher has taken the batch before
			return
		}
	}
}

// flush makes everything go that waits, however little it is.
func (l *lane) flush() {
	l.live.due, l.files.due = len(l.live.waiting) > 0, len(l.files.waiting) > 0
	l.feed()
}

// settle ends the batch that the publisher has, and gives it the next.
func (l *lane) settle() {
	l.busy.settle()
	l.busy = nil
	l.feed()
}

// end stops both queues after the publisher gave up. It returns how many excerpts are not put.
func (l *lane) end() int {
	l.busy = nil
	return l.live.end() + l.files.end()
}

// empty reports whether nothing waits.
func (l *lane) empty() bool { return l.live.size() == 0 && l.files.size() == 0 }

// limits bound what waits to be put.
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
		n += l.live.size()
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
		excess := l.live.size() >= share || l.publisher.standstill.Load() != nil
		if len(l.live.waiting) == 0 || !excess {
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
		if l.files.size() >= ls.limits.files {
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
		if l.live.head() < m[i] {
			return false
		}
	}
	return true
}

// filesPassed reports whether everything of files before m is settled.
func (ls *lanes) filesPassed(m mark) bool {
	for i, l := range ls.all {
		if l.files.head() < m[i] {
			return false
		}
	}
	return true
}
