package main

import (
	"io"
	"os"
	"sipsieve/cmd/sipsieve/source"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// barEvery is how often a bar is drawn.
const barEvery = 100 * time.Millisecond

// showProgress draws how far c has been read on stderr until stop is called, which takes it away again. Nothing is
// drawn unless stderr is a terminal, nor where records would come between, on the same terminal.
func showProgress(stderr, stdout io.Writer, c *source.Files) (stop func()) {
	stderr, stdout = bare(stderr), bare(stdout)
	if !isTerminal(stderr) || isTerminal(stdout) {
		return func() {}
	}
	_, size := c.Progress()
	bar := progressbar.NewOptions64(size, progressbar.OptionSetWriter(stderr), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("replay"), progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth(),
		progressbar.OptionSetRenderBlankState(true))
	ended, drawn := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drawn)
		draw(bar, c, ended)
	}()
	return func() {
		close(ended)
		<-drawn
		_ = bar.Finish() // a bar that cannot be drawn is no reason to stop
	}
}

// draw moves bar on until ended is closed.
func draw(bar *progressbar.ProgressBar, c *source.Files, ended <-chan struct{}) {
	ticker := time.NewTicker(barEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			read, _ := c.Progress()
			_ = bar.Set64(read)
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
