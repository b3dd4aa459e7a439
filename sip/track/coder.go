package track

import "encoding/binary"

// A coder writes values or reads them back: what is written and what is read cannot differ.
type coder struct {
	b       []byte // what was written, or what is left to be read
	reading bool
	wrong   bool
	since   int64 // what instants are counted from
}

// version writes want, or reads it: what was written by another version is wrong.
func (c *coder) version(want uint8) {
	v := want
	number(c, &v)
	c.wrong = c.wrong || v != want
}

// number writes *p, or reads it.
func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64](c *coder, p *T) {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, uint64(*p))
		return
	}
	v, n := binary.Uvarint(c.b)
	if c.wrong = c.wrong || n <= 0 || uint64(T(v)) != v; c.wrong {
		return
	}
	*p, c.b = T(v), c.b[n:]
}

func (c *coder) signed(p *int64) {
	v := uint64(*p<<1) ^ uint64(*p>>63)
	number(c, &v)
	*p = int64(v>>1) ^ -int64(v&1)
}

// instant is signed for a time, which is near another one or unknown.
func (c *coder) instant(p *int64) {
	known := *p != 0
	c.flags(&known)
	if !known {
		*p = 0
		return
	}
	v := *p - c.since
	c.signed(&v)
	*p = v + c.since
}

func (c *coder) flags(ps ...*bool) {
	var set uint8
	for i, p := range ps {
		if *p {
			set |= 1 << i
		}
	}
	number(c, &set)
	for i, p := range ps {
		*p = set&(1<<i) != 0
	}
}

// hash is number for what is as long as a number can be.
func (c *coder) hash(p *uint32) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], *p)
	c.fixed(b[:])
	*p = binary.LittleEndian.Uint32(b[:])
}

func (c *coder) fixed(b []byte) {
	switch {
	case !c.reading:
		c.b = append(c.b, b...)
	case len(c.b) < len(b):
		c.wrong = true
	default:
		c.b = c.b[copy(b, c.b):]
	}
}

// length writes the length n of a list, or reads one of at most most.
func (c *coder) length(n, most int) int {
	v := uint8(n)
	number(c, &v)
	c.wrong = c.wrong || int(v) > most
	return min(int(v), most)
}
