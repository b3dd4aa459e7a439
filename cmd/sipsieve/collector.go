package main

import (
	"bytes"
	"container/heap"
	"time"

	"sipsieve/sip/track"
)

// A merger puts the events of all shards of a domain in one order: time, key, ordinal. It holds an event
// until no shard can send an earlier one.
type merger struct {
	clocks []time.Time
	held   eventHeap
}

func newMerger(shards int) *merger { return &merger{clocks: make([]time.Time, shards)} }

// add takes what a shard sent and calls tell with every event whose turn has come.
func (m *merger) add(f flow, tell func(*track.Event)) {
	m.clocks[f.shard] = f.clock
	for _, ev := range f.events {
		heap.Push(&m.held, ev)
	}
	until := m.clocks[0]
	for _, c := range m.clocks[1:] {
		if c.Before(until) {
			until = c
		}
	}
	for len(m.held) > 0 && m.held[0].Time.Before(until) {
		ev := heap.Pop(&m.held).(track.Event)
		tell(&ev)
	}
}

// An eventHeap has the earliest event on top.
type eventHeap []track.Event

func (h eventHeap) Len() int      { return len(h) }
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(track.Event)) }

func (h eventHeap) Less(i, j int) bool {
	a, b := &h[i], &h[j]
	if !a.Time.Equal(b.Time) {
		return a.Time.Before(b.Time)
	}
	if c := bytes.Compare(a.Key[:], b.Key[:]); c != 0 {
		return c < 0
	}
	return a.Ordinal < b.Ordinal
}

func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	ev := (*h)[last]
	(*h)[last] = track.Event{}
	*h = (*h)[:last]
	return ev
}
