package hops

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// repeats hold the prints of the messages of many calls, by which a repeated message is recognised. The prints of one
// call are a chain of blocks, the latest first.
type repeats struct {
	blocks  mem.Slab[printBlock]
	dropped uint64 // blocks that were dropped because a call had too many
}

// A printBlock holds prints of one call.
type printBlock struct {
	prints [printsPerBlock]uint32
	next   uint32 // number of the block before it in time
	n      uint8
}

const (
	printsPerBlock = 24
	mostBlocks     = 128 // of one call
)

// seen reports whether the chain that begins with block number *first has the print x, and adds it otherwise.
func (r *repeats) seen(first *uint32, x uint32) bool {
	blocks := 0
	for n := *first; n != 0; blocks++ {
		b := r.blocks.At(n)
		for _, have := range b.prints[:b.n] {
			if have == x {
				return true
			}
		}
		n = b.next
	}
	r.add(first, x, blocks)
	return false
}

// add adds the print x to a chain of so many blocks. If there are too many, the earliest is dropped.
func (r *repeats) add(first *uint32, x uint32, blocks int) {
	if n := *first; n != 0 && r.blocks.At(n).n < printsPerBlock {
		b := r.blocks.At(n)
		b.prints[b.n] = x
		b.n++
		return
	}
	if blocks >= mostBlocks {
		r.dropped++
		r.dropEarliest(first)
	}
	n := r.blocks.New()
	b := r.blocks.At(n)
	b.prints[0], b.n, b.next = x, 1, *first
	*first = n
}

func (r *repeats) dropEarliest(first *uint32) {
	last := first
	for r.blocks.At(*last).next != 0 {
		last = &r.blocks.At(*last).next
	}
	n := *last
	*last = 0
	*r.blocks.At(n) = printBlock{}
	r.blocks.Free(n)
}

// last returns the prints of the latest blocks of a chain, most of them or one block more.
func (r *repeats) last(first uint32, most int) (prints []uint32) {
	for n := first; n != 0 && len(prints) < most; n = r.blocks.At(n).next {
		b := r.blocks.At(n)
		prints = append(prints, b.prints[:b.n]...)
	}
	return prints
}

// forget frees a chain.
func (r *repeats) forget(first *uint32) {
	for n := *first; n != 0; {
		b := r.blocks.At(n)
		next := b.next
		*b = printBlock{}
		r.blocks.Free(n)
		n = next
	}
	*first = 0
}

// Print returns a number that is equal for two messages of one kind in one transaction (RFC 3261 section 17.2.3).
func Print(m *sip.Message, k event.Keys) uint32 {
	h := k.Branch.Short()
	if k.Branch == (event.Key{}) {
		h = m.Body
	}
	h ^= uint64(m.Method)<<56 | uint64(m.Status)<<40 | uint64(m.CSeq)
	if m.Status != 0 {
		h += k.To.Short()
	}
	if m.Status > 100 && m.Status < 200 {
		h += m.Body // a provisional response may be followed by another of its status
	}
	h *= 0x9e3779b97f4a7c15
	return uint32(h >> 32)
}
