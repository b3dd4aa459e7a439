package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// A manifest is what a partition must contain. It is kept in the partition, changed in each transaction that changes
// rows, and in the catalogue of the store, after the transaction: there it may be older, never newer.
type manifest struct {
	Commits  int64             `json:"commits"` // transactions since the file was made
	Rows     int               `json:"rows"`
	Sum      int64             `json:"sum"`      // of the rows' checksums
	Earliest int64             `json:"earliest"` // moment of the rows, at the least
	Latest   int64             `json:"latest"`   // at the most
	Sensors  map[string][]span `json:"sensors"`  // what was put, by sensor and stream
}

// A span is a range of publications of one sensor's stream.
type span struct {
	Stream int64  `json:"stream"`
	Low    uint64 `json:"low"`
	High   uint64 `json:"high"`
}

func newManifest() manifest {
	return manifest{Earliest: math.MaxInt64, Latest: math.MinInt64, Sensors: map[string][]span{}}
}

// clone returns a copy that can be changed.
func (m manifest) clone() manifest {
	sensors := make(map[string][]span, len(m.Sensors))
	for name, spans := range m.Sensors {
		sensors[name] = append([]span(nil), spans...)
	}
	m.Sensors = sensors
	return m
}

// add enters a row.
func (m *manifest) add(x store.Row, sum, moment int64) {
	m.Rows++
	m.Sum += sum
	m.Earliest, m.Latest = min(m.Earliest, moment), max(m.Latest, moment)
	m.reach(x.Excerpt)
	for _, part := range x.Parts {
		m.reach(part)
	}
}

// reach enters the place of an excerpt.
func (m *manifest) reach(x policy.Excerpt) { m.span(x.Sensor, x.Published) }

// span enters a publication of a sensor.
func (m *manifest) span(sensor string, p policy.Sequence) {
	spans := m.Sensors[sensor]
	for i := range spans {
		if s := &spans[i]; s.Stream == p.Stream {
			s.Low, s.High = min(s.Low, p.Number), max(s.High, p.Number)
			return
		}
	}
	m.Sensors[sensor] = append(spans, span{p.Stream, p.Number, p.Number})
}

// covers reports whether a publication is within the spans of its sensor.
func (m *manifest) covers(x policy.Excerpt) bool {
	for _, s := range m.Sensors[x.Sensor] {
		if s.Stream == x.Published.Stream && s.Low <= x.Published.Number && x.Published.Number <= s.High {
			return true
		}
	}
	return false
}

// behind reports whether a publication of a sensor that m has is behind c.
func (m *manifest) behind(c store.Cursor, sensor string) bool {
	for _, s := range m.Sensors[sensor] {
		if c.Before(sensor, policy.Sequence{Stream: s.Stream, Number: s.High}) {
			return true
		}
	}
	return false
}

// reached moves c on to all that m has.
func (m *manifest) reached(c store.Cursor) {
	for sensor, spans := range m.Sensors {
		for _, s := range spans {
			c.Reach(sensor, policy.Sequence{Stream: s.Stream, Number: s.High})
		}
	}
}

// A queryer is a database, a connection or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// readManifest reads the manifest that a partition has.
func readManifest(ctx context.Context, db queryer) (m manifest, err error) {
	var text []byte
	if err = db.QueryRowContext(ctx, "SELECT body FROM manifest").Scan(&text); err != nil {
		return m, err
	}
	m = newManifest()
	if json.Unmarshal(text, &m) != nil || m.Sensors == nil {
		return m, errDamaged
	}
	return m, nil
}

func (m manifest) text() string {
	text, _ := json.Marshal(m)
	return string(text)
}

// merge adds the spans and the times of o.
func (m *manifest) merge(o manifest) {
	m.Earliest, m.Latest = min(m.Earliest, o.Earliest), max(m.Latest, o.Latest)
	for sensor, spans := range o.Sensors {
		for _, s := range spans {
			for _, number := range []uint64{s.Low, s.High} {
				m.span(sensor, policy.Sequence{Stream: s.Stream, Number: number})
			}
		}
	}
}

// bounds returns the times of the earliest and the latest row, zero if one of them has none.
func (m *manifest) bounds() (from, to time.Time) {
	if m.Earliest == timeless || m.Latest == timeless || m.Earliest > m.Latest {
		return from, to
	}
	return time.UnixMilli(m.Earliest), time.UnixMilli(m.Latest)
}

// lowest returns the lowest of the earliest stream of each sensor.
func (m *manifest) lowest() store.Cursor {
	c := store.Cursor{}
	for sensor, spans := range m.Sensors {
		for _, s := range spans {
			if have, ok := c[sensor]; !ok || s.Stream < have.Stream {
				c[sensor] = policy.Sequence{Stream: s.Stream, Number: s.Low}
			}
		}
	}
	return c
}
