package main

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"sipsieve/sip/track"
)

// A merger puts the events of all shards of a domain in one order: time, key, ordinal. It holds an event
// until no shard can send an earlier one.
type merger struct {
	clocks []time.Time
	held   []track.Event
}

func newMerger(shards int) *merger { return &merger{clocks: make([]time.Time, shards)} }

// add takes what a shard sent and calls tell with every event whose turn has come.
func (m *merger) add(f flow, tell func(*track.Event)) {
	m.clocks[f.shard] = f.clock
	m.held = append(m.held, f.events...)
	until := slices.MinFunc(m.clocks, time.Time.Compare)
	slices.SortFunc(m.held, inOrder)
	n := 0
	for n < len(m.held) && m.held[n].Time.Before(until) {
		tell(&m.held[n])
		n++
	}
	m.held = slices.Delete(m.held, 0, n)
}

func inOrder(a, b track.Event) int {
	return cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.Key[:], b.Key[:]), cmp.Compare(a.Ordinal, b.Ordinal))
}
