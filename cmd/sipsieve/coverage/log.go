// Package coverage puts on the stream OPS what a sensor covered: proof for billing and auditors, with nothing of a person.
//
// # Records
//
// A start, with the time since the last stop or sign of life; a stop; each hour, and at a stop, the policy in force and
// what was counted; the text of a policy, when it is another than before and each month; and each loss window. See
// store.OpsRecord.
//
// # A run that is killed
//
// Every 2 s a file in the state folder is replaced: it has what would be put if the sensor stopped then. The next start
// puts that, and then a start after a crash that spans the time since.
//
// # Backpressure
//
// Nothing waits for OPS. A record that cannot be put waits in the file, up to 256 KiB of them; those beyond it are
// counted and announced by a loss window of the purpose ops. A loss window is put when nothing of its purpose and reason
// has been lost for 10 s, and at the latest with the next ledger.
package coverage

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

const (
	day          = 24 * time.Hour
	lifeEvery    = 2 * time.Second  // a sign of life, and how late a loss may be found after a crash
	ledgerEvery  = time.Hour        // by the clock: a full hour ends a span
	textEvery    = 30 * day         // the text of a policy that stays in force
	lossQuiet    = 10 * time.Second // without a loss: the window is over
	waitingLimit = 256 << 10        // bytes of records that wait
)

// A Config is what a Log is about.
type Config struct {
	Path         string // of the file with the signs of life, in the state folder
	Site, Sensor string
	Policy       *policy.Policy // in force
	Approved     []string       // in which roles that was approved, and when
	Sink         store.Sink
	Ledger       func() *ledger.Ledger // what was counted up to now
	Down         func() bool           // a live source cannot be read now; nil for never
	Log          *slog.Logger
}

// A Log puts the records of one sensor.
type Log struct {
	config  Config
	queue   *queue
	windows windows

	broken atomic.Pointer[error] // why the file cannot be written; nil if it can

	mu      sync.Mutex    // around what follows, also while the file is written
	last    state         // of the run before
	began   time.Time     // zero until Run
	segment time.Time     // since when nothing is in a ledger
	begun   chan struct{} // closed when the run has begun
	before  *ledger.Ledger
	text    policyText
}

// Open reads what the run before left. It fails if the file cannot be read; one that is damaged is announced as a loss.
func Open(c Config) (*Log, error) {
	last, err := readState(c.Path)
	if err != nil {
		return nil, err
	}
	return &Log{config: c, queue: newQueue(c.Sink, c.Log), last: last, text: last.text,
		begun: make(chan struct{})}, nil
}

// Lose adds what a purpose lost; the purpose "" is packets or time, which all purposes lost. It does not wait. A loss with
// an Event is a record of its own, with the same id when it comes again.
func (l *Log) Lose(purpose string, one cpni.Loss) {
	if one.Event != "" {
		l.put(windowOf(purpose, one))
		return
	}
	l.windows.add(purpose, one)
}

// Run puts records until ctx ends, the first of them that the sensor has started. Stop is to be called after it. It calls
// saved, once, when what was added to Lose before Run outlives a kill of the process; nil calls nothing.
func (l *Log) Run(ctx context.Context, saved func()) {
	l.begin(time.Now())
	var putting sync.WaitGroup
	putting.Go(func() { l.queue.run(ctx) })
	ticker := time.NewTicker(lifeEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if saved != nil && l.isSaved() {
			saved()
			saved = nil
		}
		select {
		case <-ctx.Done():
		case now := <-ticker.C:
			l.tick(now)
		}
	}
	putting.Wait()
}

// begin notes that the run begins, and has the records put that the run before left.
func (l *Log) begin(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(l.begun)
	l.began, l.segment, l.before = now, now, ledger.New() // what is counted already is of this run
	for _, r := range l.last.left() {
		_ = l.queue.add(r)
	}
	start := store.OpsRecord{Kind: store.SensorStart, From: now, To: now}
	if seen := l.last.seen; !seen.IsZero() && seen.Before(now) {
		start.From = seen
	}
	if l.last.there && !l.last.clean {
		start.Kind = store.SensorCrash
	}
	l.put(start)
	l.putText(now)
	if l.last.damaged {
		l.Lose(store.Ops, cpni.Loss{From: start.From, To: now, Reason: "damaged"})
	}
	l.last = state{}
	l.save(now, l.before)
}

// tick is a sign of life: it puts what is over, and replaces the file.
func (l *Log) tick(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := l.config.Ledger()
	l.notice(now, counts)
	for _, r := range l.windows.over(now) {
		l.put(r)
	}
	if hour := now.Truncate(ledgerEvery); hour.After(l.segment) {
		l.end(now, counts)
		l.putText(now)
	}
	l.save(now, counts)
}

// putText puts the text of the policy in force, unless that was done within textEvery. It expires that much later than
// other records, so that there is a text for as long as there is a record that was made before the next.
func (l *Log) putText(now time.Time) {
	p := l.config.Policy
	if last := l.text; last.Policy == p.Hash() && !now.Before(last.Put) && now.Sub(last.Put) < textEvery {
		return
	}
	r := l.complete(store.OpsRecord{Kind: store.PolicyText, From: now, To: now, Text: string(p.Source())})
	r.Expires = p.LongestExpiry(now.Add(textEvery + day))
	if l.queue.add(r) {
		l.text = policyText{p.Hash(), now}
	}
}

// notice adds what was not read since the last call and, once there is room again, the records that found none.
func (l *Log) notice(now time.Time, counts *ledger.Ledger) {
	if l.config.Down != nil && l.config.Down() {
		l.Lose("", cpni.Loss{From: now.Add(-lifeEvery), To: now, Reason: "source_down"})
	}
	l.windows.compare(now, counts)
	if l.queue.hasRoom() {
		l.announce()
	}
}

// announce adds the records that found no room to wait.
func (l *Log) announce() {
	if lost := l.queue.takeDropped(); lost.Count > 0 {
		l.Lose(store.Ops, lost)
	}
}

// end puts what is of the span that ends now, and begins the next.
func (l *Log) end(now time.Time, counts *ledger.Ledger) {
	for _, r := range l.account(l.windows.take(), now, counts) {
		l.put(r)
	}
	l.segment, l.before = now, counts
}

// account returns what is to be put if the span ends now: what was lost, the policy and the counts.
func (l *Log) account(lost []store.OpsRecord, now time.Time, counts *ledger.Ledger) []store.OpsRecord {
	if now = later(now, l.segment); now.Equal(l.segment) { // or the clock was set back
		return lost
	}
	text, err := counts.Since(l.before)
	if err != nil {
		l.config.Log.Error("ledger of the stream OPS", "err", err)
	}
	return append(lost, store.OpsRecord{Kind: store.PolicyInForce, From: l.segment, To: now, Approved: l.config.Approved},
		store.OpsRecord{Kind: store.Ledger, From: l.segment, To: now, Ledger: text})
}

// put has a record put after the next save.
func (l *Log) put(r store.OpsRecord) { _ = l.queue.add(l.complete(r)) }

// complete returns r with what all records of the sensor have in common.
func (l *Log) complete(r store.OpsRecord) store.OpsRecord {
	p := l.config.Policy
	r.Site, r.Sensor, r.Policy, r.Expires = l.config.Site, l.config.Sensor, p.Hash(), p.LongestExpiry(r.To)
	return r
}

// save replaces the file and releases the records that were put since the last save. A crash in between has the next run
// put them again, with the same ids: none comes twice with another span.
func (l *Log) save(now time.Time, counts *ledger.Ledger) {
	s := state{seen: now, waiting: l.queue.list(), text: l.text}
	lost := l.windows.list()
	if one := l.queue.lost(); one.Count > 0 {
		lost = append(lost, windowOf(store.Ops, one))
	}
	for _, r := range l.account(lost, now, counts) {
		s.final = append(s.final, l.complete(r))
	}
	l.note(s.write(l.config.Path))
	l.queue.release()
}

// note logs when the file cannot be written, and when it can be again.
func (l *Log) note(err error) {
	switch {
	case err == nil && l.broken.Swap(nil) != nil:
		l.config.Log.Info("signs of life are written again")
	case err != nil && l.broken.Swap(&err) == nil:
		l.config.Log.Error("no sign of life can be written: a crash would seem longer than it was", "err", err)
	}
}

// isSaved reports whether the last sign of life was written.
func (l *Log) isSaved() bool { return l.broken.Load() == nil }

// Stop puts the last ledger, and that the sensor has stopped, until ctx ends. The next run puts what is left.
func (l *Log) Stop(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.IsZero() {
		return nil
	}
	now, counts := later(time.Now(), l.segment), l.config.Ledger()
	l.notice(now, counts)
	l.announce()
	l.end(now, counts)
	l.put(store.OpsRecord{Kind: store.SensorStop, From: l.began, To: now})
	s := state{seen: now, clean: true, waiting: l.queue.list(), text: l.text}
	err := s.write(l.config.Path)
	l.queue.release()
	l.queue.drain(ctx)
	s.waiting = l.queue.list()
	return errors.Join(err, s.write(l.config.Path))
}

// Trouble returns why records are not put, or no sign of life is written; nil if both are. It waits for no disk.
func (l *Log) Trouble() error {
	if err := l.queue.failed(); err != nil {
		return err
	}
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// AddTo adds what was counted to c.
func (l *Log) AddTo(c *ledger.Ledger) { l.queue.addTo(&c.Ops) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
