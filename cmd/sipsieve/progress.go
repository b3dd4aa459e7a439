package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"sipsieve/cmd/sipsieve/plain"
	"sipsieve/cmd/sipsieve/sheet"
	"sipsieve/cmd/sipsieve/source"
	"sipsieve/store"
	"sipsieve/store/cpni"

	"github.com/schollz/progressbar/v3"
)

// barEvery is how often a bar is drawn.
const barEvery = 100 * time.Millisecond

// showProgress draws how far c has been read on stderr until stop is called, which takes it away again. Nothing is
// drawn unless stderr is a terminal, nor where records would come between, on the same terminal.
func showProgress(stderr, stdout io.Writer, c *source.Files) (stop func()) {
	if !drawsBar(stderr, stdout) {
		return func() {}
	}
	_, size := c.Progress()
	bar := newBar(stderr, size, progressbar.OptionShowBytes(true), progressbar.OptionSetDescription("replay"))
	return drawing(bar, func() {
		read, _ := c.Progress()
		_ = bar.Set64(read) // a bar that cannot be drawn is no reason to stop
	})
}

// An answerBar shows how far an answer has come: by its records of those that it is limited to, or by their time of
// what lies between its bounds; else only their number.
type answerBar struct {
	from, to int64 // Unix seconds; 0 without both
	limit    int
	count    atomic.Int64
	reached  atomic.Int64 // seconds behind from
	stop     func()
}

// sampled is how many records are counted before one is read for its time.
const sampled = 64

// showAnswer draws how far the answer to q has come, as showProgress. The caller notes each record and stops it.
func showAnswer(stderr, stdout io.Writer, verb string, q store.Query) *answerBar {
	b := &answerBar{limit: q.Limit, stop: func() {}}
	size := int64(-1)
	switch {
	case q.Limit > 0:
		size = int64(q.Limit)
	case !q.From.IsZero() && !q.To.IsZero() && !q.Stored:
		b.from, b.to = q.From.Unix(), q.To.Unix()
		size = max(1, b.to-b.from)
	}
	if !drawsBar(stderr, stdout) {
		b.from, b.to = 0, 0
		return b
	}
	bar := newBar(stderr, size, progressbar.OptionSetPredictTime(size > 0))
	b.stop = drawing(bar, func() {
		n := b.count.Load()
		bar.Describe(fmt.Sprintf("%s: %d records", verb, n))
		switch {
		case b.to > 0:
			_ = bar.Set64(b.reached.Load())
		default:
			_ = bar.Set64(n)
		}
	})
	return b
}

// note counts a record.
func (b *answerBar) note(body []byte) {
	if n := b.count.Add(1); b.to == 0 || n%sampled != 0 {
		return
	}
	row := sheet.ReadRow(body)
	kind, _ := cpni.KindOf(sheet.Cell(row["kind"]))
	for _, key := range kind.Times() {
		if t, err := time.Parse(time.RFC3339, sheet.Cell(row[key])); err == nil {
			b.reached.Store(min(max(0, t.Unix()-b.from), b.to-b.from))
			return
		}
	}
}

// drawsBar reports whether a bar is drawn on stderr.
func drawsBar(stderr, stdout io.Writer) bool {
	return plain.IsTerminal(stderr) && !plain.IsTerminal(stdout)
}

// newBar returns a bar of so many units, -1 for a number that is not known.
func newBar(stderr io.Writer, size int64, more ...progressbar.Option) *progressbar.ProgressBar {
	options := []progressbar.Option{progressbar.OptionSetWriter(plain.Bare(stderr)), progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(), progressbar.OptionSetRenderBlankState(true)}
	return progressbar.NewOptions64(size, append(options, more...)...)
}

// drawing calls draw every barEvery until stop is called, which takes the bar away.
func drawing(bar *progressbar.ProgressBar, draw func()) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(barEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				draw()
			}
		}
	}()
	return func() {
		close(ended)
		<-done
		_ = bar.Finish()
	}
}
