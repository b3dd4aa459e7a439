package bus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/bus/marks"
	"sipsieve/store/bus/version"
)

// spoolEvery is how often the streams of the embedded server are looked at.
const spoolEvery = time.Second

// A spool is what the embedded server's streams need beside the server: room, marks against which damage is found, and
// files without expired bytes.
type spool struct {
	folder  string // Config.Dir
	version int    // of the folder, when it was opened
	keepers []string
	streams []jetstream.StreamConfig
	purpose map[string]string // by stream
	marks   *marks.File
	gates   map[string]*streamGate // by stream

	patient    bool              // a file that cannot be read is waited for
	distrusted map[string]uint64 // streams whose keepers begin anew, with what they had confirmed

	js        jetstream.JetStream // nil until the server runs
	publisher *Publisher          // likewise
	broken    func() error        // why the server writes nothing, nil if it does

	every, slack time.Duration // expireEvery, expireSlack but for tests

	positions sync.Mutex // while positions of keepers are read for a mark or a purge, and while one is set back

	mu          sync.Mutex
	damages     []Damage          // found since the start or not yet announced when it began; under mu
	unannounced []Damage          // of damages; under mu
	idle        map[string]uint64 // by stream: the confirmed sequence at which keepers confirmed nothing for keeperLag; under mu

	stop context.CancelFunc
	done chan struct{} // closed when run has ended; nil until it runs
}

// newSpool opens the marks of the streams that c names.
func newSpool(c Config) (*spool, error) {
	s := &spool{folder: c.Dir, keepers: c.Keepers, streams: c.Plan.configs(), purpose: map[string]string{store.StreamName(store.Ops): store.Ops},
		gates: map[string]*streamGate{}, idle: map[string]uint64{},
		distrusted: map[string]uint64{}, every: cmp.Or(c.expireEvery, expireEvery), slack: cmp.Or(c.expireSlack, expireSlack)}
	for _, p := range c.Plan.Streams {
		s.purpose[store.StreamName(p.Purpose)] = p.Purpose
	}
	for i := range s.streams {
		s.gates[s.streams[i].Name] = &streamGate{}
	}
	var err error
	if s.version, err = version.Read(c.Dir); err != nil {
		return nil, err
	}
	if s.marks, err = marks.Open(filepath.Join(c.Dir, "marks")); err != nil {
		return nil, fmt.Errorf("bus: marks: %w", err)
	}
	return s, nil
}

// start begins to look after the streams, and h after the server.
func (s *spool) start(h *healer) {
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.done = stop, make(chan struct{})
	go s.run(ctx, h)
}

// run looks after every stream until ctx ends. What cannot be done now is tried again.
func (s *spool) run(ctx context.Context, h *healer) {
	defer close(s.done)
	ticker, expiry := time.NewTicker(spoolEvery), time.NewTicker(s.every)
	defer ticker.Stop()
	defer expiry.Stop()
	for {
		select {
		case <-ctx.Done():
			if s.broken() == nil {
				h.report()
			}
			return
		case <-expiry.C:
			if h.heal(ctx) == nil {
				s.expireAll(ctx)
			}
			continue
		case <-ticker.C:
		}
		if h.heal(ctx) != nil {
			continue
		}
		for i := range s.streams {
			_ = s.look(ctx, s.streams[i].Name)
		}
		_ = s.marks.Sync()
	}
}

// look brings the mark of a stream up to date, and purges it if little of it is free.
func (s *spool) look(ctx context.Context, name string) error {
	stream, err := s.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("bus: spool: %w", err)
	}
	s.positions.Lock()
	err = s.remember(ctx, stream)
	s.positions.Unlock()
	if err != nil || !isLow(stream.CachedInfo()) {
		return err
	}
	_, _, err = s.purge(ctx, stream)
	return err
}

// seenEvery is how old the time in a mark may be that has not changed.
const seenEvery = time.Minute

// remember brings the mark of a stream up to date. s.positions is locked, or nothing else uses s yet.
func (s *spool) remember(ctx context.Context, stream jetstream.Stream) error {
	confirmed, err := s.confirmed(ctx, stream)
	if err != nil {
		return err
	}
	return s.mark(stream.CachedInfo(), confirmed)
}

// mark enters in the mark of a stream how it is, and what each keeper has confirmed. A keeper that begins anew lowers
// nothing: what it had confirmed may be gone from the stream. One that is a keeper no more leaves the mark. The stream's
// last message is not in it: the server shows it before it is on the disk.
func (s *spool) mark(info *jetstream.StreamInfo, confirmed map[string]uint64) error {
	now := time.Now().UnixNano()
	return s.marks.Change(info.Config.Name, func(m *marks.Mark) {
		if created := info.Created.UnixNano(); m.Created != created {
			m.Created, m.High, m.Files = created, 0, ""
			clear(m.Confirmed)
		}
		high, first, made, by := m.High, m.First, m.FirstMade, maps.Clone(m.Confirmed)
		maps.DeleteFunc(m.Confirmed, func(name string, _ uint64) bool { return !slices.Contains(s.keepers, name) })
		for name, sequence := range confirmed {
			m.Confirmed[name] = max(m.Confirmed[name], sequence)
		}
		m.First, m.FirstMade = info.State.FirstSeq, 0
		if info.State.Msgs > 0 {
			m.FirstMade = info.State.FirstTime.UnixNano()
		}
		if m.High != high || m.First != first || m.FirstMade != made || !maps.Equal(m.Confirmed, by) ||
			now-m.Seen > int64(seenEvery) {
			m.Seen = now
		}
	})
}

// settled brings the mark of a stream up to date, of which the server has written everything. What keepers had confirmed
// of messages that never came to the disk is of others from now on.
func (s *spool) settled(ctx context.Context, stream jetstream.Stream) error {
	if err := s.remember(ctx, stream); err != nil {
		return err
	}
	last := stream.CachedInfo().State.LastSeq
	return s.marks.Change(stream.CachedInfo().Config.Name, func(m *marks.Mark) {
		m.High = max(m.High, last)
		for name, sequence := range m.Confirmed {
			m.Confirmed[name] = min(sequence, last)
		}
	})
}

// setBack keeps that a keeper of a stream is to get everything again from a sequence on, and has do make that so: after a
// crash nothing of it is purged. Meanwhile no position is read, so that no purge goes by an earlier one.
func (s *spool) setBack(stream, keeper string, sequence uint64, do func() error) error {
	s.positions.Lock()
	defer s.positions.Unlock()
	err := s.marks.Change(stream, func(m *marks.Mark) {
		if have, ok := m.Confirmed[keeper]; ok {
			m.Confirmed[keeper] = min(have, sequence-1)
		}
	})
	if err = errors.Join(err, s.marks.Sync()); err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	return do()
}

// close ends run and brings all marks up to date, unless the server is broken. The server still runs.
func (s *spool) close() error {
	if s.done == nil {
		return nil
	}
	s.stop()
	<-s.done
	if err := s.broken(); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), replyTimeout)
	defer cancel()
	var errs []error
	for i := range s.streams {
		stream, err := s.js.Stream(ctx, s.streams[i].Name)
		if err == nil {
			err = s.settled(ctx, stream)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// seal keeps what the files of the keepers are after a stop of the server, and closes the marks. A server that was broken
// has not stopped cleanly.
func (s *spool) seal() error {
	if s.broken() != nil {
		return s.marks.Close()
	}
	var errs []error
	for i := range s.streams {
		sum, err := s.keeperFiles(s.streams[i].Name, s.keepers)
		if err == nil && s.done != nil {
			err = s.marks.Change(s.streams[i].Name, func(m *marks.Mark) { m.Files, m.Keepers = sum, strings.Join(s.keepers, ",") })
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.marks.Close())...)
}

// stream returns the server's folder of a stream.
func (s *spool) stream(name string) string {
	return filepath.Join(s.folder, "jetstream", "$G", "streams", name)
}

// keeper returns the server's folder of a stream's consumer.
func (s *spool) keeper(stream, name string) string {
	return filepath.Join(s.stream(stream), "obs", name)
}

// keeperFiles returns a hash of what the server keeps of keepers of a stream. Their positions have no checksum of the
// server's.
func (s *spool) keeperFiles(stream string, keepers []string) (string, error) {
	hash := sha256.New()
	for _, name := range keepers {
		for _, file := range []string{"meta.inf", "meta.sum", "o.dat"} {
			data, err := os.ReadFile(filepath.Join(s.keeper(stream, name), file))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
			sum := sha256.Sum256(data)
			hash.Write(sum[:])
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:16]), nil
}

// acknowledged keeps that a stream has acknowledged everything up to a sequence. An error is not the Put's: the next
// look at the stream writes the mark again.
func (b *Bus) acknowledged(stream string, sequence uint64) {
	if b.spool != nil {
		_ = b.spool.marks.Acknowledged(stream, sequence)
	}
}
