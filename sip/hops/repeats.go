// This file has methods of Table because a file is one thing that hops show with how the table keeps it.

package hops

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// A printBlock holds some of the messages that were seen of a call, by print.
type printBlock struct {
	prints [printsPerBlock]uint32
	next   uint32 // the block before it in time
	n      uint8
}

const (
	printsPerBlock = 24
	mostBlocks     = 128 // of one call; the messages behind are known by the last blocks
)

// Repeated reports whether m's kind of message was seen in m's transaction before, and remembers it in p.
func (t *Table) Repeated(p *Path, m *sip.Message, k event.Keys) bool {
	x := Print(m, k)
	blocks := 0
	for n := p.prints; n != 0; blocks++ {
		b := t.prints.At(n)
		for _, have := range b.prints[:b.n] {
			if have == x {
				return true
			}
		}
		n = b.next
	}
	t.addPrint(p, x, blocks)
	return false
}

// addPrint remembers the print x, as the latest of p, which has so many blocks. The earliest block is dropped when there
// are too many.
func (t *Table) addPrint(p *Path, x uint32, blocks int) {
	if n := p.prints; n != 0 && t.prints.At(n).n < printsPerBlock {
		b := t.prints.At(n)
		b.prints[b.n] = x
		b.n++
		return
	}
	if blocks >= mostBlocks {
		t.TooManyRepeats++
		t.dropOldestBlock(p)
	}
	n := t.prints.New()
	b := t.prints.At(n)
	b.prints[0], b.n, b.next = x, 1, p.prints
	p.prints = n
}

func (t *Table) dropOldestBlock(p *Path) {
	at := &p.prints
	for t.prints.At(*at).next != 0 {
		at = &t.prints.At(*at).next
	}
	n := *at
	*at = 0
	*t.prints.At(n) = printBlock{}
	t.prints.Free(n)
}

// CountRepeat counts a message that has k as sent again, for its fork if that is known.
func (t *Table) CountRepeat(p *Path, k event.Keys) {
	for n := p.First; n != 0; n = t.At(n).Next {
		h := t.At(n)
		for _, tag := range [...]event.Key{k.To, k.From} {
			if i, _ := t.KnownFork(h, tag); i >= 0 {
				t.Fork(h, i).Repeats++
				return
			}
		}
	}
}

// forgetPrints frees what repeats of p's messages are known by.
func (t *Table) forgetPrints(p *Path) {
	for n := p.prints; n != 0; {
		b := t.prints.At(n)
		next := b.next
		*b = printBlock{}
		t.prints.Free(n)
		n = next
	}
	p.prints = 0
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
