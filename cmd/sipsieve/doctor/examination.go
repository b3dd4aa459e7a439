// Package doctor examines the sources of a configuration: it reads them for a while as the daemon would, and reports
// what is lost, unread or captured twice, with the configuration lines that would change that.
//
// # What it reads
//
// More than the daemon: every tunnel, the usual SIP ports besides the configured ones, every port of capture files. It
// publishes nothing, writes nothing and needs no key.
//
// # Order of a run
//
// Examine opens every source, reads until its context ends or all sources have ended, and returns an Examination. Each
// source is read through a tap, which counts what passes. Report writes the counts and then the findings: first those
// of each source (source_findings.go), then those of all sources together (whole_findings.go).
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/cmd/sipsieve/source"
	"sipsieve/sip/event"
)

// An Examination is what was counted while the sources of a configuration were read.
type Examination struct {
	*config.Setup
	began   time.Time
	took    time.Duration
	sources []*examined
	overlap error // interfaces that show the same frames
	clock   source.ClockState

	mu    sync.Mutex
	whole *ledger.Ledger // of all sources together; under mu
	full  uint64         // messages that were dropped because the queue of their shard was full; under mu
}

// Examine reads every source of s until ctx ends or all of them have ended. It calls listening once the live ones are
// open. It returns an error if no source can be opened; a source that fails later is a finding.
func Examine(ctx context.Context, s *config.Setup, listening func()) (*Examination, error) {
	e := &Examination{Setup: s, began: time.Now(), overlap: s.Overlaps(), clock: source.HostClock(), whole: ledger.New()}
	if len(s.Source) == 0 {
		return nil, s.Wrong("source", "want [[source]]: there is nothing to listen to")
	}
	var work sync.WaitGroup
	var live []capture.Source
	var rings []*tap
	for i := range s.Source {
		x := newExamined(&s.Source[i], i)
		e.sources = append(e.sources, x)
		if x.isFile() {
			work.Go(func() { e.readFiles(ctx, x) })
			continue
		}
		for _, t := range x.openLive() {
			rings, live = append(rings, t), append(live, t)
		}
	}
	if len(live) > 0 {
		if err := afpacket.DropCapabilities(); err != nil {
			return nil, err
		}
		work.Go(func() { e.follow(ctx, pipeline.New(live, e.plan(true))) })
	}
	listening()
	work.Wait()
	for _, t := range rings {
		t.of.add(t)
	}
	e.took = time.Since(e.began)
	return e, e.openError()
}

// plan returns the plan of a domain of the examination, without joins of legs and without devices.
func (e *Examination) plan(live bool) pipeline.Plan {
	p := e.Setup.Plan(0, live)
	p.Linking, p.Devices = nil, 0
	return p
}

// openError returns why no source could be opened, nil if one was.
func (e *Examination) openError() error {
	var errs []error
	for _, x := range e.sources {
		if x.opened > 0 || len(x.broken) == 0 {
			return nil
		}
		errs = append(errs, e.Wrong(x.key(), "%v", errors.Join(x.broken...)))
	}
	return errors.Join(errs...)
}

// follow runs d until ctx ends and adds its counts to those of the whole. Events are dropped; the error that ends a
// source is kept by its tap.
func (e *Examination) follow(ctx context.Context, d *pipeline.Domain) {
	_ = d.Follow(ctx, func(*event.Event) {})
	e.mu.Lock()
	defer e.mu.Unlock()
	c := d.Counts()
	e.whole.AddDomain(&c, e.Trunks)
	e.full += c.Full
}

// readFiles reads the file of x, or the files that its folder has now, the newest first.
func (e *Examination) readFiles(ctx context.Context, x *examined) {
	wide := x.wide()
	paths, err := filesOf(wide)
	if err != nil {
		x.broken = append(x.broken, err)
	}
	for _, path := range paths {
		if ctx.Err() != nil {
			return
		}
		s, err := source.OpenFile(wide, path, x.streamBase())
		if err != nil {
			x.broken = append(x.broken, err)
			continue
		}
		t := x.tap(s)
		e.follow(ctx, pipeline.New([]capture.Source{t}, e.plan(false)))
		x.add(t)
	}
}

// filesOf returns the paths that s reads: its file, or the files that its folder has now, the newest first.
func filesOf(s *config.Source) ([]string, error) {
	if s.Type == "file" {
		return []string{s.Path}, nil
	}
	all := *s
	all.Settle = "1ns"
	dir, err := source.OpenDir(&all, "") // no state: which files were read is not stored
	if err != nil {
		return nil, err
	}
	look, err := dir.Poll(time.Now())
	var paths []string
	for _, f := range slices.Backward(look.Ready) {
		paths = append(paths, f.Path)
	}
	return paths, err
}

// Report writes what was counted, then the findings, and returns how many findings there are.
func (e *Examination) Report(w io.Writer) (n int) {
	fmt.Fprintf(w, "listened for %s\n", e.took.Round(time.Second/10))
	for _, x := range e.sources {
		x.describe(w)
	}
	e.describe(w)
	write := func(of, words, where string, lines []string) {
		n++
		fmt.Fprintf(w, "\n%d. %s: %s.\n", n, of, words)
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(w, "   %s\n", where)
		for _, line := range lines {
			fmt.Fprintf(w, "       %s\n", line)
		}
	}
	for _, x := range e.sources {
		for _, f := range sourceFindings {
			if f.test(x) {
				where := fmt.Sprintf("%s:%d: in this [[source]], in place of a line with the same key", e.File, e.Line(x.key()))
				write(x.String(), f.words(x), where, f.lines(x))
			}
		}
	}
	for _, f := range wholeFindings {
		if f.test(e) {
			write("all sources", f.words(e), e.File+":", f.lines(e))
		}
	}
	if n == 0 {
		fmt.Fprintln(w, "\nnothing was found")
	}
	return n
}

// describe writes the counts of all sources together.
func (e *Examination) describe(w io.Writer) {
	m, c := e.whole.Messages, e.whole.Calls
	fmt.Fprintf(w, "\nall sources\n    %-12s %d: %d tracked, %d duplicates, %d refused, %d dropped; %d came late\n",
		"messages", m.Total, m.Tracked, m.Duplicates, m.Refused.Total(), m.Dropped, m.Late)
	if e.anyLive() {
		fmt.Fprintf(w, "    %-12s %s\n", "clock", e.clock)
	}
	fmt.Fprintf(w, "    %-12s %d opened, %d without a beginning that was seen; limits: %s\n", "calls", c.Opened,
		c.Orphans+c.MidCall, c.Bounds.Words())
}

// anyLive reports whether the clock of this host dates the packets of a source.
func (e *Examination) anyLive() bool {
	return slices.ContainsFunc(e.sources, func(x *examined) bool { return !x.isFile() })
}

// A finding is one fault that a T can have: a source, or all sources together.
type finding[T any] struct {
	name   string
	test   func(T) bool
	words  func(T) string   // the sentence of the report, without its full stop
	remedy func(T) []string // configuration lines that remove the fault; nil if there are none
}

// lines returns the configuration lines that remove f, nil if there are none.
func (f finding[T]) lines(x T) []string {
	if f.remedy == nil {
		return nil
	}
	return f.remedy(x)
}
