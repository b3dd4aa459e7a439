package scrub

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"

	"sipsieve/sip/syntax"
)

// A disguise holds what stands for what in one run. Lengths stay: of texts with the kind of each character, of
// addresses with the digits of each part, of ports with their digits. Two texts never have one disguise while there
// are enough of that shape.
type disguise struct {
	random *rand.Rand
	texts  drawn[string]
	v4     drawn[[4]byte]
	v6     drawn[[16]byte]
	links  drawn[[6]byte]
	ports  drawn[uint16] // of the even port of each pair
}

func newDisguise(key [32]byte) *disguise {
	return &disguise{random: rand.New(rand.NewChaCha8(key)), texts: newDrawn[string](), v4: newDrawn[[4]byte](),
		v6: newDrawn[[16]byte](), links: newDrawn[[6]byte](), ports: newDrawn[uint16]()}
}

// drawn is what has been drawn for values of one kind.
type drawn[T comparable] struct {
	of    map[T]T
	taken map[T]bool
}

func newDrawn[T comparable]() drawn[T] { return drawn[T]{of: map[T]T{}, taken: map[T]bool{}} }

// tries bounds how often another value is drawn when one is in use.
const tries = 100

// get returns what stands for v, drawn if v is new. It is not v nor in use, unless 100 draws find nothing else.
func (d *drawn[T]) get(v T, draw func() T) T {
	if w, ok := d.of[v]; ok {
		return w
	}
	w := draw()
	for n := 0; n < tries && (w == v || d.taken[w]); n++ {
		w = draw()
	}
	d.of[v], d.taken[w] = w, true
	return w
}

// meanings are numbers and words with a meaning in every network. They stay, and no draw makes them.
var meanings = map[string]bool{"911": true, "112": true, "933": true, "sos": true}

// text puts the disguise of in into out, which is as long.
func (d *disguise) text(out, in []byte) {
	w := d.texts.get(string(lower(in)), func() string {
		for {
			if w := d.draw(lower(in)); !meanings[w] {
				return w
			}
		}
	})
	copy(out, w)
	for i, c := range in {
		if 'A' <= c && c <= 'Z' {
			out[i] -= 'a' - 'A'
		}
	}
}

// draw returns a text of the shape of in, which is lower case: digits for digits, letters for letters (of those of
// hexadecimal digits if there are no others), letters for bytes that are not ASCII.
func (d *disguise) draw(in []byte) string {
	letters := 26
	if isHex(in) {
		letters = 6
	}
	out := slices.Clone(in)
	for i, c := range in {
		switch {
		case syntax.IsDigit(c) && i == 0 && c != '0':
			out[i] = byte('1' + d.random.IntN(9))
		case syntax.IsDigit(c):
			out[i] = byte('0' + d.random.IntN(10))
		case syntax.IsLetter(c):
			out[i] = byte('a' + d.random.IntN(letters))
		case c >= 0x80:
			out[i] = byte('a' + d.random.IntN(26))
		}
	}
	return string(out)
}

// isHex reports whether in has digits, and no letters but those of hexadecimal ones.
func isHex(in []byte) bool {
	digits := false
	for _, c := range in {
		if syntax.IsLetter(c) && c > 'f' || c >= 0x80 {
			return false
		}
		digits = digits || syntax.IsDigit(c)
	}
	return digits
}

func lower(in []byte) []byte {
	out := slices.Clone(in)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}

// address returns what stands for a: every octet of IPv4 and every group of IPv6 has as many digits as before, so
// that the text is as long, and a group of nothing stays one. Addresses that name no host stay as they are.
func (d *disguise) address(a netip.Addr) netip.Addr {
	a = a.WithZone("")
	switch {
	case a.IsUnspecified(), a.IsLoopback(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return a
	case a.Is4In6():
		b := a.As16()
		to := d.address(a.Unmap()).As4()
		copy(b[12:], to[:])
		return netip.AddrFrom16(b)
	case a.Is4():
		v := a.As4()
		return netip.AddrFrom4(d.v4.get(v, func() [4]byte { return d.octets(v) }))
	}
	v := a.As16()
	return netip.AddrFrom16(d.v6.get(v, func() [16]byte { return d.groups(v) }))
}

func (d *disguise) octets(v [4]byte) (w [4]byte) {
	for i, n := range v {
		first, last := 0, 9
		switch {
		case n >= 100:
			first, last = 100, 255
		case n >= 10:
			first, last = 10, 99
		}
		if i == 0 {
			first, last = max(first, 1), min(last, 223)
		}
		w[i] = byte(first + d.random.IntN(last-first+1))
	}
	if w[0] == 127 {
		w[0] = 128
	}
	return w
}

func (d *disguise) groups(v [16]byte) (w [16]byte) {
	for i := 0; i < 16; i += 2 {
		n, first := int(v[i])<<8|int(v[i+1]), 1
		if n == 0 {
			continue
		}
		for first<<4 <= n {
			first <<= 4
		}
		last := first<<4 - 1
		if i == 0 {
			last = min(last, 0xfdff) // nothing that means more than one host
		}
		n = first + d.random.IntN(last-first+1)
		w[i], w[i+1] = byte(n>>8), byte(n)
	}
	return w
}

// link returns what stands for a link-layer address; one of a group stays one.
func (d *disguise) link(v [6]byte) [6]byte {
	if v == ([6]byte{}) || v == [6]byte{255, 255, 255, 255, 255, 255} {
		return v
	}
	return d.links.get(v, func() (w [6]byte) {
		for i := range w {
			w[i] = byte(d.random.IntN(256))
		}
		w[0] = w[0]&^1 | v[0]&1 | 2 // administered locally
		return w
	})
}

// meansProtocol reports whether p stays, because it names a protocol: a system port, one of the usual ports of
// SIP, STUN, WebSocket and HEP, or one of a tunnel.
func meansProtocol(p uint16) bool {
	return p < 1024 || 5060 <= p && p < 5100 ||
		slices.Contains([]uint16{2152, 3478, 4789, 5160, 5161, 6081, 8080, 8088, 8089, 8472, 9060}, p)
}

// port returns what stands for p. The two ports of a pair stay one, the lower even, as RTP and RTCP have them.
func (d *disguise) port(p uint16) uint16 {
	if meansProtocol(p) {
		return p
	}
	first, last := 10000, 65534
	if p < 10000 {
		first, last = 1024, 9998
	}
	return p&1 | d.ports.get(p&^1, func() uint16 {
		for {
			if q := uint16(first+d.random.IntN(last-first+1)) &^ 1; !meansProtocol(q) && !meansProtocol(q|1) {
				return q
			}
		}
	})
}

// portText puts the disguise of a port's digits into out, and reports whether in was a port.
func (d *disguise) portText(out, in []byte) bool {
	n, err := strconv.ParseUint(string(in), 10, 16)
	if err != nil || n == 0 || in[0] == '0' {
		return false
	}
	copy(out, strconv.Itoa(int(d.port(uint16(n)))))
	return true
}

// portPair writes the disguises of the two ports at the beginning of in, source and destination.
func (d *disguise) portPair(out, in []byte) {
	for _, i := range []int{0, 2} {
		binary.BigEndian.PutUint16(out[i:], d.port(binary.BigEndian.Uint16(in[i:])))
	}
}
