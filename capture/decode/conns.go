package decode

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"sipsieve/capture"
)

// window is how far before the next byte a segment may begin and still be of the same connection. Further back it is
// of another one, whose beginning was not seen.
const window = 1 << 20

// A connKey is the ends of a TCP connection, in an order that does not depend on which of them sent, and the hash of
// the tunnel that it came in.
type connKey [44]byte

// connKeyOf returns the key of the connection of f in a tunnel, and which side sent.
func connKeyOf(f capture.Flow, tunnel uint64) (key connKey, side int) {
	src, dst := f.Src, f.Dst
	if src.Compare(dst) > 0 {
		src, dst, side = dst, src, 1
	}
	a, b := src.Addr().As16(), dst.Addr().As16()
	copy(key[:], a[:])
	copy(key[16:], b[:])
	binary.BigEndian.PutUint16(key[32:], src.Port())
	binary.BigEndian.PutUint16(key[34:], dst.Port())
	binary.BigEndian.PutUint64(key[36:], tunnel)
	return key, side
}

// flow returns the flow of what a side sends.
func (k *connKey) flow(side int) capture.Flow {
	f := capture.Flow{Src: endOf(k[:16], k[32:]), Dst: endOf(k[16:], k[34:]), Transport: capture.TCP}
	if side == 1 {
		return f.Reverse()
	}
	return f
}

func endOf(addr, port []byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(addr)).Unmap(), uint16(port[0])<<8|uint16(port[1]))
}

// A conn is one TCP connection. It holds no pointer, so that many idle ones cost little.
type conn struct {
	key          connKey
	vlan         uint16
	closed       bool
	number       uint64
	older, newer uint32 // neighbours in their ring, in the order of last use
	half         [2]half
}

// over reports whether neither half of x can have more.
func (x *conn) over() bool {
	a, b := &x.half[0], &x.half[1]
	return a.ended && b.ended || a.ended && !b.known || b.ended && !a.known
}

// excludes reports whether a cannot be of x: it comes after the end, or long before what came.
func (x *conn) excludes(a *arrival) bool {
	h := &x.half[a.side]
	if !h.known {
		return x.closed
	}
	ahead := int32(a.seq - h.next)
	return h.ended && ahead >= 0 || ahead < -window
}

// A half is one direction: the sequence number that comes next, and what waits for it.
type half struct {
	next  uint32
	first uint32 // of the first byte, by its SYN
	hold  uint16 // 1 + index of its hold; 0 without one
	syn   bool   // its SYN was seen
	known bool   // next is
	ended bool   // FIN, RST, or given up
	lost  bool   // bytes before the next ones are missing
}

// begin starts h with the sequence number of its first byte, unless it is known already.
func (h *half) begin(first uint32) {
	if !h.known {
		h.known, h.next = true, first
	}
	h.syn, h.first = true, first
}

// Heads of the two rings of connections: those in use, the one silent for longest at the older end, and those that
// have ended, which are evicted first. They are remembered so that retransmissions of them are not read twice.
const (
	inUse = iota
	closed
	heads
)

// A connTable is the connections that are remembered. A conn is named by its index in conns.
type connTable struct {
	seed   maphash.Seed
	byHash map[uint64]uint32
	conns  []conn
	spare  []uint32
	number uint64 // of the connection that was added last
}

func (t *connTable) init() {
	t.seed, t.byHash = maphash.MakeSeed(), make(map[uint64]uint32)
	t.conns = make([]conn, heads)
	for i := range t.conns {
		t.conns[i].older, t.conns[i].newer = uint32(i), uint32(i)
	}
}

func (t *connTable) hash(key *connKey) uint64 { return maphash.Bytes(t.seed, key[:]) }

// find returns the connection of key, inUse and false without one.
func (t *connTable) find(key *connKey) (uint32, bool) {
	c, ok := t.byHash[t.hash(key)]
	if !ok || t.conns[c].key != *key {
		return inUse, false
	}
	return c, true
}

// oldest returns the connection to evict next: one that has ended, else the one silent for longest.
func (t *connTable) oldest() uint32 {
	if c := t.conns[closed].newer; c != closed {
		return c
	}
	return t.conns[inUse].newer
}

// add makes a connection, whose key has that hash, and returns it.
func (t *connTable) add(hash uint64, key *connKey, vlan uint16) (c uint32) {
	if n := len(t.spare); n > 0 {
		c, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		t.conns = append(t.conns, conn{})
		c = uint32(len(t.conns) - 1)
	}
	t.number++
	t.conns[c] = conn{key: *key, vlan: vlan, number: t.number, older: c, newer: c}
	t.byHash[hash] = c
	t.move(c, inUse)
	return c
}

// move makes c the newest of the ring of head.
func (t *connTable) move(c, head uint32) {
	if t.conns[head].older == c {
		return
	}
	t.unlink(c)
	newest := t.conns[head].older
	t.conns[c].older, t.conns[c].newer = newest, head
	t.conns[newest].newer, t.conns[head].older = c, c
}

func (t *connTable) unlink(c uint32) {
	x := &t.conns[c]
	t.conns[x.older].newer, t.conns[x.newer].older = x.newer, x.older
}

// forget takes c out of the table.
func (t *connTable) forget(c uint32) {
	t.unlink(c)
	delete(t.byHash, t.hash(&t.conns[c].key))
	t.spare = append(t.spare, c)
}
