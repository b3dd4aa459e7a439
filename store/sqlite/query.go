package sqlite

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// A Reader reads the directory of a Store, whether a process keeps it or none. It takes nothing that a Store needs to
// open, to put or to sweep, however long it reads: SQLite's log lets one writer and any number of readers work at once.
type Reader struct{ dir directory }

// Read returns a Reader of dir. One that is not there has no rows.
func Read(dir string) (*Reader, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return &Reader{directory(dir)}, nil
}

// Query is as a Store's. What is swept meanwhile may be left out. Files of an older version are ErrOlder.
func (r *Reader) Query(ctx context.Context, q store.Query) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		c, err := r.catalogue()
		if err != nil {
			yield(store.Item{}, err)
			return
		}
		query(ctx, r.dir, c, q)(yield)
	}
}

// query yields what q names of the partitions that the catalogue has.
func query(ctx context.Context, dir directory, c *catalogue, q store.Query) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		if store.CheckName(q.Purpose) != nil {
			yield(store.Item{}, store.ErrNoPurpose)
			return
		}
		s := &search{dir: dir, catalogue: c, query: q, left: q.Limit}
		if err := s.prepare(); err != nil {
			yield(store.Item{}, err)
			return
		}
		err := wrap("query", errors.Join(s.run(ctx, yield), s.close()))
		if err == nil && s.damage != nil {
			err = s.damage
		}
		if err != nil && !s.stopped {
			yield(store.Item{}, err)
		}
	}
}

// A search is one Query under way: sources that are merged by their next rows. A source is opened when its turn may
// have come, and closed at its end, so that few are open at once.
type search struct {
	dir       directory
	catalogue *catalogue
	query     store.Query
	left      int          // records to yield, 0 for all
	after     store.Cursor // with query.Stored
	head      store.Cursor // likewise: where the answer ends
	behind    store.Mark   // without
	sources   []*source
	damage    store.DamageError
	stopped   bool // the caller has stopped, or Limit is reached
}

// prepare makes the sources.
func (s *search) prepare() (err error) {
	q := s.query
	if q.Stored {
		s.after, err = store.ParseCursor(q.After)
	} else if q.After != "" {
		s.behind, err = store.ParseMark(q.After)
	}
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	s.head = s.catalogue.head(q.Purpose)
	for _, p := range s.catalogue.of(q.Purpose) {
		e, _ := s.catalogue.get(p)
		if d := e.Damage; d != nil && d.Missing > 0 {
			s.damage = append(s.damage, store.Damage{Place: p, Missing: d.Missing})
		}
		if e.Rows == 0 {
			continue
		}
		if q.Stored {
			s.byStoring(p, e.manifest)
		} else if s.mayHave(e.manifest) {
			s.sources = append(s.sources, &source{place: p, next: key{moment: e.Earliest}})
		}
	}
	heap.Init(s)
	return nil
}

// mayHave reports whether a partition can have a row of the answer, by the time.
func (s *search) mayHave(m manifest) bool {
	first, last := s.bounds()
	return m.Latest >= first && m.Earliest < last
}

// byStoring adds the sources of a partition: one for each sensor of which it has something behind the cursor, and one
// for rows that several sensors saw.
func (s *search) byStoring(p place, m manifest) {
	any := false
	for sensor, spans := range m.Sensors {
		if !m.behind(s.after, sensor) {
			continue
		}
		any = true
		first := key{sensor: sensor, sequence: policy.Sequence{Stream: spans[0].Stream, Number: spans[0].Low}}
		for _, one := range spans[1:] {
			if one.Stream < first.sequence.Stream {
				first.sequence = policy.Sequence{Stream: one.Stream, Number: one.Low}
			}
		}
		s.sources = append(s.sources, &source{place: p, sensor: sensor, next: first})
	}
	if any {
		s.sources = append(s.sources, &source{place: p, joined: true})
	}
}

// run yields rows in their order, and at the end what is missing.
func (s *search) run(ctx context.Context, yield func(store.Item, error) bool) error {
	for len(s.sources) > 0 {
		one := s.sources[0]
		if one.here {
			item := store.Item{Body: one.body, Next: s.nextOf(one.next)}
			s.left--
			if s.stopped = !yield(item, nil) || s.left == 0; s.stopped {
				return nil
			}
		}
		if err := one.advance(ctx, s); err != nil {
			if err = s.lacks(one, err); err != nil {
				return err
			}
		}
		if one.ended {
			heap.Pop(s)
		} else {
			heap.Fix(s, 0)
		}
	}
	if s.query.Stored {
		s.stopped = !yield(store.Item{Next: s.end().String()}, nil)
	}
	return nil
}

// end returns the cursor behind the whole answer.
func (s *search) end() store.Cursor {
	c := store.Cursor{}
	for _, reached := range []store.Cursor{s.after, s.head} {
		for sensor, sequence := range reached {
			c.Reach(sensor, sequence)
		}
	}
	return c
}

// nextOf returns what goes on behind a row.
func (s *search) nextOf(k key) string {
	if !s.query.Stored {
		return store.Mark{Known: k.moment != timeless, Milli: k.moment, ID: k.id}.String()
	}
	c := store.Cursor{}
	for sensor, sequence := range s.after {
		c.Reach(sensor, sequence)
	}
	for sensor, sequence := range s.head {
		if sensor < k.sensor {
			c.Reach(sensor, sequence)
		}
	}
	c.Reach(k.sensor, k.sequence)
	return c.String()
}

// lacks notes that the partition of a source cannot be read to its end, unless it was swept.
func (s *search) lacks(one *source, err error) error {
	one.ended = true
	if errs := one.close(); errs != nil && !isDamage(errs) {
		return errors.Join(err, errs)
	}
	if !isDamage(wrap("query", err)) && s.dir.exists(one.place) {
		return err
	}
	c, errs := s.catalogue, error(nil)
	if c.file == nil {
		c, errs = readCatalogue(s.dir)
	}
	if errs != nil {
		return errs
	}
	e, known := c.get(one.place)
	for _, d := range s.damage {
		known = known && d.Place != one.place
	}
	if known {
		s.damage = append(s.damage, store.Damage{Place: one.place, Missing: max(0, e.Rows-one.read)})
	}
	return nil
}

// broken counts a row that is left out of the answer: it is not as it was stored.
func (s *search) broken(p place) {
	for i := range s.damage {
		if s.damage[i].Place == p {
			s.damage[i].Missing++
			return
		}
	}
	s.damage = append(s.damage, store.Damage{Place: p, Missing: 1})
}

// close closes what is still open.
func (s *search) close() error {
	var errs []error
	for _, one := range s.sources {
		errs = append(errs, one.close())
	}
	return errors.Join(errs...)
}

// Len implements heap.Interface.
func (s *search) Len() int { return len(s.sources) }

// Less implements heap.Interface.
func (s *search) Less(i, j int) bool { return s.sources[i].next.compare(s.sources[j].next) < 0 }

// Swap implements heap.Interface.
func (s *search) Swap(i, j int) { s.sources[i], s.sources[j] = s.sources[j], s.sources[i] }

// Push implements heap.Interface.
func (s *search) Push(x any) { s.sources = append(s.sources, x.(*source)) }

// Pop implements heap.Interface.
func (s *search) Pop() any {
	last := s.sources[len(s.sources)-1]
	s.sources = s.sources[:len(s.sources)-1]
	return last
}

// bounds returns the first moment of the answer and that at which it has ended.
func (s *search) bounds() (first, last int64) {
	first, last = timeless, int64(^uint64(0)>>1)
	if !s.query.To.IsZero() {
		first, last = timeless+1, milli(s.query.To)
	}
	if !s.query.From.IsZero() {
		first = milli(s.query.From)
	}
	if s.behind.Known {
		first = max(first, s.behind.Milli)
	}
	return first, last
}

// A condition is a part of a statement and its arguments.
type condition struct {
	text strings.Builder
	args []any
}

func (c *condition) and(text string, args ...any) {
	c.text.WriteString(" AND " + text)
	c.args = append(c.args, args...)
}

// filters adds the conditions of a search, but for the trunk's.
func (c *condition) filters(s *search) {
	q := s.query
	first, last := s.bounds()
	if q.Stored && first != timeless {
		c.and("moment >= ?", first)
	}
	if !q.To.IsZero() {
		c.and("moment < ?", last)
	}
	if q.Account != "" {
		c.and("account = ?", q.Account)
	}
	if q.Kind != "" {
		c.and("kind = ?", q.Kind)
	}
	if q.Disposition != "" {
		c.and("disposition = ?", q.Disposition)
	}
	if len(q.Pseudonyms) > 0 {
		c.and("call_id IN (SELECT value FROM json_each(?))", list(q.Pseudonyms))
	}
}

// trunk adds the condition of the trunk to those of a search that has another index.
func (c *condition) trunk(s *search) {
	if s.query.Trunk != "" {
		c.and("? IN (trunk_in, trunk_out)", s.query.Trunk)
	}
}
