// This file has methods of Bus, spool because how the embedded server is opened anew is one subject.

package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sipsieve/store"
	"sipsieve/store/bus/blocks"
	"sipsieve/store/bus/marks"
	"sipsieve/store/disk"
)

// A BrokenError is the error of a call while the embedded server writes nothing, or is opened anew. It may pass.
type BrokenError struct{ Why error } // what the server has kept: an errno of its disk, if that is known

// Error says what is to be done, and why.
func (e BrokenError) Error() string { return fmt.Sprintf("the spool has to be opened anew: %v", e.Why) }

// Unwrap returns store.ErrUnavailable and the error below.
func (e BrokenError) Unwrap() []error { return []error{store.ErrUnavailable, e.Why} }

// patientAttempts is how often in a row a file that cannot be read keeps the server from being opened anew; then it
// counts as damaged, as at a start.
const patientAttempts = 5

// broken returns why the embedded server writes nothing, nil if it does: a BrokenError. The Bus opens the server anew
// about a second after its folder can be written again.
func (b *Bus) broken() error {
	if b.server == nil {
		return nil
	}
	if why := b.server.Failure(); why != nil {
		return BrokenError{why}
	}
	return nil
}

// settledAfter is how long a server that was opened anew must write for what kept it from writing to be over.
const settledAfter = 5 * time.Second

// A healer opens the server of a Bus anew. It is of one goroutine.
type healer struct {
	bus     *Bus
	backoff *store.Backoff
	next    time.Time // of the next attempt
	failed  int       // attempts in a row

	opened time.Time // when the server was opened anew; zero if that was reported, or there was no need
	why    error     // why it was at first
	found  int       // damages before that
}

// heal opens the server anew if it has kept an error and its folder can be written. An error is why it still writes
// nothing.
func (h *healer) heal(ctx context.Context) error {
	b, now := h.bus, time.Now()
	why := b.server.Failure()
	if why == nil && !h.opened.IsZero() && now.Sub(h.opened) > settledAfter {
		h.report()
	}
	if why == nil || now.Before(h.next) {
		return why
	}
	if err := disk.Writable(b.spool.folder); err != nil {
		return err
	}
	if h.why == nil {
		h.why, h.found = why, len(b.Damages())
	}
	b.spool.patient = h.failed < patientAttempts
	b.server.BeginAnew()
	err := b.server.EndAnew(b.reopen(ctx, why))
	if h.next = time.Now().Add(h.backoff.Next()); err != nil {
		h.failed++
		return err
	}
	h.failed, h.opened = 0, time.Now()
	b.reopened.Add(1)
	return nil
}

// report reports that the server writes again, if it was opened anew since the last report.
func (h *healer) report() {
	if !h.opened.IsZero() && h.bus.config.Reopened != nil {
		h.bus.config.Reopened(h.why, h.bus.Damages()[h.found:])
	}
	h.opened, h.why = time.Time{}, nil
	h.backoff.Reset()
}

// reopen stops the server and starts it as after a crash. Meanwhile nothing is put, and no position is read. What readers
// and consumers had asked for they ask again.
func (b *Bus) reopen(ctx context.Context, why error) error {
	s := b.spool
	s.positions.Lock()
	defer s.positions.Unlock()
	s.lastConfirmed(ctx)
	b.errs.interrupt(BrokenError{why}, ofPut, ofOther)
	s.closeGates(true)
	b.server.Stop()
	if err := s.marks.Reopen(); err != nil {
		return fmt.Errorf("bus: marks: %w", err)
	}
	for i := range s.streams {
		if err := s.writeEndAnew(s.streams[i].Name); err != nil && s.patient {
			return fmt.Errorf("bus: %s: %w", s.streams[i].Name, err)
		}
	}
	if err := s.prepareStreams(time.Now()); err != nil {
		return err
	}
	if err := b.server.Start(); err != nil {
		return err
	}
	if err := b.connectAgain(ctx); err != nil {
		return err
	}
	err := b.Arrange(ctx, b.config.Plan)
	if err == nil {
		err = s.recover(ctx)
	}
	if err == nil {
		s.closeGates(false)
	}
	return err
}

// connectAgain connects to the server that was started.
func (b *Bus) connectAgain(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, replyTimeout)
	defer stop()
	err := b.conn.ForceReconnect() // the connection to the server before is given up, if that is not done
	for err == nil && !b.conn.IsConnected() {
		select {
		case <-time.After(roomPoll):
		case <-ctx.Done():
			err = fmt.Errorf("bus: embedded server: %w", ctx.Err())
		}
	}
	return errors.Join(err, b.Reach(ctx))
}

// lastConfirmed enters in the marks what the keepers have confirmed, as far as the server still answers.
func (s *spool) lastConfirmed(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, askTimeout)
	defer stop()
	for i := range s.streams {
		stream, err := s.js.Stream(ctx, s.streams[i].Name)
		if err != nil {
			return
		}
		if confirmed, err := s.confirmed(ctx, stream); err == nil {
			_ = s.marks.Change(s.streams[i].Name, func(m *marks.Mark) {
				for name, sequence := range confirmed {
					m.Confirmed[name] = max(m.Confirmed[name], sequence)
				}
			})
		}
	}
}

// endFiles is in how many of the last files of a stream the messages of one batch are, at most.
const endFiles = 3

// writeEndAnew writes the last files of a stream anew: after a failed sync the kernel shows what may not be on the disk, and
// syncs it no more. A message there would be taken for one that is put again, and be acknowledged. The server does not run.
func (s *spool) writeEndAnew(stream string) error {
	folder := filepath.Join(s.stream(stream), "msgs")
	files, _, err := blocks.Files(folder)
	if err != nil || len(files) == 0 {
		return err
	}
	for _, file := range files[max(0, len(files)-endFiles):] {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		copied := filepath.Join(s.folder, "copied") // among the files the server would take it for one of them
		if err := errors.Join(disk.ReplaceFile(copied, data, 0o600), os.Rename(copied, file)); err != nil {
			return err
		}
	}
	return disk.SyncDir(folder)
}
