package track

import "sipsieve/sip"

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

// repeated reports whether m's kind of message was seen in m's transaction before, and remembers it in root.
func (t *Tracker) repeated(root *dialog, m *sip.Message, k Keys) bool {
	p := print(m, k)
	blocks := 0
	for n := root.repeatSet; n != 0; blocks++ {
		b := t.prints.At(n)
		for _, have := range b.prints[:b.n] {
			if have == p {
				return true
			}
		}
		n = b.next
	}
	t.addPrint(root, p, blocks)
	return false
}

// addPrint remembers p. The earliest block goes when there are too many.
func (t *Tracker) addPrint(root *dialog, p uint32, blocks int) {
	if n := root.repeatSet; n != 0 && t.prints.At(n).n < printsPerBlock {
		b := t.prints.At(n)
		b.prints[b.n] = p
		b.n++
		return
	}
	if blocks >= mostBlocks {
		t.counts.Bounds[RepeatsBound]++
		t.dropOldestBlock(root)
	}
	n := t.prints.New()
	b := t.prints.At(n)
	b.prints[0], b.n, b.next = p, 1, root.repeatSet
	root.repeatSet = n
}

func (t *Tracker) dropOldestBlock(root *dialog) {
	at := &root.repeatSet
	for t.prints.At(*at).next != 0 {
		at = &t.prints.At(*at).next
	}
	n := *at
	*at = 0
	*t.prints.At(n) = printBlock{}
	t.prints.Free(n)
}

// countRepeat counts a message of d, which has k, as sent again: for its call, and for its own fork.
func (t *Tracker) countRepeat(d *dialog, k Keys) {
	t.counts.Retransmissions++
	d.repeats++
	root := t.dialogs.At(d.root)
	if root != d {
		root.repeats++
		return
	}
	for n := root.hops; n != 0; n = t.hops.At(n).next {
		h := t.hops.At(n)
		for _, tag := range [...]Key{k.To, k.From} {
			if i, _ := t.knownFork(h, tag); i >= 0 {
				t.fork(h, i).repeats++
				return
			}
		}
	}
}

// forgetRepeats frees what repeats of root's messages are known by.
func (t *Tracker) forgetRepeats(root *dialog) {
	for n := root.repeatSet; n != 0; {
		b := t.prints.At(n)
		next := b.next
		*b = printBlock{}
		t.prints.Free(n)
		n = next
	}
	root.repeatSet = 0
}

// print returns a number that is equal for two messages of one kind in one transaction (RFC 3261 section 17.2.3).
func print(m *sip.Message, k Keys) uint32 {
	h := k.Branch.short()
	if k.Branch == (Key{}) {
		h = m.Body
	}
	h ^= uint64(m.Method)<<56 | uint64(m.Status)<<40 | uint64(m.CSeq)
	if m.Status != 0 {
		h += k.To.short()
	}
	if m.Status > 100 && m.Status < 200 {
		h += m.Body // a provisional response may be followed by another of its status
	}
	h *= 0x9e3779b97f4a7c15
	return uint32(h >> 32)
}
