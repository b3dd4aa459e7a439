// This file has methods of spool because how a stream is made anew is one subject, for damage as for expiry.

package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"sipsieve/store/bus/aside"
	"sipsieve/store/bus/blocks"
	"sipsieve/store/bus/marks"
)

// An asideNote is what is known of a stream whose files are set aside. They may be damaged while they are, and are examined
// again while they are put again.
type asideNote struct {
	Confirmed uint64      `json:"confirmed"` // every keeper has confirmed the messages up to this sequence
	Damage    *Damage     `json:"damage"`    // nil if there was none
	Found     time.Time   `json:"found"`     // when the files were set aside: names a damage that comes afterwards
	Mark      *marks.Mark `json:"mark"`      // of the stream as it was then; nil in notes of builds before this one
}

// aside returns where files of a stream are set aside.
func (s *spool) aside(stream string) aside.Folder {
	return aside.Of(filepath.Join(s.folder, "aside"), stream, filepath.Join(s.stream(stream), "msgs"))
}

// setAside moves the files of a stream aside. The server must not run.
func (s *spool) setAside(e *examination) error {
	stream, mark := e.stream, e.mark
	if mark.High = max(mark.High, e.last); !e.marked {
		if mark.First, mark.FirstMade, mark.Seen = e.first, e.firstAt, e.Found.UnixNano(); e.first == 0 {
			mark.First = e.next
		}
	}
	note := asideNote{Confirmed: e.confirmed, Damage: &e.Damage, Found: e.Found, Mark: &mark}
	return s.aside(stream).Move(note)
}

// readNote returns what is known of the files that are set aside: without a note what the mark has.
func (s *spool) readNote(stream string, now time.Time) (note asideNote) {
	if s.aside(stream).Note(&note) == nil {
		return note
	}
	note = asideNote{Found: now, Damage: &Damage{Purpose: s.purpose[stream], Found: now, From: now, To: now, Other: 1}}
	if mark, ok := s.marks.Of(stream); ok {
		note.Confirmed, note.Mark = mark.Least(s.keepers), &mark
	}
	return note
}

// putBack puts what is intact in the files set aside into the stream, which the server has made, and removes them.
func (s *spool) putBack(ctx context.Context, c jetstream.StreamConfig, now time.Time) error {
	note := s.readNote(c.Name, now)
	e := s.reexamination(c, note, now)
	w := rewriter{p: s.publisher, last: note.Confirmed, old: e.old}
	kept, err := s.putAgain(ctx, e, &w)
	if err != nil {
		return err
	}
	stream, err := s.js.Stream(ctx, c.Name)
	if err != nil {
		return fmt.Errorf("bus: put again: %w", err)
	}
	if err := errors.Join(s.remember(ctx, stream), s.marks.Settle()); err != nil {
		return err
	}
	if d := note.damage(e); d != nil {
		d.Kept = kept
		if err := s.report(*d); err != nil {
			return err
		}
	}
	return s.aside(c.Name).Remove()
}

// reexamination returns the examination of files set aside, which begins where the one before they were did.
func (s *spool) reexamination(c jetstream.StreamConfig, note asideNote, now time.Time) *examination {
	e := &examination{stream: c.Name, retain: c.MaxAge, confirmed: note.Confirmed}
	e.Purpose, e.Found = s.purpose[c.Name], note.Found
	if c.MaxAge > 0 {
		e.old = now.Add(-c.MaxAge).UnixNano()
	}
	if note.Mark != nil {
		e.mark, e.marked = *note.Mark, true
		e.begin()
	}
	return e
}

// damage returns what is wrong with files that were set aside, nil for nothing: as e, which has read them all, finds it now.
func (n *asideNote) damage(e *examination) *Damage {
	e.finish()
	switch {
	case n.Mark == nil:
		return n.Damage
	case n.Damage != nil:
		e.Found, e.Other = n.Damage.Found, n.Damage.Other
	case !e.damaged():
		return nil
	}
	return &e.Damage
}

// withRoom returns c with room for what is set aside. Messages that are put again have up to four headers more: the stream
// of a spool that is nearly full gets more than its share of the disk, until the next start.
func (s *spool) withRoom(c jetstream.StreamConfig) (jetstream.StreamConfig, error) {
	files, _, err := s.aside(c.Name).Files()
	bytes := int64(0)
	for _, file := range files {
		info, statErr := os.Stat(file)
		if statErr != nil {
			return c, statErr
		}
		bytes += info.Size()
	}
	if c.MaxBytes >= 0 {
		c.MaxBytes = max(c.MaxBytes, 2*bytes)
	}
	return c, err
}

// putAgain puts the messages that w takes of the files set aside, in their order, and returns how many. It examines them by e.
func (s *spool) putAgain(ctx context.Context, e *examination, w *rewriter) (uint64, error) {
	files, numbers, err := s.aside(e.stream).Files()
	if err != nil {
		return 0, err
	}
	e.each = func(m *blocks.Message) error { return w.take(ctx, m) }
	for i, file := range files {
		if err := e.read(file, numbers[i], i == 0); err != nil {
			return w.kept, err
		}
	}
	err = w.flush(ctx)
	return w.kept, err
}

// A rewriter puts messages of files into their stream, in batches.
type rewriter struct {
	p     *Publisher
	last  uint64 // sequence of the message before
	old   int64  // what was put up to this time has expired, Unix nanoseconds
	batch []*nats.Msg
	bytes int
	kept  uint64
}

// rewriteBytes is about how many bytes a batch of a rewriter has.
const rewriteBytes = 4 << 20

// take adds m to the batch, if it still counts.
func (w *rewriter) take(ctx context.Context, m *blocks.Message) error {
	if !m.IsRecord || m.Sequence <= w.last {
		return nil
	}
	w.last = m.Sequence
	put := m.PutAt()
	if put <= w.old {
		return nil
	}
	header, err := nats.DecodeHeadersMsg(m.Headers)
	if err != nil {
		header = nats.Header{}
	}
	for _, name := range []string{jetstreamext.BatchIDHeader, jetstreamext.BatchSeqHeader, jetstreamext.BatchCommitHeader} {
		header.Del(name)
	}
	header.Set(blocks.PutAgain, time.Unix(0, put).UTC().Format(time.RFC3339Nano))
	w.batch = append(w.batch, &nats.Msg{Subject: m.Subject, Header: header, Data: m.Body})
	if w.bytes += len(m.Body); w.bytes < rewriteBytes && len(w.batch) < batchLimit {
		return nil
	}
	return w.flush(ctx)
}

// flush puts the batch.
func (w *rewriter) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	if err := w.p.tryBatch(ctx, w.batch); err != nil {
		return fmt.Errorf("bus: put again: %w", err)
	}
	w.kept += uint64(len(w.batch))
	w.batch, w.bytes = nil, 0
	return nil
}
