package mem

import "encoding/binary"

// A Coder writes values or reads them back: what is written and what is read cannot differ.
type Coder struct {
	Bytes   []byte // what was written, or what is left to be read
	Reading bool
	Wrong   bool
	Since   int64 // what instants are counted from
}

// Version writes want, or reads it: what was written by another version is wrong.
func (c *Coder) Version(want uint8) {
	v := want
	Number(c, &v)
	c.Wrong = c.Wrong || v != want
}

// Number writes *p, or reads it.
func Number[T ~uint8 | ~uint16 | ~uint32 | ~uint64](c *Coder, p *T) {
	if !c.Reading {
		c.Bytes = binary.AppendUvarint(c.Bytes, uint64(*p))
		return
	}
	v, n := binary.Uvarint(c.Bytes)
	if c.Wrong = c.Wrong || n <= 0 || uint64(T(v)) != v; c.Wrong {
		return
	}
	*p, c.Bytes = T(v), c.Bytes[n:]
}

// Signed writes *p, or reads it.
func (c *Coder) Signed(p *int64) {
	v := uint64(*p<<1) ^ uint64(*p>>63)
	Number(c, &v)
	*p = int64(v>>1) ^ -int64(v&1)
}

// Instant is signed for a time, which is near another one or unknown.
func (c *Coder) Instant(p *int64) {
	known := *p != 0
	c.Flags(&known)
	if !known {
		*p = 0
		return
	}
	v := *p - c.Since
	c.Signed(&v)
	*p = v + c.Since
}

// Flags writes eight bools at most as one number, or reads them.
func (c *Coder) Flags(ps ...*bool) {
	var set uint8
	for i, p := range ps {
		if *p {
			set |= 1 << i
		}
	}
	Number(c, &set)
	for i, p := range ps {
		*p = set&(1<<i) != 0
	}
}

// Hash is number for what is as long as a number can be.
func (c *Coder) Hash(p *uint32) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], *p)
	c.Fixed(b[:])
	*p = binary.LittleEndian.Uint32(b[:])
}

// Fixed writes the bytes of b, or reads as many.
func (c *Coder) Fixed(b []byte) {
	switch {
	case !c.Reading:
		c.Bytes = append(c.Bytes, b...)
	case len(c.Bytes) < len(b):
		c.Wrong = true
	default:
		c.Bytes = c.Bytes[copy(b, c.Bytes):]
	}
}

// Length writes the length n of a list, or reads one of at most most.
func (c *Coder) Length(n, most int) int {
	v := uint8(n)
	Number(c, &v)
	c.Wrong = c.Wrong || int(v) > most
	return min(int(v), most)
}
