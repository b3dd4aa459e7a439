package collector

import "log/slog"

// completions are what is done once everything of files that was released before it is durable: the cuts of folders, and
// the ends of files. A goroutine of its own does them in order, for they write to a disk.
type completions struct {
	log     *slog.Logger
	waiting []completion
	stopped bool
	out     chan func() error
	ended   chan struct{}
}

// A completion is done once m has passed.
type completion struct {
	m    mark
	done func() error
}

func newCompletions(log *slog.Logger) completions {
	return completions{log: log, out: make(chan func() error, 4), ended: make(chan struct{})}
}

// run does what comes until out is closed.
func (c *completions) run() {
	defer close(c.ended)
	for done := range c.out {
		if err := done(); err != nil {
			c.log.Error("checkpoint", "err", err)
		}
	}
}

// add has done called once everything of files before m is settled; nil is nothing to call.
func (c *completions) add(m mark, done func() error) {
	if done != nil && !c.stopped {
		c.waiting = append(c.waiting, completion{m, done})
	}
}

// stop drops what waits, and what comes: a lane has given up excerpts that stand before it, so that files are read again.
func (c *completions) stop() { c.stopped, c.waiting = true, nil }

// release hands on what no lane holds back any more, as far as the goroutine takes it.
func (c *completions) release(ls *lanes) {
	for len(c.waiting) > 0 && ls.filesPassed(c.waiting[0].m) {
		select {
		case c.out <- c.waiting[0].done:
			c.waiting = c.waiting[1:]
		default:
			return
		}
	}
}

// finish hands on what is left, and waits until it is done.
func (c *completions) finish(ls *lanes) {
	for len(c.waiting) > 0 && ls.filesPassed(c.waiting[0].m) {
		c.out <- c.waiting[0].done
		c.waiting = c.waiting[1:]
	}
	close(c.out)
	<-c.ended
}
