// This file has methods of spool because what is found at the start is one subject.

package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store/bus/marks"
	"sipsieve/store/bus/version"
	"sipsieve/store/disk"
)

// prepare examines all streams before the server starts, and sets the files of those aside that are damaged.
func (s *spool) prepare(now time.Time) error {
	if err := s.loadReported(); err != nil {
		return err
	}
	if n := s.marks.Damaged(); n > 0 {
		if err := s.report(Damage{Found: now, From: now, To: now, Other: n}); err != nil {
			return err
		}
	}
	return s.prepareStreams(now)
}

// prepareStreams examines the streams.
func (s *spool) prepareStreams(now time.Time) error {
	clear(s.distrusted)
	for _, c := range s.streams {
		if err := s.prepareStream(c.Name, c.MaxAge, now); err != nil {
			return fmt.Errorf("bus: %s: %w", c.Name, err)
		}
	}
	return s.marks.Settle()
}

// prepareStream examines one stream.
func (s *spool) prepareStream(name string, retain time.Duration, now time.Time) error {
	if err := s.aside(name).DropLeftovers(); err != nil {
		return err
	}
	if s.aside(name).Exists() {
		return os.RemoveAll(s.stream(name)) // made anew in part, when that ended early
	}
	e, err := s.examine(name, retain, now)
	if err != nil {
		return err
	}
	if e.damaged() {
		if err := s.setAside(e); err != nil {
			return err
		}
		return os.RemoveAll(s.stream(name))
	}
	if !e.marked && s.version == version.Now && e.last > 0 { // the marks are gone
		e.Other++
		return s.report(e.Damage)
	}
	if err := s.distrust(e); err != nil || !e.marked {
		return err
	}
	return s.marks.Change(name, func(m *marks.Mark) {
		m.Files, m.Seen, m.First, m.FirstMade = "", now.UnixNano(), e.first, e.firstAt
		if e.first == 0 {
			m.First = e.next
		}
	})
}

// distrust removes the positions of the keepers of a stream if they are not those of the last clean stop: their files
// have no checksum, and a position too far on would skip messages. What they had confirmed is in the mark, for each: a
// keeper that is new has confirmed nothing.
func (s *spool) distrust(e *examination) error {
	if !e.marked {
		return nil
	}
	if e.mark.Files != "" {
		sum, err := s.keeperFiles(e.stream, e.mark.KeeperNames())
		if err != nil || sum == e.mark.Files {
			return err
		}
		e.Other++
		if err := s.report(e.Damage); err != nil {
			return err
		}
	}
	s.distrusted[e.stream] = e.confirmed
	for _, name := range slices.Concat(s.keepers, e.mark.KeeperNames()) {
		if err := os.RemoveAll(s.keeper(e.stream, name)); err != nil {
			return err
		}
	}
	err := os.Remove(filepath.Join(s.stream(e.stream), "msgs", "index.db")) // the server makes it anew
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// recover puts back what was set aside, when the server has the streams.
func (s *spool) recover(ctx context.Context) error {
	for _, c := range s.streams {
		if s.aside(c.Name).Exists() {
			larger, err := s.withRoom(c)
			if err != nil {
				return fmt.Errorf("bus: recover: %w", err)
			}
			if larger.MaxBytes != c.MaxBytes {
				if _, err := s.js.UpdateStream(ctx, larger); err != nil {
					return fmt.Errorf("bus: recover: %w", err)
				}
			}
			if err := s.putBack(ctx, c, time.Now()); err != nil {
				return err
			}
			continue
		}
		if err := s.recoverStream(ctx, c.Name); err != nil {
			return err
		}
	}
	return s.marks.Sync()
}

// recoverStream purges a stream whose keepers begin anew, so that they do not get again what they had confirmed.
func (s *spool) recoverStream(ctx context.Context, name string) error {
	stream, err := s.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("bus: recover: %w", err)
	}
	if confirmed := s.distrusted[name]; confirmed >= stream.CachedInfo().State.FirstSeq && confirmed > 0 {
		if err := stream.Purge(ctx, jetstream.WithPurgeSequence(confirmed+1)); err != nil {
			return fmt.Errorf("bus: recover: %w", err)
		}
		if _, err := stream.Info(ctx); err != nil {
			return fmt.Errorf("bus: recover: %w", err)
		}
	}
	return s.settled(ctx, stream)
}

// reported returns the file of damages that are not yet announced.
func (s *spool) reported() string { return filepath.Join(s.folder, "damages") }

// loadReported reads the damages of earlier starts that were not announced.
func (s *spool) loadReported() error {
	text, err := os.ReadFile(s.reported())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if json.Unmarshal(text, &s.damages) != nil {
		now := time.Now()
		s.damages = []Damage{{Found: now, From: now, To: now, Other: 1}}
	}
	s.unannounced = slices.Clone(s.damages)
	return nil
}

// report adds a damage to those that are to be announced, durably. One that a start before this one reported, and that
// ended early after that, is there once, as it is found now.
func (s *spool) report(d Damage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range []*[]Damage{&s.damages, &s.unannounced} {
		if i := slices.IndexFunc(*list, d.same); i >= 0 {
			(*list)[i] = d
		} else {
			*list = append(*list, d)
		}
	}
	return s.writeReported()
}

// writeReported writes the file of damages that are not yet announced.
func (s *spool) writeReported() error {
	text, err := json.Marshal(s.unannounced)
	if err != nil {
		return err
	}
	return disk.ReplaceFile(s.reported(), text, 0o600)
}

// Damages returns what was damaged in the streams of the embedded server when it was opened, and at earlier times what
// Announced was not called for since.
func (b *Bus) Damages() []Damage {
	if b.spool == nil {
		return nil
	}
	b.spool.mu.Lock()
	defer b.spool.mu.Unlock()
	return slices.Clone(b.spool.damages)
}

// Announced keeps that the record of d is on the bus, or that there is none to be made: otherwise the next start returns
// d again. It returns when that outlives a crash of the host.
func (b *Bus) Announced(d Damage) error {
	if b.spool == nil {
		return nil
	}
	s := b.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unannounced = slices.DeleteFunc(s.unannounced, d.same)
	if len(s.unannounced) > 0 {
		return s.writeReported()
	}
	if err := os.Remove(s.reported()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return disk.SyncDir(s.folder)
}
